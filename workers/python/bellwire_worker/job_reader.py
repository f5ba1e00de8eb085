"""Takes jobs from the queues of its kind: those of high priority first, those of low last, and the rest in turn.

While there is none, the first lane pushes the next, for its latency; else each is asked for, so that no job is held here that
another worker could begin.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPException

from .errors import NotAJob, Unavailable
from .job import Job, is_here, redeliveries_of
from .log_reader import LogReader
from .names import LANES, Names, lane_of
from .publisher import Publisher
from .reconnect import ANSWER, keep_connected
from .turns import Turns
from .waiting import happened

log = logging.getLogger("bellwire.worker")

# The pause between two looks into the lanes, and the shortest one however often it is woken; in seconds.
_LOOK_INTERVAL, _SHORTEST_LOOK_INTERVAL = 1.0, 0.1
# A lane that did not take a job is sent none for so long, since each keeps the others waiting; in seconds.
_SHUT = 60.0


class _Moved(Exception):
    """A job went to its own lane: the lanes are to be asked again."""


class JobReader:
    """Asks for a job whenever there is room for one."""

    def __init__(
        self,
        url: str,
        names: Names,
        publisher: Publisher,
        at_once: int,
        handle: Callable[[AbstractIncomingMessage], Awaitable[None]],
    ) -> None:
        self.log_reader: LogReader
        self._url, self._names, self._publisher, self._at_once = url, names, publisher, at_once
        self._handle = handle
        self._running: set[asyncio.Task[None]] = set()
        self._changed, self._released = asyncio.Event(), asyncio.Event()
        self._stopping = self._told = False
        self._turns = Turns()
        # The first lane, and the others, each with its rank.
        self._lanes: list[tuple[int, AbstractQueue]] = []
        # Lanes that did not take a job, and until when.
        self._shut: dict[str, float] = {}

    def changed(self) -> None:
        """Looks again: there may be a job, or whether jobs may begin has changed."""
        self._changed.set()

    def stop(self) -> None:
        """Takes no more; what was taken is still settled over its connection until [`JobReader.release`]."""
        self._stopping = True
        self._changed.set()

    async def finished(self, within: float) -> bool:
        """Waits until nothing runs any more; false if that takes longer."""
        if self._running:
            await asyncio.wait(self._running, timeout=within)
        return not self._running

    def release(self) -> None:
        """Lets the connection go."""
        self._released.set()

    async def run(self) -> None:
        """Takes jobs until it is released."""
        await keep_connected(self._url, "jobs", self._session)

    async def _session(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(ANSWER):
            await self._open(connection)
        if not self._told:
            self._told = True
            log.info("taking jobs of %s in %s", self._names.kind, self._names.environment)
        while not self._stopping:
            self._changed.clear()
            if len(self._running) >= self._at_once or not self.log_reader.caught_up:
                await happened(self._changed, _LOOK_INTERVAL)
                continue
            try:
                async with asyncio.timeout(ANSWER):
                    message = await self._ask()
            except _Moved:
                continue
            message = message or await self._pushed()
            if message is not None and not self._may_begin():
                await self._give_back(message)
            elif message is not None and is_here(message):  # What came over a connection that is gone comes again.
                self._begin(message)
        await self._released.wait()

    async def _open(self, connection: AbstractConnection) -> None:
        self._lanes = []
        for lane in LANES:
            name = self._names.queue(lane)
            # A channel each: a refusal closes the channel for all jobs that came over it.
            channel = await connection.channel(publisher_confirms=False)
            try:
                self._lanes.append((LANES[lane], await channel.declare_queue(name, passive=True)))
            except AMQPException as error:
                words = f"{name} cannot be read ({error}); ask your operator: bellwire topology, and roles.sh"
                if not self._lanes:
                    raise ConnectionError(words) from None
                log.warning("%s", words)

    async def _pushed(self) -> AbstractIncomingMessage | None:
        """The next job of the first lane, as soon as there is one; nothing where the lanes shall be looked into instead."""
        pushed: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        arrived = asyncio.Event()

        is_over = False

        async def take(message: AbstractIncomingMessage) -> None:
            if is_over:
                await message.reject(requeue=True)
                return
            pushed.put_nowait(message)
            arrived.set()
            self._changed.set()

        _, first = self._lanes[0]
        async with asyncio.timeout(ANSWER):
            await first.channel.set_qos(1)
            tag = await first.consume(take)
        while pushed.empty() and self._may_begin():
            await happened(self._changed, _LOOK_INTERVAL * random.uniform(0.8, 1.2))
            async with asyncio.timeout(ANSWER):
                if not pushed.empty() or await self._may_have_jobs():
                    break
            # However often they are woken, workers do not look without end; what is pushed does not wait.
            self._changed.clear()
            await happened(arrived, _SHORTEST_LOOK_INTERVAL * random.uniform(0.5, 1.5))
        async with asyncio.timeout(ANSWER):
            await first.cancel(tag)
        is_over = True
        if pushed.empty():
            return None
        message = pushed.get_nowait()
        self._turns.took(1, is_first=True)
        return None if await self._moved(message) else message

    def _may_begin(self) -> bool:
        return not self._stopping and self.log_reader.caught_up

    async def _may_have_jobs(self) -> bool:
        for _, lane in self._lanes:
            if await _ready(lane):
                return True
        return False

    async def _ask(self) -> AbstractIncomingMessage | None:
        """The next job, of the lane whose turn it is."""
        for rank in self._turns.ranks():
            first_last = self._turns.is_first_last()
            for is_first in (not first_last, first_last) if rank == 1 else (False,):
                message = await (self._ask_first() if is_first else self._ask_others(rank))
                if message is not None:
                    return message
                if rank == 1 and not is_first:
                    self._turns.had_none_behind_first()
            self._turns.had_none(rank)
        return None

    async def _ask_first(self) -> AbstractIncomingMessage | None:
        message = await _get(self._lanes[0][1])
        if message is None:
            return None
        # One that is moved as well: a thousand of them would all go before what waits in the other lanes.
        self._turns.took(1, is_first=True)
        # No more than one within the time of one answer, however many wait.
        if await self._moved(message):
            raise _Moved
        return message

    async def _ask_others(self, rank: int) -> AbstractIncomingMessage | None:
        for index, (lane_rank, queue) in enumerate(self._lanes):
            if index == 0 or lane_rank != rank:
                continue
            message = await _get(queue)
            if message is not None:
                self._lanes.append(self._lanes.pop(index))
                self._turns.took(rank)
                return message
        return None

    async def _moved(self, message: AbstractIncomingMessage) -> bool:
        """Moves a job that waited for a time to its lane, unless it waits on: all of them come back through the first."""
        try:
            job = Job.read(message.body)
        except NotAJob:
            return False
        lane = lane_of(job.priority, job.backlog)
        has_waited = job.attempts > 0 or job.not_before is not None
        if lane == "" or not has_waited or job.delay(time.time_ns()) > 0:
            return False
        return self._is_open(lane) and await self._move(message, job, lane)

    def _is_open(self, lane: str) -> bool:
        return time.monotonic() >= self._shut.get(lane, 0.0)

    async def _give_back(self, message: AbstractIncomingMessage) -> None:
        """Lets a job go that was not begun; the broker counts what it puts back as an attempt."""
        try:
            job = Job.read(message.body)
            lane = lane_of(job.priority, job.backlog)
            # A lane that is shut may have taken it all the same: one more copy may be one more job.
            if self._is_open(lane) and await self._move(message, job, lane):
                return
        except NotAJob:
            pass
        if is_here(message):
            await message.reject(requeue=True)

    async def _move(self, message: AbstractIncomingMessage, job: Job, lane: str) -> bool:
        key = self._names.kind + lane
        # The broker counts from the beginning there.
        body = job.with_attempts(job.attempts + redeliveries_of(message))
        try:
            await self._publisher.publish(
                self._names.jobs,
                key,
                body,
                message_id=job.task,
                content_type="application/json",
                while_wanted=lambda: is_here(message),
            )
        except Unavailable as error:
            if is_here(message):
                self._shut[lane] = time.monotonic() + _SHUT
            log.info("a job is not moved to its lane: %s", error)
            return False
        await message.ack()
        return True

    def _begin(self, message: AbstractIncomingMessage) -> None:
        running = asyncio.create_task(self._run(message))
        self._running.add(running)
        running.add_done_callback(self._ended)

    async def _run(self, message: AbstractIncomingMessage) -> None:
        try:
            await self._handle(message)
        except Exception:
            log.exception("the worker failed at a job; it comes again")
            with contextlib.suppress(Exception):
                await message.reject(requeue=True)

    def _ended(self, running: "asyncio.Task[None]") -> None:
        self._running.discard(running)
        self._changed.set()


async def _get(queue: AbstractQueue) -> AbstractIncomingMessage | None:
    # Looking costs the broker less than asking in vain, which its replicas agree on.
    return await queue.get(fail=False) if await _ready(queue) else None


async def _ready(queue: AbstractQueue) -> int:
    found = await queue.channel.declare_queue(queue.name, passive=True)
    return found.declaration_result.message_count or 0
