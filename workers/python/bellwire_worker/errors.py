"""How a function says that it did not do its work."""


class Permanent(Exception):
    """Trying again will not help; the owner reads the message. `reason` is one word for programs."""

    def __init__(self, message: str, reason: str = "input") -> None:
        super().__init__(message)
        self.reason = reason


class Retry(Exception):
    """It may work later: it is tried again after about so many seconds (1, 10, 60 or 600), else after growing pauses.

    The owner reads the message should it never work; the cause (`raise Retry(…) from error`) is for the log alone.
    """

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Cancelled(Exception):
    """The run saw that it shall stop, and left no effect."""


class NotAJob(Exception):
    """A delivery that is not run here; the text says why."""


class Unavailable(Exception):
    """The broker did not take what was published; it may later."""
