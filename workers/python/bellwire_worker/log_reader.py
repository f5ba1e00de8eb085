"""Reads the environment's log: which tasks were cancelled or have succeeded, and that there may be a new job."""

import asyncio
import hashlib
import logging
import random
import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from . import json_text
from .names import Names
from .publisher import Publisher
from .reconnect import ANSWER, keep_connected
from .waiting import within

log = logging.getLogger("bellwire.worker")

_MOST_REMEMBERED = 10_000
_PREFETCH, _ACK_EVERY = 300, 100
# Without an entry for this long a pulse is published, and must come back within the second time; in seconds.
_PULSE_AFTER, _PULSE_TIMEOUT = 15.0, 10.0
# Limit for the last entry read to come again.
_JOIN_TIMEOUT = 3.0
_WANTED = (b"bellwire.task.cancelled", b"bellwire.task.queued", b"bellwire.pulse")


class _Tasks:
    """The last tasks of one sort."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, task: str) -> bool:
        return task in self._tasks

    def add(self, task: str) -> None:
        """Remembers one; the oldest is forgotten."""
        self._tasks[task] = None
        if len(self._tasks) > _MOST_REMEMBERED:
            self._tasks.popitem(last=False)


class LogReader:
    """Follows the log; no job may begin before it is `caught_up`, or a cancelled one would be run."""

    def __init__(self, url: str, names: Names, publisher: Publisher, horizon: float, changed: Callable[[], None]) -> None:
        self.caught_up = False
        self._url, self._names, self._publisher = url, names, publisher
        self._horizon = timedelta(seconds=horizon)
        self._changed = changed
        self._source = f"/pods/w-{uuid.uuid4().hex}"
        self._pulses = 0
        # The last entry read: where it stands, and a digest of it, since a stream that was made anew counts from 0 again.
        self._last: tuple[int, bytes] | None = None
        self._function = f"/functions/{names.kind}"
        self._cancelled, self._succeeded = _Tasks(), _Tasks()
        self._running: dict[str, Callable[[], None]] = {}

    def is_cancelled(self, task: str) -> bool:
        """True if its owner has cancelled this task."""
        return task in self._cancelled

    def has_succeeded(self, task: str) -> bool:
        """True if this task is known to have succeeded: a job of it came twice."""
        return task in self._succeeded

    def succeeded(self, task: str) -> None:
        """Remembers a task that has succeeded here, before the log tells of it."""
        self._succeeded.add(task)

    def watch(self, task: str, cancelled: Callable[[], None]) -> None:
        """Calls back when this task is cancelled, until [`LogReader.unwatch`]."""
        self._running[task] = cancelled

    def unwatch(self, task: str) -> None:
        """Ends [`LogReader.watch`]."""
        self._running.pop(task, None)

    async def run(self) -> None:
        """Reads for ever."""
        await keep_connected(self._url, "log", self._session)

    async def _session(self, connection: AbstractConnection) -> None:
        try:
            # Published before reading begins: what was published before it was read once it comes back; and the stream holds
            # an entry younger than the horizon, without which it would begin at its next and skip one.
            await self._pulse()
            async with asyncio.timeout(ANSWER):
                entries = await self._start(connection)
            unacknowledged = 0
            while True:
                message = await self._next(entries)
                self._take(message)
                unacknowledged += 1
                if unacknowledged == _ACK_EVERY:
                    unacknowledged = 0
                    await message.ack(multiple=True)
        finally:
            self.caught_up = False
            self._changed()

    async def _start(self, connection: AbstractConnection) -> "asyncio.Queue[AbstractIncomingMessage]":
        """What comes after the last entry read, or from the horizon on if that one is there no more."""
        if self._last is not None:
            entries = await self._consume(connection, self._last[0])
            try:
                first = await within(_JOIN_TIMEOUT, entries.get())
                if _place(first) == self._last:
                    return entries
            except TimeoutError:
                pass
            log.warning("a part of the log was not read; a task that was cancelled in it may be run all the same")
            self._last = None
        return await self._consume(connection, datetime.now(UTC) - self._horizon)

    async def _consume(self, connection: AbstractConnection, start: int | datetime) -> "asyncio.Queue[AbstractIncomingMessage]":
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(_PREFETCH)
        queue = await channel.get_queue(self._names.stream, ensure=False)
        # No more than the prefetch can wait in it.
        entries: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await queue.consume(entries.put, arguments={"x-stream-offset": start})
        return entries

    async def _next(self, entries: "asyncio.Queue[AbstractIncomingMessage]") -> AbstractIncomingMessage:
        try:
            # Not in step with other workers: any entry tells all of them that the log is read.
            return await within(_PULSE_AFTER * random.uniform(0.75, 1.25), entries.get())
        except TimeoutError:
            await self._pulse()
        try:
            return await within(_PULSE_TIMEOUT, entries.get())
        except TimeoutError:
            raise ConnectionError("no entries of the log arrive though the broker is reachable") from None

    async def _pulse(self) -> None:
        self._pulses += 1
        pulse = {"specversion": "1.0", "id": str(self._pulses), "source": self._source, "type": "bellwire.pulse"}
        body = json_text.written(pulse)
        kind = "application/cloudevents+json"
        await self._publisher.publish(self._names.exchange, "", body, message_id=pulse["id"], content_type=kind)

    def _take(self, message: AbstractIncomingMessage) -> None:
        self._last = _place(message)
        # The exchange that it came through decides whose word it is, never what its body claims.
        if message.exchange != self._names.exchange or not self._is_wanted(message.body):
            return
        try:
            event = json_text.read(message.body.decode())
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        task = _task(event)
        if event.get("type") == "bellwire.pulse":
            if event.get("source") == self._source and event.get("id") == str(self._pulses) and not self.caught_up:
                self.caught_up = True
                self._changed()
        elif event.get("type") == "bellwire.task.succeeded" and event.get("source") == self._function:
            self._succeeded.add(str(event.get("subject")).removeprefix("task/"))
        elif event.get("type") == "bellwire.task.cancelled" and isinstance(task.get("id"), str):
            self._cancel(task["id"])
        elif event.get("type") == "bellwire.task.queued" and task.get("kind") == self._names.kind:
            self._changed()

    def _is_wanted(self, body: bytes) -> bool:
        # Results may be large, and others' are many.
        is_success = b"bellwire.task.succeeded" in body and self._function.encode() in body
        return is_success or any(word in body for word in _WANTED)

    def _cancel(self, task: str) -> None:
        if task in self._cancelled:
            return
        self._cancelled.add(task)
        if cancelled := self._running.get(task):
            cancelled()


def _place(message: AbstractIncomingMessage) -> tuple[int, bytes]:
    offset = message.headers.get("x-stream-offset")
    if not isinstance(offset, int):
        raise ConnectionError("an entry without x-stream-offset: the queue is no stream")
    return offset, hashlib.sha256(message.body).digest()


def _task(event: dict[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    task = data.get("task") if isinstance(data, dict) else None
    return task if isinstance(task, dict) else {}
