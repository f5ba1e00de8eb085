"""What somebody writes against pysignalr. It comes back by a new client after the last cursor.

pysignalr's own way back keeps URL and token: it would hear again all that came after the first cursor.
"""

import asyncio
import threading

from pysignalr.client import SignalRClient
from pysignalr.exceptions import HubError
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol

import pipe


class Gone(Exception):
    """The line is cut."""


class Program:
    def __init__(self, asked):
        self.asked = asked
        self.cursor = None if asked["comesBack"] == "alone" else "now"
        self.client = None

    async def live(self):
        while True:
            try:
                self.client = await self.build()
                await self.client.run()
            except (Gone, HubError, OSError) as gone:
                pipe.tell("state", {"state": "away", "reason": f"{type(gone).__name__}: {gone}"})
            await asyncio.sleep(0.2)

    async def build(self):
        token = await asyncio.to_thread(pipe.token, self.asked["tokens"])
        hub = self.asked["hub"]
        client = SignalRClient(
            hub if self.cursor is None else f"{hub}?after={self.cursor}",
            protocol=MessagepackProtocol() if self.asked["encoding"] == "MessagePack" else JSONProtocol(),
            # Its access_token_factory is asked only after the first connection is made.
            headers={"Authorization": f"Bearer {token}"},
            retry_count=1,
        )
        client.on("event", self.on_event)
        if self.cursor is not None:
            client.on("cursor", self.on_cursor)
            client.on("gap", self.on_gap)
        client.on_open(self.on_open)
        client.on_close(self.on_close)
        client.on_error(self.on_error)
        return client

    async def on_event(self, words):
        if self.cursor is not None:
            self.cursor = words[0]["cursor"]
        pipe.tell("event", words[0])

    async def on_cursor(self, words):
        self.cursor = words[0]
        pipe.tell("cursor", words[0])

    async def on_gap(self, words):
        pipe.tell("gap", words[0])

    async def on_open(self):
        pipe.tell("state", {"state": "connected"})

    async def on_close(self):
        raise Gone()

    async def on_error(self, completion):
        pass  # each call is told by its own callback

    async def invoke(self, number, method, words):
        async def completed(completion):
            pipe.answer(number, completion.result, completion.error)

        try:
            await self.client.send(method, words, completed)
        except Exception as error:
            pipe.answer(number, error=str(error))


async def main():
    questions = pipe.asked()
    program = Program(next(questions))
    loop = asyncio.get_running_loop()
    living = asyncio.create_task(program.live())

    def ask():
        for question in questions:
            invoked = program.invoke(question["number"], question["method"], question["words"])
            asyncio.run_coroutine_threadsafe(invoked, loop)
        loop.call_soon_threadsafe(living.cancel)

    threading.Thread(target=ask, daemon=True).start()
    try:
        await living
    except asyncio.CancelledError:
        pass


if __name__ == "__main__":
    pipe.tell_log("pysignalr", lambda record: record.levelname in ("WARNING", "ERROR"))
    asyncio.run(main())
