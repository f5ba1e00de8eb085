"""A job: a piece of work in a queue."""

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import ChannelInvalidStateError

from . import grant as grants
from . import json_text
from .errors import NotAJob
from .names import PRIORITIES, is_name, is_task_id, is_user_id

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z")
_MOST_ATTEMPTS = 2**32 - 1


@dataclass(frozen=True)
class Grant:
    """What a gateway has signed."""

    task: str
    kind: str
    parent: str | None
    created_ns: int
    signature: str


@dataclass(frozen=True)
class Job:
    """A job, and its bytes as they came."""

    text: str
    task: str
    kind: str
    owner: str
    groups: tuple[str, ...]
    title: str
    input: Any
    stored_input: str | None
    parent: str | None
    created: str
    created_ns: int
    attempts: int
    backlog: int
    priority: str
    not_before: str | None
    traceparent: str | None
    grant: Grant | None

    @classmethod
    def read(cls, body: bytes) -> "Job":
        """Reads a message. Raises [`NotAJob`] with the reason."""
        try:
            text = body.decode()
            fields = json_text.read(text)
            if not isinstance(fields, dict):
                raise ValueError("it is no object")
            json_text.members(text)
            return cls._of(text, fields)
        except (ValueError, RecursionError) as error:
            raise NotAJob(f"it is no job: {error}") from None

    @classmethod
    def _of(cls, text: str, fields: dict[str, Any]) -> "Job":
        created = _field(fields, "created", str)
        groups = _field(fields, "groups", list, [])
        if not all(isinstance(group, str) for group in groups):
            raise ValueError("its groups are no texts")
        if "input" not in fields:
            raise ValueError("missing field `input`")
        return cls(
            text=text,
            task=_task(fields, "task"),
            kind=_kind(fields),
            owner=_field(fields, "owner", str),
            groups=tuple(groups),
            title=_field(fields, "title", str),
            input=fields["input"],
            stored_input=_field(fields, "stored_input", str, None),
            parent=_optional_task(fields, "parent"),
            created=created,
            created_ns=_nanoseconds(created),
            attempts=_count(fields, "attempts"),
            backlog=_count(fields, "backlog"),
            priority=_priority(fields),
            not_before=_optional_time(fields, "not_before"),
            traceparent=_field(fields, "traceparent", str, None),
            grant=_grant(_field(fields, "grant", dict, None)),
        )

    def check(self, environment: str, kind: str, keys: Iterable[bytes]) -> None:
        """Raises [`NotAJob`] unless it is one of this queue's, and a gateway says that it is its owner's."""
        if self.kind != kind:
            raise NotAJob(f"it is a job for {self.kind}, in the queue of {kind}")
        if not is_user_id(self.owner):
            raise NotAJob("its owner is no user id")
        grants.check(self, environment, keys)

    def delay(self, now_ns: int) -> float:
        """For how many seconds it is not begun yet; 0 if it may be."""
        return 0.0 if self.not_before is None else max(_nanoseconds(self.not_before) - now_ns, 0) / 1e9

    def with_attempts(self, attempts: int) -> bytes:
        """Its bytes with this number of attempts, and else as they came."""
        return json_text.with_member(self.text, "attempts", str(min(attempts, _MOST_ATTEMPTS))).encode()


def redeliveries_of(message: AbstractIncomingMessage) -> int:
    """How often the broker has handed a message out before."""
    count = message.headers.get("x-delivery-count")
    return max(count, 0) if isinstance(count, int) else 0


def is_here(message: AbstractIncomingMessage) -> bool:
    """False if its connection is gone: the broker has put it back, and moving it now would double it."""
    try:
        return not message.channel.is_closed
    except ChannelInvalidStateError:
        return False


_NONE = object()


def _field(fields: dict[str, Any], name: str, kind: type, otherwise: Any = _NONE) -> Any:
    value = fields.get(name, _NONE)
    if value is _NONE or (value is None and otherwise is None):
        if otherwise is _NONE:
            raise ValueError(f"missing field `{name}`")
        return otherwise
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"its {name} is not of the right type")
    if isinstance(value, str):
        value.encode()  # Half a letter, which no other reader takes.
    return value


def _count(fields: dict[str, Any], name: str) -> int:
    number = _field(fields, name, int, 0)
    if not 0 <= number <= _MOST_ATTEMPTS:
        raise ValueError(f"its {name} is out of range")
    return int(number)


def _priority(fields: dict[str, Any]) -> str:
    priority: str = _field(fields, "priority", str, "normal")
    if priority not in PRIORITIES:
        raise ValueError("its priority is none")
    return priority


def _task(fields: dict[str, Any], name: str) -> str:
    task: str = _field(fields, name, str)
    if not is_task_id(task):
        raise ValueError(f"its {name} is no task id")
    return task


def _optional_task(fields: dict[str, Any], name: str) -> str | None:
    return None if fields.get(name) is None else _task(fields, name)


def _optional_time(fields: dict[str, Any], name: str) -> str | None:
    time: str | None = _field(fields, name, str, None)
    if time is not None:
        _nanoseconds(time)
    return time


def _kind(fields: dict[str, Any]) -> str:
    kind: str = _field(fields, "kind", str)
    if not is_name(kind):
        raise ValueError("its kind is no name")
    return kind


def _grant(fields: dict[str, Any] | None) -> Grant | None:
    if fields is None:
        return None
    return Grant(
        task=_task(fields, "task"),
        kind=_kind(fields),
        parent=_optional_task(fields, "parent"),
        created_ns=_nanoseconds(_field(fields, "created", str)),
        signature=_field(fields, "signature", str),
    )


def _nanoseconds(text: str) -> int:
    """Nanoseconds since 1970, all of them: they are signed, and `datetime` has a thousandth of them."""
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError(f"the time {text[:40]!r} is not in UTC as RFC 3339 has it")
    seconds = calendar.timegm(tuple(int(part) for part in found.groups()[:6]))
    return seconds * 10**9 + int((found[7] or "").ljust(9, "0"))
