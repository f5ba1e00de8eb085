"""Asks the broker as KEDA does, as the user and by the patterns that ship; tests/infra/broker.sh runs it."""

import base64
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
API = os.environ["BELLWIRE_TEST_MANAGEMENT"]
OPERATOR = re.match(r"amqps?://([^@]*)@", os.environ["BELLWIRE_TEST_AMQP_URL"])[1]
SCALER = os.environ["BELLWIRE_TEST_SCALER"]
JOBS = "/api/exchanges/%2F/bellwire.prod.jobs/publish"


def ask(user, path, body=None):
    """The status and the answer."""
    head = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode(), "Content-Type": "application/json"}
    request = urllib.request.Request(API + path, json.dumps(body).encode() if body is not None else None, head)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def counted(kind):
    """How many jobs KEDA's scaler for RabbitMQ finds: protocol http, useRegex, operation sum."""
    scaler = (ROOT / f"infra/kubernetes/components/keda/{kind}.yaml").read_text()
    pattern = urllib.parse.quote(re.search(r"queueName: (.*)", scaler)[1], safe="")
    status, page = ask(SCALER, f"/api/queues/%2F?page=1&use_regex=true&pagination=false&name={pattern}&page_size=100")
    assert status == 200, f"the scaler is answered {status}"
    return sum(queue.get("messages", 0) for queue in page["items"]), len(page["items"])


def put(key):
    body = {"properties": {"delivery_mode": 2}, "routing_key": key, "payload": "{}", "payload_encoding": "string"}
    status, answer = ask(OPERATOR, JOBS, body)
    assert (status, answer) == (200, {"routed": True}), f"{key}: {status} {answer}"


def main():
    assert counted("imports") == (0, 7), f"a kind has seven lanes, and {counted('imports')} are found"
    lanes = ("imports", "imports.high", "imports.bulk.1", "imports.bulk.2", "imports.bulk.3", "imports.low.1", "imports.low.2")
    for key in (*lanes, "imports.dead", "reports"):
        put(key)
    until = time.monotonic() + 30
    while (found := counted("imports"))[0] != 7:
        assert time.monotonic() < until, f"of seven jobs in seven lanes {found[0]} are counted"
        time.sleep(0.2)  # the broker counts every few seconds
    assert counted("workflows") == (0, 7)

    take = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    for what, refused in {
        "reads": ask(SCALER, "/api/queues/%2F/bellwire.prod.jobs.imports/get", take),
        "publishes": ask(SCALER, JOBS, {"properties": {}, "routing_key": "imports", "payload": "", "payload_encoding": "string"}),
    }.items():
        # Publishing is answered 400, with the broker's words.
        status, reason = refused
        assert status in (401, 403) or status == 400 and "ACCESS_REFUSED" in reason, f"the scaler {what}: {refused}"
    print("a fresh broker has what README says, and the scaler counts the seven lanes of a kind and may do nothing else")


main()
