"""Status records over the wire: what is sent is what arrives, also between versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mesh.status import (
    CountStatus,
    LinkStatus,
    MeshStatus,
    PeerStatus,
    StreamStatus,
    pack_status,
    unpack_status,
)
from node.status import CommandStatus, DatabaseStatus, NodeStatus

NODE = NodeStatus(
    name="a",
    port=6379,
    databases=(DatabaseStatus(0, 1, 2, 3),),
    command_stats=(CommandStatus("get", 1),),
    ops_per_second=1.5,
)
MESH = MeshStatus(
    name="shop",
    nodes=(PeerStatus("b", "h:1", "m", node=NODE), PeerStatus("c")),
    links=(LinkStatus("b", "a", apply_lag_ms=1.5), LinkStatus("c", "a", progress=0.5)),
    conflicts=(CountStatus("list", 2),),
    vector=(StreamStatus("s", 2**63 - 1),),
)


def test_a_packed_status_is_unpacked_unchanged() -> None:
    assert unpack_status(pack_status(NODE, MESH)) == (NODE, MESH)


def test_unknown_fields_are_ignored_and_missing_ones_have_their_default() -> None:
    assert NodeStatus.from_json({"name": "a", "from_the_future": [1]}) == NodeStatus(name="a")


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({"port": "6379"}, "NodeStatus.port: expected int, got str"),
        ({"port": True}, "NodeStatus.port: expected int, got bool"),
        ({"name": None}, "NodeStatus.name: expected str, got NoneType"),
        ({"databases": {}}, "NodeStatus.databases: expected a list, got dict"),
        ({"databases": [3]}, "DatabaseStatus: expected an object, got int"),
        ({"databases": [{}] * 10_001}, "10001 entries"),
        ([], "NodeStatus: expected an object, got list"),
    ],
)
def test_a_wrong_type_is_an_error_that_names_the_field(plain: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NodeStatus.from_json(plain)


@pytest.mark.parametrize(
    "packed",
    [b"", b"no json", b"[]", b"{}", b'{"node":{}}', b"[" * 100_000, b"\xff", b"1" * 4_000_001],
)
def test_a_broken_reply_is_a_value_error(packed: bytes) -> None:
    with pytest.raises(ValueError):
        unpack_status(packed)


def test_the_wire_form_is_plain_json_with_two_objects() -> None:
    assert sorted(json.loads(pack_status(NODE, MESH))) == ["mesh", "node"]
