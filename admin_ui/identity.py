"""Who is who: one name per node, though each node knows the others by its own words. Pure.

A node may be called by its configured name, by the address at which somebody dials it, or by its
member id. The member id decides when known; then the address; then the name. Loopback addresses
in what a node says mean that node's host, so they are read as the host at which it was asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from admin_ui.source import NodeReport
from mesh.status import PeerStatus

_LOOPBACK: Final = "127.0.0.1"
_HERE: Final = frozenset({"", "*", "0.0.0.0", "::", "::1", "localhost", _LOOPBACK})


def seen_from(address: str, asked: str) -> str:
    """`address` in the words of a node that was asked at `asked`, as we would write it."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return address
    if host.strip("[]") in _HERE:
        asked_host = asked.rpartition(":")[0]
        host = _LOOPBACK if asked_host.strip("[]") in _HERE else asked_host
    return f"{host}:{port}"


class Directory:
    """Maps what each reporter calls a node to the one name the page uses for it."""

    def __init__(self, reports: Sequence[NodeReport]) -> None:
        self.names: Final[list[str]] = []
        """Every node once: reporters first, in the order of the reports, then others."""
        self.peers: Final[dict[str, list[PeerStatus]]] = {}
        """What reporters say about each node, by its name; this node's own words first."""
        self.reports: Final[dict[str, NodeReport]] = {}
        self._by_member: Final[dict[str, str]] = {}
        self._by_address: Final[dict[str, str]] = {}
        self._local: Final[dict[tuple[str, str], str]] = {}
        for report in reports:
            self._add_reporter(report)
        for name, report in list(self.reports.items()):
            if report.mesh is not None:
                for peer in report.mesh.nodes:
                    self._add_peer(name, report, peer)

    def resolve(self, reporter: str, word: str) -> str:
        """The name of the node that `reporter` calls `word`; an unknown word is a new node."""
        known = self._local.get((reporter, word))
        if known is None:
            asked = self.reports[reporter].asked
            known = self._by_address.get(seen_from(word, asked))
        if known is None:
            known = word if word in self.names else self._new(word, "")
            self._local[reporter, word] = known
        return known

    def _add_reporter(self, report: NodeReport) -> None:
        node = report.node
        if node is None:
            return
        name = self._by_member.get(node.member_id) if node.member_id else None
        if name is not None:  # one node asked at two addresses
            if report.asked:
                self._by_address.setdefault(seen_from(report.asked, ""), name)
            return
        address = seen_from(node.address, report.asked)
        name = self._new(node.name or address, address)
        self.reports[name] = report
        if node.member_id:
            self._by_member[node.member_id] = name
        for known_as in (address, node.address, report.asked):
            if known_as:
                self._by_address.setdefault(seen_from(known_as, report.asked), name)
        self._local[name, node.name] = name
        self._local[name, node.address] = name

    def _add_peer(self, reporter: str, report: NodeReport, peer: PeerStatus) -> None:
        address = seen_from(peer.address, report.asked)
        name = self._by_member.get(peer.member_id) if peer.member_id else None
        name = name or self._by_address.get(address)
        if name is None and peer.name in self.names:
            name = peer.name
        if name is None:
            name = self._new(peer.name or address, address)
        if peer.member_id:
            self._by_member.setdefault(peer.member_id, name)
        if address:
            self._by_address.setdefault(address, name)
        for word in (peer.name, peer.address, peer.member_id):
            if word:
                self._local.setdefault((reporter, word), name)
        if name != reporter:
            self.peers.setdefault(name, []).append(peer)

    def _new(self, wanted: str, address: str) -> str:
        """A name not yet taken: two nodes of one name are told apart by their address."""
        name = wanted or address or "unnamed"
        if name in self.names and address:
            name = f"{name} ({address})"
        while name in self.names:
            name += "'"
        self.names.append(name)
        return name
