"""One job, from its delivery to its settlement: its end is published and confirmed, and only then it is acknowledged."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from . import json_text
from .attempt import Function, Outcome, Stopped, StopSignals, attempt
from .errors import Cancelled, NotAJob, Permanent, Retry, Unavailable
from .job import Job, is_here, redeliveries_of
from .log_reader import LogReader
from .names import RETRY_STEPS, Names
from .publisher import Publisher
from .storage import Storage
from .task import Result, Task
from .task_events import CONTENT_TYPE, Error, Event, TaskEvents, TooLarge, summary
from .waiting import happened

log = logging.getLogger("bellwire.worker")

# A job that was delivered so often without a settlement ends its worker each time. Above the number of attempts, because a
# broker that restarts counts too.
_MOST_REDELIVERIES = 10
# The same over all that the job itself counts: what was moved takes the broker's count along. Above all that a policy allows.
_MOST_ATTEMPTS = 40
# Between two events of progress, at least and at most; in seconds.
_PROGRESS_INTERVAL, _KEEP_ALIVE = 0.25, 30.0
# Pauses between attempts to publish an end; in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
# The pause before a job that could not be moved is given back; in seconds.
_GIVE_BACK = 1.0
_MOST_REASON = 2000


@dataclass(frozen=True)
class Settlement:
    """What becomes of a delivery: `done`, `requeue`, `retry` after so many seconds, the same as a `delay` that is no attempt, or
    `dead` for a reason."""

    what: str
    after: int = 0
    reason: str = ""


class Runner:
    """Runs the jobs of one function."""

    def __init__(
        self,
        function: Function,
        names: Names,
        keys: list[bytes],
        attempts: int,
        publisher: Publisher,
        log_reader: LogReader,
        storage: Storage | None,
    ) -> None:
        self.grace_over = asyncio.Event()
        self._function, self._names, self._keys, self._attempts = function, names, keys, attempts
        self._publisher, self._log_reader, self._storage = publisher, log_reader, storage
        # One run of a task at a time: a broker that lost our connection hands a job out again while it still runs here.
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    async def handle(self, message: AbstractIncomingMessage) -> None:
        """Runs a job and settles it."""
        redeliveries, job, number = redeliveries_of(message), None, 1
        try:
            job = Job.read(message.body)
            job.check(self._names.environment, self._names.kind, self._keys)
        except NotAJob as fault:
            log.error("a delivery is no job to run here, and is put beside the queue: %s", fault)
            number += redeliveries + (job.attempts if job else 0)
            settlement = Settlement("dead", reason=str(fault))
        else:
            number += redeliveries + job.attempts
            settlement = await self._run(job, number, redeliveries)
        try:
            await self._settle(message, job, number, settlement)
        except Exception as error:
            log.warning("a job was not settled; it comes again: %s", error or type(error).__name__)
            if is_here(message):
                # Not at once: what kept it from moving may last.
                await happened(self.grace_over, _GIVE_BACK)
                with suppress(Exception):
                    await message.reject(requeue=True)

    async def _run(self, job: Job, number: int, redeliveries: int) -> Settlement:
        async with self._locked(job.task):
            if self.grace_over.is_set():
                return Settlement("requeue")
            if self._log_reader.has_succeeded(job.task):
                log.info("task %s has succeeded before: its job came twice", job.task)
                return Settlement("done")
            events = TaskEvents(job, number)
            if (delay := job.delay(time.time_ns())) > 0:
                return await self._delay(job, delay, events)
            if self._log_reader.is_cancelled(job.task):
                outcome: Outcome = Stopped("cancelled")
            elif redeliveries > _MOST_REDELIVERIES or number > _MOST_ATTEMPTS:
                outcome = Stopped("lost")
            else:
                outcome = await self._attempt(job, number, events)
            error, settlement = self._verdict(outcome, job, number)
            log.info("task %s: %s (attempt %d)", job.task, settlement.what if error else "ended", number)
            if settlement.what == "requeue":
                return settlement
            if settlement.what == "retry" and error:
                await self._tell(events.queued(error))
                return settlement
            told = await self._tell_end(job, events, outcome, error)
            if told and isinstance(outcome, Result):
                self._log_reader.succeeded(job.task)
            # Done and not told: the next worker finds its effect and tells it.
            return settlement if told else Settlement("requeue")

    async def _delay(self, job: Job, delay: float, events: TaskEvents) -> Settlement:
        """Lets a job wait whose time has not come, without an attempt; one that was cancelled meanwhile ends now."""
        if self._log_reader.is_cancelled(job.task):
            told = await self._tell_end(job, events, Stopped("cancelled"), None)
            return Settlement("done" if told else "requeue")
        if (event := events.still_queued()) is not None:
            await self._tell(event)
        return Settlement("delay", after=_step_below(delay))

    async def _attempt(self, job: Job, number: int, events: TaskEvents) -> Outcome:
        signals = StopSignals(self.grace_over)
        task = Task.of(job, self._names.environment, number, self._function.deadline, self._storage)
        self._log_reader.watch(job.task, signals.cancelled.set)
        changed, ended = asyncio.Event(), asyncio.Event()
        task._told = changed.set
        telling = asyncio.create_task(self._tell_progress(task, events, changed, ended))
        try:
            return await attempt(self._function, task, job, self._storage, signals)
        finally:
            self._log_reader.unwatch(job.task)
            ended.set()
            changed.set()
            # Waited for and not cut off: it comes before the end.
            await telling

    async def _tell_progress(self, task: Task, events: TaskEvents, changed: asyncio.Event, ended: asyncio.Event) -> None:
        await self._tell(events.started())
        told = 0.0
        while not ended.is_set():
            changed.clear()
            is_due = False
            if task._progress == told:
                is_due = not await happened(changed, _KEEP_ALIVE * random.uniform(0.7, 1.0))
            if ended.is_set():
                return
            if is_due or task._progress != told:
                told = task._progress
                await self._tell(events.progressed(told))
            await happened(ended, _PROGRESS_INTERVAL)

    def _verdict(self, outcome: Outcome, job: Job, number: int) -> tuple[Error | None, Settlement]:
        match outcome:
            case Result():
                return None, Settlement("done")
            case Stopped(why="cancelled"):
                return None, Settlement("done")
            case Stopped(why="shutdown"):
                return None, Settlement("requeue")
            case Stopped(why="lost"):
                return self._given_up(Error("lost", "Its worker was lost each time it was tried."), number)
            case Stopped():
                limit = _shown(self._function.deadline)
                return Error("deadline", f"It took longer than the {limit} that it may take."), Settlement("done")
            case Permanent():
                return Error(outcome.reason, str(outcome)), Settlement("done")
            case Retry():
                log.warning("task %s cannot be done now: %s", job.task, outcome, exc_info=outcome.__cause__)
                error = Error("unavailable", str(outcome))
            case Cancelled():
                error = Error("stopped", "It ended early without a reason.")
            case _:
                log.error("task %s: the function failed", job.task, exc_info=outcome)
                error = Error("panic", "It failed unexpectedly; the worker's log says more.")
        if number >= self._attempts:
            return self._given_up(error, number)
        asked = outcome.after if isinstance(outcome, Retry) else None
        return error, Settlement("retry", after=_step(number) if asked is None else _step_below(asked))

    def _given_up(self, error: Error, number: int) -> tuple[Error, Settlement]:
        reason = f"given up after attempt {number}: {error.reason}: {error.message}"
        return error, Settlement("dead", reason=reason)

    async def _tell(self, event: Event) -> None:
        """Once: the next event says more."""
        try:
            await self._publish(event)
        except Unavailable as error:
            log.warning("an event of a running task was not published: %s", error)

    async def _tell_end(self, job: Job, events: TaskEvents, outcome: Outcome, error: Error | None) -> bool:
        """Again and again until the broker has it; false if the worker's time is over first."""
        pause, event = _FIRST_PAUSE, None
        while True:
            try:
                event = event or await self._end(job, events, outcome, error)
                await self._publish(event)
                return True
            except (Unavailable, OSError) as fault:
                log.warning("the end of task %s is not told yet; it is tried again: %s", job.task, fault)
                if event is None:
                    await self._tell(events.progressed(1.0))  # So that the worker is not taken for lost.
            if await happened(self.grace_over, pause * random.uniform(1.0, 2.0)):
                return False
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _end(self, job: Job, events: TaskEvents, outcome: Outcome, error: Error | None) -> Event:
        if error is not None:
            return events.failed(error)
        if not isinstance(outcome, Result):
            return events.cancelled()
        try:
            return events.succeeded(outcome)
        except TooLarge as fault:
            return events.succeeded(await self._stored(job, outcome, str(fault)))
        except Exception as fault:
            # Its effect is there, so it succeeded.
            log.error("the result or the toast of task %s cannot be told; it is left out: %s", job.task, fault)
            return events.succeeded(Result({"omitted": f"it cannot be told: {fault}"[:500]}))

    async def _stored(self, job: Job, result: Result, why: str) -> Result:
        if self._storage is None:
            log.error("the result of task %s is left out: %s, and this worker has no storage", job.task, why)
            return replace(result, output={"omitted": f"{why}, and the worker has no storage"})
        content = json_text.written(result.output)
        key = await asyncio.to_thread(self._storage.write_result, self._names.environment, job.owner, job.task, content)
        return replace(result, output=summary(result.output, key, len(content)))

    async def _publish(self, event: Event) -> None:
        await self._publisher.publish(self._names.exchange, "", event.body, message_id=event.id, content_type=CONTENT_TYPE)

    async def _settle(self, message: AbstractIncomingMessage, job: Job | None, number: int, settlement: Settlement) -> None:
        if not is_here(message):
            raise ConnectionError("the connection that it came over is gone")
        match settlement.what:
            case "requeue":
                await message.reject(requeue=True)
                return
            case "retry" | "delay":
                assert job is not None
                attempts = number if settlement.what == "retry" else job.attempts
                # Jobs that fail together do not come back together, and none waits beyond its time.
                expires = settlement.after * random.uniform(0.8, 1.0)
                if settlement.what == "delay":
                    expires = min(expires, max(job.delay(time.time_ns()), 0.001))
                await self._move(message, job, attempts, f"retry.{settlement.after}s", expires=expires)
            case "dead":
                since = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                headers = {"reason": settlement.reason[:_MOST_REASON], "dead-since": since, "attempts": number}
                await self._move(message, job, number, "dead", headers=headers)
        await message.ack()

    async def _move(self, message: AbstractIncomingMessage, job: Job | None, number: int, to: str, **more: Any) -> None:
        # Redeliveries are counted in, so that the next attempt has a higher number than all before.
        body = message.body if job is None else job.with_attempts(number)
        message_id = job.task if job else message.message_id or ""
        key = f"{self._names.kind}.{to}"
        await self._publisher.publish(
            self._names.jobs,
            key,
            body,
            message_id=message_id,
            content_type="application/json",
            while_wanted=lambda: is_here(message),
            **more,
        )

    @asynccontextmanager
    async def _locked(self, task: str) -> AsyncIterator[None]:
        lock, users = self._locks.get(task, (asyncio.Lock(), 0))
        self._locks[task] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(task)
            if users > 1:
                self._locks[task] = (lock, users - 1)


def _step(number: int) -> int:
    return RETRY_STEPS[min(number, len(RETRY_STEPS)) - 1]


def _step_below(seconds: float) -> int:
    return max((step for step in RETRY_STEPS if step <= seconds), default=RETRY_STEPS[0])


def _shown(seconds: float) -> str:
    return f"{int(seconds // 60)} minutes" if seconds >= 60 else f"{seconds:g} seconds"
