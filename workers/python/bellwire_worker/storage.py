"""What the broker does not carry: large inputs and results, the owner's files, and the catalogue of functions.

The storage of gateways and workers is a folder that they share; `[storage] url` names it.
"""

import hashlib
import os
import re
import secrets
from pathlib import Path
from urllib.parse import quote

from .errors import Permanent

_MOST_INPUT_BYTES = 16 << 20
_MOST_SEGMENT_BYTES = 200
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class Storage:
    """A shared folder."""

    def __init__(self, url: str) -> None:
        path = url.removeprefix("file:")
        if path == url or (path.startswith("//") and not path.startswith("///")) or not path.strip("/"):
            raise ValueError("files: write file:PATH, the folder of the gateways' [storage] url")
        self._root = Path(path.removeprefix("//"))

    def path(self, environment: str, owner: str, key: str) -> Path:
        """Where a file of an owner lies, `<id>/<name>`, as the upload answered. Raises [`Permanent`]."""
        identity, slash, name = key.partition("/")
        plain = not re.search(r"[/\\\x00-\x1f\x7f-\x9f]", name) and name not in ("", ".", "..")
        if not slash or not _ID.fullmatch(identity) or not plain or len(name.encode("utf-8", "replace")) > 200:
            raise Permanent(f"{key[:100]!r} is no file: <id>/<name>, as the upload answered it")
        return self._root / environment / _segment(owner) / identity / _segment(name)

    def read_input(self, environment: str, owner: str, key: str) -> str:
        """The JSON of a stored input. Raises [`Permanent`], or `OSError` where it cannot be read now."""
        path = self.path(environment, owner, key)
        try:
            with path.open("rb") as file:
                content = file.read(_MOST_INPUT_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise Permanent(f"its stored input {key} is not there any more; start it again") from None
        if len(content) > _MOST_INPUT_BYTES:
            raise Permanent(f"its stored input {key} has more than {_MOST_INPUT_BYTES} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise Permanent(f"its stored input {key} is no JSON: it is not UTF-8") from None

    def write_result(self, environment: str, owner: str, task: str, result: bytes) -> str:
        """Stores a result, the same however often; returns its key."""
        key = f"{task}/result.json"
        _replace(self.path(environment, owner, key), result)
        return key

    def register(self, environment: str, kind: str, description: bytes) -> None:
        """Puts the description of a function into the catalogue."""
        _replace(self._root / environment / "~functions" / f"{kind}.json", description)


def href(key: str) -> str:
    """The path of a file on the gateway."""
    return "/api/files/" + quote(key, safe="/-._~")


def _replace(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all, and outlives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Gateways remove what is called so once it is a day old.
    unfinished = path.with_name(f"{path.name}#{secrets.randbelow(10**9)}")
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _segment(text: str) -> str:
    """A text as one part of a path: all but a-z, 0-9, '-', '_' and '.' percent-encoded."""
    encoded = "".join(
        chr(byte) if chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789-_." else f"%{byte:02X}" for byte in text.encode()
    )
    if len(encoded) > _MOST_SEGMENT_BYTES:
        return "~" + hashlib.sha256(text.encode()).hexdigest()
    if encoded.startswith("."):
        return "%2E" + encoded[1:]
    return encoded or "~"
