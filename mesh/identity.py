"""Who this node is: the member id, on disk for life; the stream, new at every start (semantics.md
W4)."""

from __future__ import annotations

import os
import uuid

# Older ones were ended long ago: each start ends those before it.
STREAMS_MOST = 1000


class IdentityError(Exception):
    """The member id file cannot be read or written; the text says what to do."""


def member_id(path: str) -> bytes:
    """The member id in the file, made at the first start: 32 hex digits.

    IdentityError where the file holds something else or cannot be written: a node that forgets
    who it is would be a stranger to its own mesh.
    """
    try:
        with open(path, encoding="ascii") as file:
            text = file.read().strip()
    except FileNotFoundError:
        return _make(path)
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"cannot read the member id file {path}: {error}") from error
    if len(text) != 32 or not all(c in "0123456789abcdef" for c in text):
        raise IdentityError(
            f"the member id file {path} holds no member id (32 hex digits): restore it, or delete"
            " it to start as a new member"
        )
    return text.encode()


def earlier_streams(path: str, own: bytes) -> list[bytes]:
    """The streams that this member's earlier processes began, and notes the own one beside them.

    Kept in a file beside the member id's, so that also a process that never saved anything is known
    to have been there: the mesh forgets nothing of what it may still bring until its stream is
    ended. IdentityError where the file cannot be read or written.
    """
    try:
        with open(path, "a+", encoding="ascii") as file:
            file.seek(0)
            earlier = [bytes.fromhex(line.strip()) for line in file if line.strip()]
            file.write(own.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    except (OSError, ValueError) as error:
        raise IdentityError(f"cannot keep the list of streams {path}: {error}") from error
    return earlier[-STREAMS_MOST:]


def _make(path: str) -> bytes:
    made = uuid.uuid4().hex
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(made + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise IdentityError(
            f"cannot write the member id file {path}: {error}; the data directory must be writable"
        ) from error
    return made.encode()


def stream_uuid() -> bytes:
    """A new stream's uuid, 16 bytes."""
    return uuid.uuid4().bytes
