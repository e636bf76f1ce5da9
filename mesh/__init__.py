"""Many nodes, one data set: links, streams, conflict rules, membership, health.

Reading order: `clock.py` (stamps), `rreplay.py` (a frame), `inbox.py` (frames in), `feed.py` and
`backlog.py` (frames out), `merge/__init__.py` (which rule decides which op), `agent.py` (wires
it all and starts and stops it). The engine knows nothing of this package; it is handed to it as
the ports of `node/ports.py`.
"""

from node.build import prefer_source

prefer_source()  # before any module that may be compiled is imported
