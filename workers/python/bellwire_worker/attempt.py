"""One run of a function: with a deadline, and stopped from outside."""

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from . import json_text
from .errors import Cancelled, Permanent, Retry
from .job import Job
from .storage import Storage
from .task import Result, Task

log = logging.getLogger("bellwire.worker")

Run = Callable[[Task, Any], Any]
Check = Callable[[Any], Any]

# The time that a function gets to stop without an effect, and the same when the process is about to end; in seconds.
_STOP_TIMEOUT, SHUTDOWN_TIMEOUT = 60.0, 3.0
_MOST_INPUT_MEMORY = 64 << 20


@dataclass(frozen=True)
class Function:
    """A function of one kind."""

    kind: str
    run: Run
    check: Check | None
    deadline: float


class Stopped:
    """Why a run ended without its effect: `cancelled`, `deadline` or `shutdown`; or why there was none: `lost`."""

    def __init__(self, why: str) -> None:
        self.why = why


Outcome = Result | Exception | Stopped


class StopSignals:
    """What stops a run from outside."""

    def __init__(self, grace_over: asyncio.Event) -> None:
        self.cancelled = asyncio.Event()
        self.grace_over = grace_over


async def attempt(function: Function, task: Task, job: Job, storage: Storage | None, signals: StopSignals) -> Outcome:
    """Runs a function once; returns when it has ended, or has not stopped in time and is abandoned."""
    run = asyncio.create_task(_run(function, task, job, storage))
    cancelled = asyncio.create_task(signals.cancelled.wait())
    over = asyncio.create_task(signals.grace_over.wait())
    try:
        done, _ = await asyncio.wait((run, cancelled, over), timeout=function.deadline, return_when=asyncio.FIRST_COMPLETED)
        if run in done:
            return _outcome(run)
        why = "cancelled" if cancelled in done else "shutdown" if over in done else "deadline"
        task._stop.set()
        await _stopped(run, signals, SHUTDOWN_TIMEOUT if why == "shutdown" else _STOP_TIMEOUT)
        if not run.done():
            log.warning("task %s: the function did not stop in time; it is abandoned", task.id)
            run.cancel()
            return Stopped(why)
        ended = _outcome(run)
        # It had its effect before it saw the signal, or its input never was right: that counts.
        return ended if isinstance(ended, Result | Permanent) else Stopped(why)
    finally:
        cancelled.cancel()
        over.cancel()


async def _stopped(run: "asyncio.Task[Result]", signals: StopSignals, within: float) -> None:
    """Waits for a run that stops; once the grace is over it has as long as all others."""
    over = asyncio.create_task(signals.grace_over.wait())
    await asyncio.wait((run, over), timeout=within, return_when=asyncio.FIRST_COMPLETED)
    over.cancel()
    if not run.done() and signals.grace_over.is_set():
        await asyncio.wait((run,), timeout=SHUTDOWN_TIMEOUT)


def _outcome(run: "asyncio.Task[Result]") -> Outcome:
    if run.cancelled():
        return Cancelled()
    error = run.exception()
    if error is None:
        return run.result()
    return error if isinstance(error, Exception) else RuntimeError(repr(error))


async def _run(function: Function, task: Task, job: Job, storage: Storage | None) -> Result:
    text, value = await _input(job, task, storage)
    task.input_text = text
    if function.check is not None:
        try:
            await _called(function.check, value)
        except (Permanent, Retry, Cancelled):
            raise
        except Exception as error:
            raise Permanent(f"input: {error}") from error
    output = await _called(function.run, task, value)
    return output if isinstance(output, Result) else Result(output)


async def _input(job: Job, task: Task, storage: Storage | None) -> tuple[str, Any]:
    if job.stored_input is None:
        start, end = json_text.members(job.text)["input"]
        return job.text[start:end], job.input
    if storage is None:
        raise Retry("This worker has no storage, in which its input lies.")
    try:
        text = await asyncio.to_thread(storage.read_input, task.environment, task.owner, job.stored_input)
    except OSError as error:
        raise Retry("Its stored input cannot be read now.") from error
    if (memory := json_text.memory(text)) > _MOST_INPUT_MEMORY:
        raise Permanent(f"its stored input {job.stored_input} has too many values: they would take {memory >> 20} MiB of memory")
    try:
        return text, await asyncio.to_thread(json_text.read, text)
    except ValueError as error:
        raise Permanent(f"its stored input {job.stored_input} is no JSON: {error}") from None


async def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    """Awaits a coroutine function; any other runs in a thread of its own, so that the broker still hears from us."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    value = await _in_thread(function, *arguments)
    return await value if isinstance(value, Awaitable) else value


async def _in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """A daemon, unlike an executor's: one that does not stop must not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if not future.done():
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def work() -> None:
        value, raised = None, None
        try:
            value = function(*arguments)
        except BaseException as error:
            raised = error if isinstance(error, Exception) and not isinstance(error, StopIteration) else RuntimeError(repr(error))
        try:
            loop.call_soon_threadsafe(settle, value, raised)
        except RuntimeError:
            pass  # The loop has ended with the process.

    threading.Thread(target=work, daemon=True).start()
    return await future
