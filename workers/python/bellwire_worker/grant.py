"""The grant of a job: a gateway's word on whose job it is."""

import base64
import binascii
from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import ed25519
from .errors import NotAJob

if TYPE_CHECKING:
    from .job import Job


def read_key(text: str) -> bytes:
    """A public key of gateways, as `bellwire key` prints it."""
    key = _decoded(text.strip())
    if key is None or len(key) != 32:
        raise ValueError("it is no public key of gateways: 43 letters of base64url, as `bellwire key` prints them")
    return key


def check(job: "Job", environment: str, keys: Iterable[bytes]) -> None:
    """Raises [`NotAJob`] unless a gateway of this environment has granted the job to its owner."""
    grant = job.grant
    if grant is None:
        raise NotAJob("no gateway has signed it, so nothing shows whose job it is")
    signature = _decoded(grant.signature)
    text = _signed_text(job, environment)
    if signature is None or not any(ed25519.verify(key, text, signature) for key in keys):
        raise NotAJob("its grant was not signed by a gateway of this environment for this owner and these groups")
    is_own = (grant.task, grant.kind, grant.parent, grant.created_ns) == (job.task, job.kind, job.parent, job.created_ns)
    # A workflow's run may have jobs of every kind done for its owner: its steps carry the grant of the run.
    is_step = grant.kind == "workflows" and job.parent is not None
    if not is_own and not is_step:
        raise NotAJob("its grant is for another job")


def _signed_text(job: "Job", environment: str) -> bytes:
    assert job.grant is not None
    grant = job.grant
    groups = sorted(group.encode() for group in job.groups)
    parent = [] if grant.parent is None else [grant.parent.encode()]
    fields = [b"bellwire job", environment.encode(), grant.task.encode(), grant.kind.encode(), job.owner.encode()]
    return b"".join(
        [
            *map(_field, fields),
            _length(len(groups)),
            *map(_field, groups),
            _length(len(parent)),
            *map(_field, parent),
            _field(str(grant.created_ns).encode()),
        ]
    )


def _length(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _field(text: bytes) -> bytes:
    return _length(len(text)) + text


def _decoded(text: str) -> bytes | None:
    """Base64url without padding, and nothing that only looks like it."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == text else None
