"""Connections to the broker, made again and again: only this part reconnects, the client's own recovery is off."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable

import aio_pika
from aio_pika.abc import AbstractConnection
from pamqp.common import FieldTable

log = logging.getLogger("bellwire.worker")

# Limit for everything that the broker answers at once, in seconds.
ANSWER = 20.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


async def connect(url: str, purpose: str) -> AbstractConnection:
    """One connection, which does not come back by itself."""
    properties: FieldTable = {"connection_name": f"bellwire worker: {purpose}"}
    return await aio_pika.connect(url, timeout=ANSWER, client_properties=properties)


async def close(connection: AbstractConnection) -> None:
    """Closes a connection, whatever state it is in."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(5):
            await connection.close()


async def keep_connected(url: str, purpose: str, session: Callable[[AbstractConnection], Awaitable[None]]) -> None:
    """Runs sessions, each on a connection of its own, until one returns."""
    pause = _SHORTEST_PAUSE
    while True:
        started = time.monotonic()
        try:
            connection = await connect(url, purpose)
            try:
                await _until_lost(session(connection), connection)
                return
            finally:
                await close(connection)
        except Exception as error:
            reason = str(error) or type(error).__name__
            log.warning("lost the broker (%s), connecting again: %s", purpose, reason)
        if time.monotonic() - started > _LONGEST_PAUSE:
            pause = _SHORTEST_PAUSE
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, _LONGEST_PAUSE)


async def _until_lost(session: Awaitable[None], connection: AbstractConnection) -> None:
    running = asyncio.ensure_future(session)
    gone = asyncio.Event()
    # The client's own `closed` tells only of what was closed from here.
    connection.close_callbacks.add(lambda *_: gone.set())
    if not connection.connected.is_set():
        gone.set()
    lost = asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait((running, lost), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise ConnectionError("the connection was lost")
        running.result()
    finally:
        for each in (running, lost):
            each.cancel()
        await asyncio.gather(running, lost, return_exceptions=True)
