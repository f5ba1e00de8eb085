"""Celery doing nothing, many times: jobs a second from a full queue, and milliseconds from submit to event.

The promises are those of Bellwire: a quorum queue, confirmed publishing, late acknowledgement. The end of a task is
heard as its `task-succeeded` event, which Celery publishes unconfirmed.
"""

import json
import os
import subprocess
import sys
import threading
import time
import uuid

from celery import Celery
from kombu import Queue

WORKERS, BACKLOG, PACED, PER_SECOND, AT_ONCE = (
    int(os.environ[name]) for name in ("WORKERS", "BACKLOG", "PACED", "PER_SECOND", "AT_ONCE")
)
NAME = os.environ.setdefault("QUEUE", f"celery-{uuid.uuid4().hex[:8]}")

app = Celery("measured", broker=os.environ["AMQP_URL"])
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

    def wait_for(count):
        with changed:
            if not changed.wait_for(lambda: len(ends) >= count, timeout=180):
                sys.exit(f"only {len(ends)} of {count} jobs have ended")

    threading.Thread(target=listen, daemon=True).start()
    listening.wait(30)
    for _ in range(BACKLOG):
        nothing.delay()
    workers = [start(number) for number in range(WORKERS)]
    try:
        wait_for(BACKLOG)
        per_second = (BACKLOG - 1) / (ends[BACKLOG - 1][1] - ends[0][1])
        sent, begin = {}, time.monotonic()
        for number in range(PACED):
            time.sleep(max(0, begin + number / PER_SECOND - time.monotonic()))
            job = uuid.uuid4().hex
            sent[job] = time.monotonic()
            nothing.apply_async(task_id=job)
        wait_for(BACKLOG + PACED)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
    took = sorted(at - sent[job] for job, at in ends if job in sent)
    at = lambda part: took[int(len(took) * part)] * 1000
    print(json.dumps({"per_second": per_second, "p50": at(0.5), "p99": at(0.99)}))


def start(number):
    command = [sys.executable, "-m", "celery", "--app", "measured", "worker", "--task-events", "--without-gossip"]
    command += ["--without-mingle", "--loglevel", "error", "--concurrency", str(AT_ONCE), "--hostname", f"w{number}@bench"]
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__)), "C_FORCE_ROOT": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=sys.stderr)


if __name__ == "__main__":
    main()
