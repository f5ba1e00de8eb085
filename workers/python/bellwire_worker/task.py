"""What a function is given, and what it returns."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from .errors import Cancelled, Permanent
from .job import Job
from .storage import Storage

_T = TypeVar("_T")


@dataclass(frozen=True)
class Toast:
    """What the owner sees: plain text, and at most one link (`http(s)`, or a path of the page's own origin)."""

    title: str
    body: str | None = None
    level: Literal["info", "success", "warning", "error"] = "success"
    label: str | None = None
    href: str | None = None


@dataclass(frozen=True)
class Result:
    """The end of a run that had its effect: the task's result, as JSON, and the toast."""

    output: Any = None
    toast: Toast | None = None


@dataclass
class Task:
    """One run of a task. Its `id` is the same in each attempt: an effect that carries it comes about once."""

    id: str
    kind: str
    environment: str
    owner: str
    groups: tuple[str, ...]
    title: str
    attempt: int
    parent: str | None
    traceparent: str | None
    seconds: float
    input_text: str
    _storage: Storage | None = None
    _progress: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _told: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, job: Job, environment: str, attempt: int, seconds: float, storage: Storage | None) -> "Task":
        """The task of a job."""
        return cls(
            id=job.task,
            kind=job.kind,
            environment=environment,
            owner=job.owner,
            groups=job.groups,
            title=job.title,
            attempt=attempt,
            parent=job.parent,
            traceparent=job.traceparent,
            seconds=seconds,
            input_text="",
            _storage=storage,
        )

    def progress(self, part: float) -> None:
        """Reports progress, from 0.0 to 1.0; from any thread and as often as you like, it is told a few times a second."""
        self._progress = min(max(float(part), 0.0), 1.0)
        self._loop.call_soon_threadsafe(self._told)

    @property
    def cancelled(self) -> bool:
        """True once the run shall leave no effect: its owner cancelled it, its time is over, or the worker stops."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raises [`Cancelled`] once the run shall leave no effect. The last thing before a commit."""
        if self.cancelled:
            raise Cancelled

    async def unless_cancelled(self, work: Awaitable[_T]) -> _T:
        """Awaits something that may be given up; raises [`Cancelled`] instead of waiting on."""
        running, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((running, stop), return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise Cancelled
            return running.result()
        finally:
            running.cancel()
            stop.cancel()

    @property
    def seconds_left(self) -> float:
        """Until the run's time is over."""
        return self._began + self.seconds - time.monotonic()

    def file(self, key: str) -> Path:
        """Where a file of the owner lies, `<id>/<name>`, as the upload answered. To read; it may not be there any more."""
        if self._storage is None:
            raise Permanent("This worker has no storage.", reason="storage")
        return self._storage.path(self.environment, self.owner, key)
