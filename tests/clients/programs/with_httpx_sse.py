"""What somebody writes against httpx-sse. It does not come back by itself: a loop around it does, after the last cursor."""

import json
import os
import threading
import time

import httpx
from httpx_sse import connect_sse

import pipe


def live(asked):
    cursor, pause = asked.get("after"), 1.0
    # Longer than the pause between two heartbeats, which is 15 s.
    with httpx.Client(timeout=httpx.Timeout(10, read=40)) as client:
        while True:
            try:
                headers = {"Authorization": f"Bearer {pipe.token(asked['tokens'])}"}
                if cursor:
                    headers["Last-Event-ID"] = cursor
                with connect_sse(client, "GET", asked["events"], headers=headers) as source:
                    source.response.raise_for_status()
                    knows_place = False
                    for event in source.iter_sse():
                        if event.event == "gap":
                            pipe.tell("gap", json.loads(event.data)["reason"])
                        elif event.data:
                            pipe.tell("event", json.loads(event.data))
                        elif event.event == "cursor" and not knows_place:
                            # The first that comes: from here on nothing can be missed.
                            pipe.tell("state", {"state": "connected"})
                            knows_place = True
                        cursor = event.id or cursor
                        pause = pause if event.retry is None else event.retry / 1000
                pipe.tell("state", {"state": "away", "reason": "the stream has ended"})
            except (httpx.HTTPError, OSError) as error:
                pipe.tell("state", {"state": "away", "reason": f"{type(error).__name__}: {error}"})
            time.sleep(pause)


if __name__ == "__main__":
    questions = pipe.asked()
    threading.Thread(target=live, args=(next(questions),), daemon=True).start()
    for _ in questions:
        pass
    os._exit(0)
