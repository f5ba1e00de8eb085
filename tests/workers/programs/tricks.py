"""A worker whose function does as it is told; what it does is told on standard output, a JSON object a line."""

import asyncio
import json
import logging
import os
import signal
import sqlite3
from pathlib import Path

from bellwire_worker import Cancelled, Permanent, Result, Retry, Task, Toast, Worker

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
logging.getLogger("aiormq").setLevel(logging.ERROR)
FOLDER = Path(os.environ["TRICKS_FOLDER"])
OPTIONS = json.loads(os.environ["TRICKS_OPTIONS"])
deadline = OPTIONS.pop("deadline", 60)

worker = Worker(
    os.environ["AMQP_URL"],
    environment="dev",
    keys=os.environ["BELLWIRE_KEYS"].split(","),
    files=os.environ.get("BELLWIRE_FILES"),
    **OPTIONS,
)


def tell(word: str, **more: object) -> None:
    print(json.dumps({"word": word, **more}), flush=True)


def effect(task: Task, *, heeds: bool = True) -> bool:
    """A row for each task, in a transaction that is stopped where the task is; false if it was there."""
    with sqlite3.connect(FOLDER / "effects.db", timeout=30) as database:
        database.execute("CREATE TABLE IF NOT EXISTS effects (task TEXT PRIMARY KEY, attempt INTEGER)")
        new = database.execute("INSERT INTO effects VALUES (?, ?) ON CONFLICT DO NOTHING", (task.id, task.attempt))
        if heeds:
            task.check()
        return new.rowcount == 1


async def let_go(task: Task) -> None:
    while not (FOLDER / f"{task.id}.go").exists():
        await asyncio.sleep(0.02)


def no_sweets(value: object) -> None:
    if isinstance(value, dict) and "sweet" in value:
        raise ValueError("sweet is no field")


@worker.function(
    os.environ["TRICKS_KIND"],
    title="Tricks of Python",
    schema={"type": "object"},
    offers=[{"name": "finish", "title": "Finish", "input": {"trick": "finish"}}],
    check=no_sweets,
    deadline=deadline,
)
async def trick(task: Task, value: dict) -> Result:
    tell("begun", task=task.id, attempt=task.attempt, by="python", owner=task.owner)
    match value["trick"]:
        case "finish":
            task.progress(0.5)
        case "hold":
            await task.unless_cancelled(let_go(task))
        case "unheard":
            while not task.cancelled:
                await asyncio.sleep(0.02)
            return Result({"new": effect(task, heeds=False)})
        case "deaf":
            await let_go(task)
        case "sour":
            raise Permanent("it is sour", reason="sour")
        case "busy" if task.attempt <= value["times"]:
            raise Retry("the database is away", after=1)
        case "crash" if task.attempt <= value["times"]:
            raise RuntimeError("as told")
        case "late" if task.attempt <= value["times"]:
            await let_go(task)
            raise Retry("the database is away", after=1)
        case "die":
            effect(task)
            os.kill(os.getpid(), signal.SIGKILL)
        case "much":
            return Result({"much": "x" * 70_000, "rows": 7}, Toast("Much"))
        case "number":
            return Result({"is_text": task.input_text.endswith('"n": 12345678901234567890123}'), "length": len(task.input_text)})
        case "strange":
            return Result({"letters": "\ud83d", "label": "é€😀"}, Toast("half a letter \ud83d", "é€😀" * 1000, href="javascript:alert(1)"))
        case "plain":
            return "just text"  # type: ignore[return-value]
        case "odd":
            return Result({"rows": 7}, 7)  # type: ignore[arg-type]
        case "nothing":
            return Result({"much": float("nan")})
        case "thread":
            return Result({"new": await asyncio.to_thread(effect, task)})
        case "cancelled":
            raise Cancelled
    is_new = effect(task)
    return Result({"attempt": task.attempt, "new": is_new}, Toast(f"{task.title} is done", "By Python", label="Look", href="/look"))


worker.run()
