"""The wire format, without sockets: commands in, replies out, in RESP2 and RESP3.

Reading order: `replies` (what a handler may answer), `encoder` (answers to bytes), `parser`
(bytes to commands), `client` (bytes to answers, for links to peers and for tests).
"""
