"""What somebody writes against signalrcore. It comes back by a new connection after the last cursor.

signalrcore's own way back tries once, with the old token.
"""

import threading
import time
import urllib.parse

from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.types import HttpTransportType, HubProtocolEncoding

import pipe

TRANSPORTS = {
    "WebSockets": HttpTransportType.web_sockets,
    "ServerSentEvents": HttpTransportType.server_sent_events,
    "LongPolling": HttpTransportType.long_polling,
}


class Program:
    def __init__(self, asked):
        self.asked = asked
        self.cursor = None if asked["comesBack"] == "alone" else "now"
        self.polls = asked["transport"] == "LongPolling"
        self.connection = None
        self.calls = {}

    def live(self):
        while True:
            gone = threading.Event()
            try:
                self.connection = self.build(gone)
                self.connection.start()
                while not gone.wait(1):
                    self.look()
            except (OSError, ValueError) as error:
                pipe.tell("state", {"state": "away", "reason": str(error)})
            self.leave()
            time.sleep(0.2)

    def build(self, gone):
        token = pipe.token(self.asked["tokens"])
        # Its polls send no header: the token must be in the URL.
        query = {} if self.cursor is None else {"after": self.cursor}
        query |= {"access_token": token} if self.polls else {}
        hub = self.asked["hub"]
        connection = (
            HubConnectionBuilder()
            .with_url(
                f"{hub}?{urllib.parse.urlencode(query)}" if query else hub,
                options={
                    "transport": TRANSPORTS[self.asked["transport"]],
                    "skip_negotiation": self.asked.get("skipNegotiation", False),
                    "headers": {"Authorization": f"Bearer {token}"},
                },
            )
            .with_hub_protocol(
                HubProtocolEncoding.binary if self.asked["encoding"] == "MessagePack" else HubProtocolEncoding.text
            )
            .build()
        )

        def closed():
            pipe.tell("state", {"state": "away"})
            gone.set()

        connection.on("event", self.on_event)
        if self.cursor is not None:
            connection.on("cursor", self.on_cursor)
            connection.on("gap", lambda words: pipe.tell("gap", words[0]))
        connection.on_open(lambda: pipe.tell("state", {"state": "connected"}))
        connection.on_close(closed)
        connection.on_error(self.on_error)
        return connection

    def look(self):
        """Polling never finds out that its connection is gone; a call does."""
        if self.polls and self.connection.transport.is_connected():
            self.connection.send("ListTasks", [])

    def leave(self):
        """Its polling thread goes on after the end, as fast as it can."""
        client = getattr(getattr(self.connection, "transport", None), "_client", None)
        if self.polls and client is not None:
            client._running = False

    def on_event(self, words):
        if self.cursor is not None:
            self.cursor = words[0]["cursor"]
        pipe.tell("event", words[0])

    def on_cursor(self, words):
        self.cursor = words[0]
        pipe.tell("cursor", words[0])

    def on_error(self, completion):
        number = self.calls.pop(completion.invocation_id, None)
        if number is not None:
            pipe.answer(number, error=completion.error)

    def invoke(self, number, method, words):
        def completed(completion):
            pipe.answer(number, completion.result)

        invocation = f"call-{number}"
        self.calls[invocation] = number
        try:
            self.connection.invoke(method, words, completed, invocation)
        except Exception as error:
            pipe.answer(number, error=str(error))


def main():
    questions = pipe.asked()
    program = Program(next(questions))
    threading.Thread(target=program.live, daemon=True).start()
    for question in questions:
        program.invoke(question["number"], question["method"], question["words"])


if __name__ == "__main__":
    # It tells of a call that nobody takes as information.
    pipe.tell_log(
        "SignalRCoreClient",
        lambda record: record.levelname in ("WARNING", "ERROR") or "fired any handler" in record.getMessage(),
    )
    main()
