"""The names on the broker, and which of them are names."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_TASK = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")

# The ends of the names of a kind's queues, by the backlog of their jobs: none, 1 to 3, 4 to 31, more.
LANES = ("", ".bulk.1", ".bulk.2", ".bulk.3")
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


def lane_of(backlog: int) -> str:
    """The end of the name of the queue that a job with this backlog waits in."""
    return LANES[0 if backlog == 0 else 1 if backlog <= 3 else 2 if backlog <= 31 else 3]


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
