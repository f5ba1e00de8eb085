"""Publishes over a connection of its own, and returns once the broker has the message."""

import asyncio
import time
from collections.abc import Callable

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange, HeadersType
from aio_pika.exceptions import DeliveryError, PublishError

from .errors import Unavailable
from .reconnect import close, connect

# Limit for one publication, connecting included, in seconds.
_TIMEOUT = 5.0


class Publisher:
    """A connection for publishing, made when it is needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractConnection | None = None
        self._exchanges: dict[str, AbstractExchange] = {}
        self._connecting = asyncio.Lock()

    async def publish(
        self,
        exchange: str,
        key: str,
        body: bytes,
        *,
        message_id: str,
        content_type: str,
        headers: HeadersType | None = None,
        expires: float | None = None,
        while_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Publishes a message that outlives the broker's restart, unless it is wanted no more once that is possible.

        Raises [`Unavailable`]; it may be there all the same.
        """
        message = aio_pika.Message(
            body,
            headers=headers,
            content_type=content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=message_id[:255],
            timestamp=time.time(),
            expiration=expires,
        )
        used = None
        try:
            async with asyncio.timeout(_TIMEOUT):
                target = await self._exchange(exchange)
                if not while_wanted():
                    raise Unavailable("it is not wanted any more")
                used = self._connection
                # Without `mandatory` a message that no queue is bound for would be confirmed and lost.
                await target.publish(message, key, mandatory=True)
        except Unavailable:
            raise
        except PublishError:
            raise Unavailable(f"no queue is bound to {exchange} for {key!r}; ask your operator (bellwire topology)") from None
        except DeliveryError:
            raise Unavailable(f"the queue behind {exchange} for {key!r} is full") from None
        except Exception as error:
            # Whatever kept it from answering, the next publication uses a new connection.
            await self._discard(used)
            reason = f"no confirm within {_TIMEOUT:g} seconds" if isinstance(error, TimeoutError) else str(error)
            raise Unavailable(f"{exchange}: {reason or type(error).__name__}") from error

    async def close(self) -> None:
        """Ends the connection."""
        await self._discard(self._connection)

    async def _exchange(self, name: str) -> AbstractExchange:
        async with self._connecting:
            # One that was lost is not closed: the client says so only of what was closed from here.
            if self._connection is None or not self._connection.connected.is_set():
                self._exchanges.clear()
                self._connection = await connect(self._url, "publish")
            if name not in self._exchanges:
                # A channel each: a refusal closes the channel for all that is published over it.
                channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                self._exchanges[name] = await channel.get_exchange(name, ensure=False)
            return self._exchanges[name]

    async def _discard(self, connection: AbstractConnection | None) -> None:
        if connection is not None and connection is self._connection:
            self._connection = None
            await close(connection)
