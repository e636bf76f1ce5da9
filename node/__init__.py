"""One Redis-compatible server: wire format, commands, data, persistence, sockets.

Start reading at `node/engine.py` (the core without I/O), then follow one write downwards:
`commands/strings.py`, `store/writer.py`, `store/mutate.py`, `journal.py`. What the node needs
from above, such as a clock that orders writes between nodes, it takes through `node/ports.py`;
alone it is a complete single server. `node/__main__.py` puts the parts together.
"""

from node.build import prefer_source

prefer_source()  # before any module that may be compiled is imported
