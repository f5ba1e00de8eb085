"""Waiting with a limit. `asyncio.wait_for` of Python 3.11 loses a cancellation that comes with the result; a timeout does not."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_T = TypeVar("_T")


async def within(seconds: float, awaitable: Awaitable[_T]) -> _T:
    """What it comes to; raises `TimeoutError` once it takes longer."""
    async with asyncio.timeout(seconds):
        return await awaitable


async def happened(event: asyncio.Event, seconds: float) -> bool:
    """Waits for an event, at most so long; true if it came."""
    try:
        await within(seconds, event.wait())
    except TimeoutError:
        return False
    return True
