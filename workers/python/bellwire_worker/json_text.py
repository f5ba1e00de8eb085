"""JSON as it was written: what a reader would change (long numbers, the order of members) is kept."""

import json
import re
from typing import Any

_SPACE = " \t\r\n"
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
# The bytes of memory that gateways count for JSON once it is read, rather too many than too few.
_VALUE, _OBJECT, _LIST, _OBJECT_PLACE, _LIST_PLACE, _TEXT = 32, 648, 144, 112, 64, 16


def read(text: str) -> Any:
    """Reads JSON as RFC 8259 has it, without Python's NaN and Infinity. Raises `ValueError`."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("its lists and objects are nested too deep") from None


def written(value: Any) -> bytes:
    """A value as JSON. Raises `ValueError` or `TypeError` for what JSON cannot say."""
    # Halves of a letter beyond 16 bits are no UTF-8; no reader would take them, however they are written.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")


def members(text: str) -> dict[str, tuple[int, int]]:
    """Where the value of each member of an object stands in its (valid) JSON. Raises `ValueError` for a repeated one."""
    found: dict[str, tuple[int, int]] = {}
    position = _skip(text, text.index("{") + 1)
    while text[position] != "}":
        name_end = _end_of_value(text, position)
        name = json.loads(text[position:name_end])
        start = _skip(text, _skip(text, name_end) + 1)
        end = _end_of_value(text, start)
        if name in found:
            raise ValueError(f"the member {name!r} is there twice")
        found[name] = (start, end)
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return found


def with_member(text: str, name: str, value: str) -> str:
    """The same object with this JSON as the value of a member."""
    place = members(text).get(name)
    if place:
        return text[: place[0]] + value + text[place[1] :]
    start = text.index("{") + 1
    comma = "" if text[_skip(text, start)] == "}" else ","
    return f"{text[:start]}{json.dumps(name)}:{value}{comma}{text[start:]}"


def memory(text: str) -> int:
    """The bytes of memory that its values take once a gateway has read them."""
    plain = _STRING.sub('"', text)
    counted = {"{": _OBJECT, "[": _LIST, ":": _OBJECT_PLACE, ",": _LIST_PLACE, '"': _TEXT}
    return _VALUE + len(text.encode()) + sum(plain.count(letter) * size for letter, size in counted.items())


def depth(text: str) -> int:
    """The deepest nesting of lists and objects."""
    now = deepest = 0
    for letter in _STRING.sub("", text):
        if letter in "{[":
            now += 1
            deepest = max(deepest, now)
        elif letter in "}]":
            now -= 1
    return deepest


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _skip(text: str, position: int) -> int:
    while text[position] in _SPACE:
        position += 1
    return position


def _end_of_value(text: str, position: int) -> int:
    """The end of the value that begins here."""
    open_brackets = 0
    while True:
        letter = text[position]
        if letter == '"':
            found = _STRING.match(text, position)
            assert found
            position = found.end()
        elif letter in "{[":
            open_brackets, position = open_brackets + 1, position + 1
        elif letter in "}]":
            open_brackets, position = open_brackets - 1, position + 1
        elif open_brackets:
            position += 1
            continue
        else:
            while text[position] not in ",}]" + _SPACE:
                position += 1
        if not open_brackets:
            return position
