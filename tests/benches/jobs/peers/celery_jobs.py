"""Celery doing nothing, as a program of the benchmark: see program.mjs for what it is told and answers.

The promises are those of Bellwire: a quorum queue, confirmed publishing, late acknowledgement. The end of a task is
heard as its `task-succeeded` event, which Celery publishes unconfirmed.
"""

import json
import os
import sys
import threading
import time
import uuid

from celery import Celery
from kombu import Queue

NAME = os.environ["BENCH_NAME"]

app = Celery("celery_jobs", broker=os.environ["BENCH_URL"])
app.conf.update(
    task_queues=[Queue(NAME, queue_arguments={"x-queue-type": "quorum"})],
    task_default_queue=NAME,
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_send_task_events=True,
    event_exchange=f"{NAME}.events",
    control_exchange=f"{NAME}.control",
    broker_transport_options={"confirm_publish": True},
    worker_hijack_root_logger=False,
)


@app.task(name="nothing")
def nothing():
    pass


def main():
    ends = []
    listening, changed = threading.Event(), threading.Condition()

    def heard(event):
        with changed:
            ends.append((event["uuid"], time.monotonic()))
            changed.notify()

    def listen():
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"task-succeeded": heard})
            receiver.on_consume_ready = lambda *_, **__: listening.set()
            receiver.capture(limit=None, timeout=None, wakeup=False)

    threading.Thread(target=listen, daemon=True).start()
    listening.wait(30)
    answer({"ready": True})
    for line in sys.stdin:
        match line.split():
            case ["fill", count]:
                for _ in range(int(count)):
                    nothing.delay()
                answer({})
            case ["pace", count, rate]:
                sent, begin = [], time.monotonic()
                for number in range(int(count)):
                    time.sleep(max(0, begin + number / float(rate) - time.monotonic()))
                    job = uuid.uuid4().hex
                    sent.append((job, time.monotonic()))
                    nothing.apply_async(task_id=job)
                answer({"sent": sent})
            case ["until", count]:
                with changed:
                    changed.wait_for(lambda: len(ends) >= int(count))
                    answer({"at": ends[int(count) - 1][1]})
            case ["ends"]:
                with changed:
                    answer({"ends": ends})


def answer(value):
    print(json.dumps(value), flush=True)


def work():
    command = [sys.executable, "-m", "celery", "--app", "celery_jobs", "worker", "--task-events", "--without-gossip"]
    command += ["--without-mingle", "--loglevel", "error", "--concurrency", os.environ["BENCH_AT_ONCE"]]
    os.environ["C_FORCE_ROOT"] = "1"
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main() if os.environ["BENCH_ROLE"] == "submit" else work()
