"""Units that the node makes by itself say nothing that a client said."""

from tests.support.local import LocalNode


def test_a_refused_commands_bytes_are_not_those_of_a_later_unit() -> None:
    """Goal: a job's write never goes to peers as what a client was refused just before."""
    node = LocalNode()
    node("SET k v")
    refused = [b"LPUSH", b"k", b"x"]
    node.engine.execute(node.sessions[0], 0, refused, b"*3 and so on", 0, 12)
    node.advance(1.0)
    assert node.engine.commit.end == 0
