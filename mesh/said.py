"""Said: what the head of a snapshot or file says of stability, as mesh/stability.py wrote it."""

from __future__ import annotations

from mesh.vectors import Vector


class Said:
    """What the head of a snapshot says of stability."""

    def __init__(self) -> None:
        self.cut: Vector = {}
        self.rows: dict[bytes, Vector] = {}
        self.sponsored: set[bytes] = set()
        self.waiting: dict[bytes, Vector] = {}
        self.closers: dict[bytes, bytes] = {}
        self.ends: Vector = {}
        self.enders: dict[bytes, list[tuple[bytes, int]]] = {}
        self.retired: list[bytes] = []
        self.held: Vector = {}
        self.in_memory = False  # it keeps nothing on disk
        self.told: frozenset[bytes] | None = frozenset()  # as Stability.told, at that moment
        self.starts: Vector = {}

    def read(self, fields: dict[str, dict[str, object]]) -> None:
        """The reverse of Stability.fields. ValueError, TypeError or AttributeError where it is
        damaged."""
        self.cut = unspell(fields.get("cut", {}))
        self.ends = unspell(fields.get("ends", {}))
        self.enders = {
            bytes.fromhex(uuid): list(unspell(enders).items())
            for uuid, enders in fields.get("enders", {}).items()
        }
        self.retired = list(unspell(fields.get("retired", {})))
        self.held = unspell(fields.get("held", {}))
        self.in_memory = bool(fields.get("memory", False))
        told: object = fields.get("told", [])
        self.told = None
        if isinstance(told, list):
            self.told = frozenset(str(member).encode() for member in told)
        self.starts = unspell(fields.get("starts", {}))
        self.rows = {
            member.encode(): unspell(row) for member, row in fields.get("holds", {}).items()
        }
        self.sponsored = {str(member).encode() for member in fields.get("sponsored", [])}
        self.waiting = {
            bytes.fromhex(uuid): unspell(row) for uuid, row in fields.get("reports", {}).items()
        }
        self.closers = {
            bytes.fromhex(uuid): str(member).encode()
            for uuid, member in fields.get("closers", {}).items()
        }


def spell(vector: Vector) -> dict[str, int]:
    """A vector as JSON takes it."""
    return {uuid.hex(): stamp for uuid, stamp in vector.items()}


def unspell(fields: object) -> Vector:
    """The reverse of `spell`."""
    assert isinstance(fields, dict)
    return {bytes.fromhex(uuid): int(stamp) for uuid, stamp in fields.items()}
