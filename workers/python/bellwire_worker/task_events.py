"""The events of a task, as CloudEvents: what is told, and in which words."""

import logging
import time
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from . import json_text
from .job import Job
from .names import RETRY_STEPS
from .storage import href
from .task import Result, Toast

log = logging.getLogger("bellwire.worker")

CONTENT_TYPE = "application/cloudevents+json"
# A task without an event for longer has lost its worker.
LOST_AFTER = timedelta(seconds=90)
_MOST_BYTES, _MOST_MEMORY, _MOST_DEPTH = 64 << 10, 1 << 20, 127
_MOST_TITLE, _MOST_TOAST_TITLE, _MOST_MESSAGE, _MOST_HREF = 180, 200, 2000, 2000
_MOST_SUMMARY, _MOST_TRACE = 8 << 10, 256
# Seconds between two events of a task whose time has not come.
_STILL_QUEUED = 6 * 3600
_LEVELS = ("info", "success", "warning", "error")


class TooLarge(Exception):
    """More than an event may hold."""


@dataclass(frozen=True)
class Error:
    """Why a task failed: one word for programs, a message for people."""

    reason: str
    message: str


@dataclass(frozen=True)
class Event:
    """An event, ready to be published."""

    id: str
    body: bytes


class TaskEvents:
    """Makes the events of one attempt at one job."""

    def __init__(self, job: Job, attempt: int) -> None:
        self._job, self._attempt, self._sequence = job, attempt, 0
        self._title = shortened(job.title, _MOST_TITLE)

    def started(self) -> Event:
        """That the task has started."""
        return self._running("started", f"{self._attempt}.started", 0.0)

    def progressed(self, part: float) -> Event:
        """How far it is, or that it still runs."""
        task = self._task("running", progress=part, next_by=_text(datetime.now(UTC) + LOST_AFTER))
        kind = "progressed" if part > 0 else "started"
        return self._event(kind, f"{self._attempt}.{task['sequence']}", task)

    def queued(self, error: Error) -> Event:
        """That it waits for another attempt, and why. It sorts before all events of that."""
        attempt = self._attempt + 1
        task = self._task("queued", attempt=attempt, sequence=0, error=_error(error))
        return self._event("queued", f"{attempt}.queued", task)

    def still_queued(self) -> Event | None:
        """That it waits still, now and then: lists go as far back as the log."""
        age = (time.time_ns() - self._job.created_ns) // 10**9
        period, since = divmod(age, _STILL_QUEUED)
        # It comes here at least once in the longest step of a delay.
        if period <= 0 or since > RETRY_STEPS[-1]:
            return None
        # Without what the broker counts: that is lost as it waits on.
        attempt = 0 if self._job.attempts == 0 else self._job.attempts + 1
        return self._event("queued", f"{attempt}.queued.{period}", self._task("queued", attempt=attempt, not_before=self._job.not_before))

    def succeeded(self, result: Result) -> Event:
        """That its effect is there. Raises [`TooLarge`], or `ValueError` for a result that is no JSON."""
        task = self._task("succeeded", progress=1.0, result=result.output)
        toast = result.toast or Toast(f"{self._title} succeeded")
        return self._event("succeeded", "succeeded", task, self._toast(toast))

    def failed(self, error: Error) -> Event:
        """That it is given up."""
        task = self._task("failed", error=_error(error))
        toast = {"level": "error", "title": f"{self._title} failed", "body": task["error"]["message"]}
        return self._event("failed", "failed", task, toast)

    def cancelled(self) -> Event:
        """That it was cancelled, and left no effect."""
        return self._event("cancelled", "cancelled", self._task("cancelled"))

    def _running(self, kind: str, suffix: str, part: float) -> Event:
        return self._event(kind, suffix, self._task("running", progress=part, next_by=_text(datetime.now(UTC) + LOST_AFTER)))

    def _task(self, state: str, **more: Any) -> dict[str, Any]:
        job = self._job
        task = {
            "id": job.task,
            "kind": job.kind,
            "title": self._title,
            "state": state,
            "progress": 0.0,
            "attempt": self._attempt,
            "sequence": self._next_sequence(),
            "owner": job.owner,
            "created": job.created,
            "updated": _text(datetime.now(UTC)),
            **({} if job.parent is None else {"parent": job.parent}),
        }
        return task | {name: value for name, value in more.items() if value is not None}

    def _next_sequence(self) -> int:
        """Rises, and with time: a run after a requeue that the broker did not count goes on from here."""
        tenths = max((time.time_ns() - self._job.created_ns) // 10**8, 0)
        self._sequence = min(max(tenths, self._sequence + 1), 2**32 - 1)
        return self._sequence

    def _event(self, kind: str, suffix: str, task: dict[str, Any], toast: dict[str, Any] | None = None) -> Event:
        # The end of a step is for its workflow, which has a toast of its own.
        shown = {} if toast is None or self._job.parent is not None else {"toast": toast}
        event = {
            "specversion": "1.0",
            # The same in each attempt, so that the end is shown once.
            "id": f"{self._job.task}.{suffix}",
            "source": f"/functions/{self._job.kind}",
            "type": f"bellwire.task.{kind}",
            "subject": f"task/{self._job.task}",
            "time": task["updated"],
            "datacontenttype": "application/json",
            "audience": f"user:{self._job.owner}",
            **({"traceparent": self._job.traceparent} if self._has_trace() else {}),
            "data": {"task": task, **shown},
        }
        body = json_text.written(event)
        if (
            len(body) > _MOST_BYTES
            or json_text.memory(body.decode()) > _MOST_MEMORY
            or json_text.depth(body.decode()) > _MOST_DEPTH
        ):
            raise TooLarge(f"the event has {len(body)} bytes, or too many values")
        return Event(event["id"], body)

    def _has_trace(self) -> bool:
        return self._job.traceparent is not None and len(self._job.traceparent) <= _MOST_TRACE

    def _toast(self, toast: Toast) -> dict[str, Any]:
        """The toast within what gateways take: a toast that breaks a rule would cost the whole event."""
        title = shortened(str(toast.title), _MOST_TOAST_TITLE)
        shown: dict[str, Any] = {
            "level": toast.level if toast.level in _LEVELS else "info",
            "title": title if title.strip() else f"{self._title} succeeded",
        }
        if toast.body is not None:
            shown["body"] = shortened(str(toast.body), _MOST_MESSAGE)
        if toast.href is not None and _is_safe(toast.href):
            label = shortened(toast.label or "Open", _MOST_TOAST_TITLE)
            shown["action"] = {"label": label if label.strip() else "Open", "href": toast.href}
        elif toast.href is not None:
            log.error("the link of a toast is left out: it must be http(s) or a path that begins with one '/'")
        return shown


def summary(output: Any, key: str, size: int) -> dict[str, Any]:
    """What stands in the event for a result that was stored: its small fields, its key, and a link."""
    left, short = _MOST_SUMMARY, {}
    for name, value in output.items() if isinstance(output, dict) else ():
        if not isinstance(name, str) or isinstance(value, dict | list | tuple):
            continue
        size_of_field = len(name.encode("utf-8", "replace")) + len(json_text.written(value))
        if size_of_field <= left:
            left -= size_of_field
            short[name] = value
    if "href" not in short:
        short |= {"href": href(key), "bytes": size}
    return short | {"stored": key}


def shortened(text: str, most: int) -> str:
    """A text of at most so many letters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _error(error: Error) -> dict[str, str]:
    return {"reason": error.reason, "message": shortened(error.message, _MOST_MESSAGE)}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _is_safe(link: str) -> bool:
    if len(link.encode("utf-8", "replace")) > _MOST_HREF or "\\" in link or not link.isprintable():
        return False
    if link.startswith("/"):
        return not link.startswith("//")
    try:
        parts = urllib.parse.urlsplit(link)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not link[0].isspace()
