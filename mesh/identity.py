"""Who this node is: the member id, on disk for life; the stream, new at every start (semantics.md
W4)."""

from __future__ import annotations

import contextlib
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
        return renew(path)
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


def read_note(name: str) -> str:
    """The text of a file beside the member id's, "" where there is none. IdentityError where it
    cannot be read."""
    try:
        with open(name, encoding="ascii") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"cannot read {name}: {error}") from error


def write_note(name: str, text: str) -> None:
    """The whole file in one step, on the disk when it returns. IdentityError."""
    temporary = f"{name}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise IdentityError(
            f"cannot write {name}: {error}; the data directory must be writable"
        ) from error


def _make(path: str) -> bytes:
    made = uuid.uuid4().hex
    write_note(path, made + "\n")
    return made.encode()


def stream_uuid() -> bytes:
    """A new stream's uuid, 16 bytes."""
    return uuid.uuid4().bytes


def renew(path: str) -> bytes:
    """A new member id in the place of the old one; what that one began and promised is not ours.

    IdentityError where it cannot be written.
    """
    made = anew(path)
    _forget(f"{path}.said")
    return made


def anew(path: str) -> bytes:
    """As `renew`, but what was promised stays noted: the caller says what becomes of it."""
    _forget(f"{path}.streams")
    return _make(path)


def _forget(name: str) -> None:
    """Who begins as a new member began no stream that the file names, and has said nothing yet."""
    try:
        os.unlink(name)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise IdentityError(f"cannot remove {name}: {error}") from error


def note_void(path: str, how: str) -> None:
    """What the data file has counts no more until a new one is written. IdentityError."""
    try:
        with open(f"{path}.void", "w", encoding="ascii") as file:
            file.write(how + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise IdentityError(f"cannot write {path}.void: {error}") from error


def noted_void(path: str) -> str:
    """What `note_void` has noted, "" where it has not."""
    try:
        with open(f"{path}.void", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def clear_void(path: str) -> None:
    """The data file has the new state. Where it cannot be removed the next start replaces again."""
    with contextlib.suppress(OSError):
        os.unlink(f"{path}.void")
