"""What somebody writes against sseclient-py, with requests. A loop around it comes back after the last cursor."""

import json
import os
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
            knows_place = False
            for event in SSEClient(response.iter_content(chunk_size=None)).events():
                if event.event == "gap":
                    pipe.tell("gap", json.loads(event.data)["reason"])
                elif event.data:
                    pipe.tell("event", json.loads(event.data))
                elif event.event == "cursor" and not knows_place:
                    # The first that comes: from here on nothing can be missed.
                    pipe.tell("state", {"state": "connected"})
                    knows_place = True
                self.cursor = event.id or self.cursor


if __name__ == "__main__":
    questions = pipe.asked()
    threading.Thread(target=Program(next(questions)).live, daemon=True).start()
    for _ in questions:
        pass
    os._exit(0)
