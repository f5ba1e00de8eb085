"""The names on the broker, and which of them are names."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TASK = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")

# The ends of the names of a kind's queues, and the rank of each: high priority, normal by the backlog of their jobs (none, 1 to 3,
# 4 to 31, more), low by the same (at most 3, more).
LANES = {"": 1, ".high": 2, ".bulk.1": 1, ".bulk.2": 1, ".bulk.3": 1, ".low.1": 0, ".low.2": 0}
PRIORITIES = ("low", "normal", "high")
# The pauses of the retry queues, in seconds.
RETRY_STEPS = (1, 10, 60, 600)


def is_name(text: object) -> bool:
    """True for the name of an environment, a kind or a prefix."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_task_id(text: object) -> bool:
    """True for the id of a task, as a gateway writes it."""
    return isinstance(text, str) and _TASK.fullmatch(text) is not None


def is_user_id(text: object) -> bool:
    """True for the id of a user, or the name of a group."""
    return (
        isinstance(text, str)
        and 0 < len(text.encode("utf-8", "replace")) <= 256
        and not re.search(r"[\s\x00-\x1f\x7f-\x9f]", text)
    )


def lane_of(priority: str, backlog: int) -> str:
    """The end of the name of the queue that a job waits in."""
    if priority == "high" and backlog <= 3:
        return ".high"
    if priority == "low":
        return ".low.1" if backlog <= 3 else ".low.2"
    return "" if backlog == 0 else ".bulk.1" if backlog <= 3 else ".bulk.2" if backlog <= 31 else ".bulk.3"


@dataclass(frozen=True)
class Names:
    """The names of one environment that a worker of one kind uses."""

    prefix: str
    environment: str
    kind: str

    @property
    def exchange(self) -> str:
        """The exchange of the environment's events."""
        return f"{self.prefix}.{self.environment}"

    @property
    def stream(self) -> str:
        """The log of the environment."""
        return f"{self.exchange}.events"

    @property
    def jobs(self) -> str:
        """The exchange of jobs."""
        return f"{self.exchange}.jobs"

    def queue(self, lane: str) -> str:
        """The queue of a lane; its routing key is what follows the exchange's name."""
        return f"{self.jobs}.{self.kind}{lane}"
