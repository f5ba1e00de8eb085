"""A worker: a process that runs the function of one kind."""

import asyncio
import logging
import random
import signal
from collections.abc import Callable, Iterable
from typing import Any

from . import json_text
from .attempt import SHUTDOWN_TIMEOUT, Check, Function, Run
from .grant import read_key
from .job_reader import JobReader
from .log_reader import LogReader
from .names import Names, is_name
from .publisher import Publisher
from .runner import Runner
from .storage import Storage

log = logging.getLogger("bellwire.worker")

# The broker takes an unacknowledged job back after 30 minutes. Longer work is a workflow.
_LONGEST_DEADLINE = 25 * 60


class Worker:
    """Takes the jobs of one kind and has them done by a function.

    `amqp_url` is the broker, as the user `bellwire.<environment>.worker.<kind>`; `keys` are the public keys of the
    environment's gateways (`bellwire key`); `files` is `file:PATH`, the folder that gateways and workers share: without it
    inputs and results of more than 64 KiB cannot be had, and no page shows a form for the function.
    """

    def __init__(
        self,
        amqp_url: str,
        *,
        environment: str,
        keys: Iterable[str],
        files: str | None = None,
        prefix: str = "bellwire",
        concurrency: int = 2,
        attempts: int = 5,
        grace: float = 25.0,
        horizon: float = 24 * 3600.0,
    ) -> None:
        for what, name in (("environment", environment), ("prefix", prefix)):
            if not is_name(name) or name == "everywhere":
                raise ValueError(f"{what}: {name!r} is not a name: [a-z][a-z0-9-]{{0,31}}")
        self._keys = [read_key(key) for key in ([keys] if isinstance(keys, str) else keys)]
        if not self._keys:
            raise ValueError("keys: at least one public key of the gateways, as `bellwire key` prints it")
        if concurrency < 1 or attempts < 1:
            raise ValueError("concurrency and attempts are at least 1")
        self._url, self._environment, self._prefix = amqp_url, environment, prefix
        self._storage = Storage(files) if files is not None else None
        self._concurrency, self._attempts, self._grace, self._horizon = concurrency, attempts, grace, horizon
        self._function: Function | None = None
        self._description = b""

    def function(
        self,
        kind: str,
        *,
        title: str | None = None,
        schema: dict[str, Any] | None = None,
        offers: list[dict[str, Any]] | None = None,
        check: Check | None = None,
        deadline: float = 20 * 60.0,
    ) -> Callable[[Run], Run]:
        """Makes a function that of this worker: `async def`, or a plain one, which runs in a thread of its own.

        It is called with a [`Task`] and the input, and returns a [`Result`]. `schema` (JSON Schema) and `offers` are what
        pages make forms of; `check` is called with the input before the run, and what it raises is a permanent failure.
        """
        if not is_name(kind):
            raise ValueError(f"kind: {kind!r} is not a name: [a-z][a-z0-9-]{{0,31}}")
        if not 0 < deadline <= _LONGEST_DEADLINE:
            raise ValueError("deadline: 25 minutes at most, since the broker hands a job out again after 30")
        if self._function is not None:
            raise ValueError(f"this worker is that of {self._function.kind}: another kind is another process")
        description = {"kind": kind, "title": title or kind, "input": {} if schema is None else schema}
        self._description = json_text.written(description | ({"offers": offers} if offers else {}))

        def made(run: Run) -> Run:
            self._function = Function(kind, run, check, deadline)
            return run

        return made

    def run(self) -> None:
        """Works until the process is told to stop (SIGTERM, SIGINT); then as [`Worker.serve`]."""

        async def until_told() -> None:
            stop, loop = asyncio.Event(), asyncio.get_running_loop()
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(each, stop.set)
            await self.serve(stop)

        asyncio.run(until_told())

    async def serve(self, stop: asyncio.Event) -> None:
        """Works until `stop`; then lets running jobs finish within the grace, and gives the rest back."""
        function = self._function
        if function is None:
            raise ValueError("this worker has no function: @worker.function(kind)")
        names = Names(self._prefix, self._environment, function.kind)
        publisher = Publisher(self._url)
        jobs = JobReader(self._url, names, publisher, self._concurrency, lambda message: runner.handle(message))
        log_reader = LogReader(self._url, names, publisher, self._horizon, jobs.changed)
        runner = Runner(function, names, self._keys, self._attempts, publisher, log_reader, self._storage)
        jobs.log_reader = log_reader
        stopping = asyncio.create_task(stop.wait())
        reading = [asyncio.create_task(log_reader.run()), asyncio.create_task(jobs.run())]
        registering = asyncio.create_task(self._register(function.kind))
        try:
            await asyncio.wait((stopping, *reading), return_when=asyncio.FIRST_COMPLETED)
            log.info("stopping")
            jobs.stop()
            if not await jobs.finished(self._grace):
                log.warning("the grace is over; running jobs are given back")
                runner.grace_over.set()
                await jobs.finished(2 * SHUTDOWN_TIMEOUT)
            jobs.release()
            # By itself: what was acknowledged last is on its way.
            await asyncio.wait(reading[1:], timeout=SHUTDOWN_TIMEOUT)
            for each in reading:
                if each.done() and (error := each.exception()):
                    raise error
        finally:
            every: list[asyncio.Task[Any]] = [stopping, registering, *reading]
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)
            await publisher.close()

    async def _register(self, kind: str) -> None:
        """Puts the function into the catalogue, again and again until it is there."""
        pause = 0.5
        while self._storage is not None:
            try:
                await asyncio.to_thread(self._storage.register, self._environment, kind, self._description)
                return
            except OSError as error:
                log.warning("the function is not in the catalogue yet; it is tried again: %s", error)
            await asyncio.sleep(pause * random.uniform(1.0, 2.0))
            pause = min(2 * pause, 30.0)
