"""Publishes by the CloudEvents SDK for Python, over HTTP in each mode and over AMQP in binary mode.

It prints nothing; an answer that is not 202 {"accepted": n} ends it with an error.
"""

import json
import os
import sys
import urllib.request
from datetime import datetime, timezone

import pika
from cloudevents.core.bindings import amqp, http, rabbitmq
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

DATA = {"n": 2**53 + 1, "beyond": 10**25, "price": 1.1, "text": "caf\u00e9"}


def event(source, data=DATA, datacontenttype="application/json"):
    return CloudEvent(
        attributes={
            "id": "1",
            "source": source,
            "type": "com.example.said",
            "subject": "caf\u00e9 \u20ac 100%",
            "time": datetime(2026, 11, 28, 20, 0, 0, 123456, tzinfo=timezone.utc),
            "datacontenttype": datacontenttype,
            "audience": "user:ada",
        },
        data=data,
    )


def send(headers, body, accepted=1):
    request = urllib.request.Request(
        os.environ["BELLWIRE"] + "/api/events",
        data=body,
        headers={**headers, "authorization": "Bearer " + os.environ["TOKEN"]},
    )
    with urllib.request.urlopen(request) as answer:
        answered = json.load(answer)
        if (answer.status, answered) != (202, {"accepted": accepted}):
            sys.exit(f"answered {answer.status} {answered}")


def send_amqp(properties, body):
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("bellwire.dev.publish", "", body, properties, mandatory=True)
    connection.close()


message = http.to_structured_event(event("/sdk/python-structured"))
send(message.headers, message.body)
message = http.to_binary_event(event("/sdk/python-binary"))
send(message.headers, message.body)
message = http.to_binary_event(event("/sdk/python-text", "caf\u00e9", "text/plain"))
send(message.headers, message.body)
message = http.to_binary_event(event("/sdk/python-bytes", b"\xff\x00", "application/octet-stream"))
send(message.headers, message.body)
# The SDK writes no batch; a batch is a list of its structured events.
parts = [JSONFormat().write(event(f"/sdk/python-batch-{n}")) for n in range(2)]
send({"content-type": "application/cloudevents-batch+json"}, b"[" + b",".join(parts) + b"]", accepted=2)

message = rabbitmq.to_binary_event(event("/sdk/python-rabbitmq"))
send_amqp(pika.BasicProperties(headers=message.headers, content_type=message.content_type), message.body)
message = amqp.to_binary_event(event("/sdk/python-amqp"))
properties = pika.BasicProperties(
    headers=message.application_properties, content_type=message.properties["content-type"]
)
send_amqp(properties, message.application_data)
# What nobody can use, for `bellwire events dropped`.
send_amqp(pika.BasicProperties(content_type="application/cloudevents+json"), b'{"specversion":"1.0","id":"unusable"}')
