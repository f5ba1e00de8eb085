"""What somebody writes against sseclient-py, with requests. A loop around it comes back after the last cursor.

It passes over frames without data, so the cursor that a stream begins with is read from the bytes before it gets them.
"""

import json
import os
import re
import threading
import time

import requests
from sseclient import SSEClient

import pipe


class Program:
    def __init__(self, asked):
        self.asked = asked
        self.cursor = asked.get("after")

    def live(self):
        while True:
            try:
                self.listen()
                pipe.tell("state", {"state": "away", "reason": "the stream has ended"})
            except (requests.RequestException, OSError) as error:
                pipe.tell("state", {"state": "away", "reason": f"{type(error).__name__}: {error}"})
            time.sleep(0.5)

    def listen(self):
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {pipe.token(self.asked['tokens'])}"}
        if self.cursor:
            headers["Last-Event-ID"] = self.cursor
        # Longer than the pause between two heartbeats, which is 15 s.
        with requests.get(self.asked["events"], headers=headers, stream=True, timeout=(10, 40)) as response:
            response.raise_for_status()
            chunks = response.iter_content(chunk_size=None)
            begun = self.begin(chunks)
            pipe.tell("state", {"state": "connected"})
            for event in SSEClient(self.all(begun, chunks)).events():
                if event.event == "gap":
                    pipe.tell("gap", json.loads(event.data)["reason"])
                else:
                    pipe.tell("event", json.loads(event.data))
                self.cursor = event.id or self.cursor

    def begin(self, chunks):
        """Reads to the end of the frame with the first cursor."""
        begun = b""
        for chunk in chunks:
            begun += chunk
            found = re.search(rb"^id: (\w+)\n\n", begun, re.MULTILINE)
            if found:
                self.cursor = found.group(1).decode()
                return begun[found.end() :]
        return b""

    @staticmethod
    def all(begun, chunks):
        yield begun
        yield from chunks


if __name__ == "__main__":
    questions = pipe.asked()
    threading.Thread(target=Program(next(questions)).live, daemon=True).start()
    for _ in questions:
        pass
    os._exit(0)
