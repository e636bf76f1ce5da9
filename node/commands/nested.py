"""KEYDB.NHSET and KEYDB.NHGET: hashes in hashes, addressed by words with dots between them.

The first word is the key; the others, joined again, name a field of a plain hash: `a.b.c` is field
`b.c` of hash `a`. So they are saved, sent to peers and merged field by field as all hashes are. A
list is the field with a dot at its end, which no path can name; its value is the items as RESP.
Where concurrent writes made a field both a value and a hash, the hash is what shows.
"""

from __future__ import annotations

from typing import Final

from librt.strings import BytesWriter

from node.commands.args import syntax_error
from node.commands.command import DENYOOM, READONLY, WRITE, Command, at
from node.commands.context import Context, wrong_type
from node.resp.encoder import encode
from node.resp.numbers import string_to_i64
from node.resp.replies import Failure
from node.store.effect import DROP, HDEL, HSET, PUSH, PUT
from node.store.values.hashes import HashValue, plain
from node.store.values.lists import ListValue, Pushed
from node.store.values.strings import shown

NO_SUCH_KEY: Final = b"ERR no such key"
# Replies nest as deep as the path is long; what writes and reads them calls itself for each level.
DEPTH_MAX: Final = 60
TOO_DEEP: Final = b"ERR a path has at most %d words" % DEPTH_MAX

Leaf = bytes | list[bytes]


class Node:
    """A hash within the hash: what stands under each word."""

    def __init__(self) -> None:
        self.leaves: dict[bytes, Leaf] = {}
        self.nodes: dict[bytes, Node] = {}


def split_path(path: bytes) -> list[bytes]:
    """The words of a path; syntax error where one is empty."""
    words = path.split(b".")
    if b"" in words:
        raise syntax_error()
    if len(words) > DEPTH_MAX:
        raise Failure(TOO_DEEP)
    return words


def packed(items: list[bytes]) -> bytes:
    """A list as the value of one field."""
    out = BytesWriter()
    encode(out, [*items], 2)
    return out.getvalue()


def unpacked(text: bytes) -> list[bytes] | None:
    """The list again; None where the field's value is something else, as HSET may make it."""
    items: list[bytes] = []
    count, at = header(text, 0, b"*")
    while len(items) < count:
        size, begin = header(text, at, b"$")
        at = begin + size + 2
        if size < 0 or text[begin + size : at] != b"\r\n":
            return None
        items.append(text[begin : begin + size])
    return items if count >= 0 and at == len(text) else None


def header(text: bytes, begin: int, mark: bytes) -> tuple[int, int]:
    """The number behind a mark of RESP, -1 where there is none, and where its line ends."""
    end = text.find(b"\r\n", begin)
    if end < 0 or text[begin : begin + 1] != mark:
        return -1, begin
    number = string_to_i64(text[begin + 1 : end])
    return -1 if number is None else number, end + 2


def nhset(ctx: Context, args: list[bytes]) -> object:
    """KEYDB.NHSET: 1 where something was replaced. Several values are a list."""
    words = split_path(args[1])
    key = words[0]
    value = ctx.find(key)
    ctx.reworded()
    if len(words) == 1:
        return set_root(ctx, key, value, args[2:])
    place = b".".join(words[1:])
    written = place if len(args) == 3 else place + b"."
    text = args[2] if len(args) == 3 else packed(args[2:])
    replaced: list[bytes] = []
    gone: list[bytes] = []
    if isinstance(value, HashValue):
        replaced = under(value, place)
        gone = [field for field in replaced if field != written]
        for depth in range(2, len(words)):
            above = b".".join(words[1:depth])
            gone += [field for field in (above, above + b".") if value.has(field)]
    elif value is not None:
        ctx.emit(DROP, key)
    ctx.emit(HSET, key, [written, text], 0)
    if gone:
        ctx.emit(HDEL, key, gone, 0)
    return 1 if replaced else 0


def set_root(ctx: Context, key: bytes, value: object, texts: list[bytes]) -> int:
    """A path of one word is a plain key: a string, or a list."""
    if len(texts) == 1:
        ctx.emit(PUT, key, texts[0])
    else:
        if value is not None:
            ctx.emit(DROP, key)
        ctx.emit(PUSH, key, Pushed(texts, 0, False))
    return 0 if value is None else 1


def under(value: HashValue, place: bytes) -> list[bytes]:
    """The fields that hold what a path names: a value, a list, or all of a hash within."""
    if value.has(place):
        found = [place]
    elif value.has(place + b"."):
        found = [place + b"."]
    else:
        found = []
    inner = place + b"."
    return found + [
        field for field in value.names() if field.startswith(inner) and len(field) > len(inner)
    ]


def nhget(ctx: Context, args: list[bytes]) -> object:
    """KEYDB.NHGET [json | resp] path."""
    as_json = False
    if len(args) == 3:
        form = args[1].lower()
        if form != b"json" and form != b"resp":
            raise syntax_error()
        as_json = form == b"json"
    elif len(args) != 2:
        raise syntax_error()
    found = fetched(ctx, split_path(args[-1]))
    if not as_json:
        return reply_of(found)
    out = BytesWriter()
    put_json(out, found)
    return out.getvalue()


def fetched(ctx: Context, words: list[bytes]) -> Leaf | Node:
    """What a path names; Failure where there is nothing."""
    value = ctx.find(words[0])
    if isinstance(value, HashValue):
        return tree(value, b".".join(words[1:]))
    if value is None or len(words) > 1:
        raise Failure(NO_SUCH_KEY)
    if isinstance(value, ListValue):
        return value.range(0, value.size())
    if isinstance(value, (bytes, int)):
        return shown(value)
    raise wrong_type()


def tree(value: HashValue, place: bytes) -> Leaf | Node:
    """What stands at a place of a hash, b"" being all of it."""
    names = value.names() if not place else under(value, place)
    skipped = len(place) + 1 if place else 0
    root = Node()
    leaf: Leaf | None = None
    for name in names:
        text = plain(value.slot(name))
        items = unpacked(text) if name.endswith(b".") else None
        path = name[:-1] if items is not None else name
        if path == place:
            leaf = text if items is None else items
            continue
        words = path[skipped:].split(b".")
        if b"" not in words and len(words) < DEPTH_MAX:
            plant(root, words, text if items is None else items)
    if root.leaves or root.nodes or not place:
        return root
    if leaf is None:
        raise Failure(NO_SUCH_KEY)
    return leaf


def plant(root: Node, words: list[bytes], leaf: Leaf) -> None:
    """Puts a value in its place; a hash that stands there stays."""
    node = root
    for word in words[:-1]:
        node.leaves.pop(word, None)
        node = node.nodes.setdefault(word, Node())
    if words[-1] not in node.nodes:
        node.leaves[words[-1]] = leaf


def reply_of(found: Leaf | Node) -> object:
    """As KeyDB replies: a hash of one word is the pair alone, of more an array of pairs."""
    if not isinstance(found, Node):
        return [*found] if isinstance(found, list) else found
    pairs: list[object] = []
    for word, leaf in found.leaves.items():
        pairs.append([word, reply_of(leaf)])
    for word, node in found.nodes.items():
        pairs.append([word, reply_of(node)])
    return pairs[0] if len(pairs) == 1 else pairs


def put_json(out: BytesWriter, found: Leaf | Node) -> None:
    """JSON with KeyDB's blanks around the colon; bytes that are no UTF-8 stay as they are."""
    if isinstance(found, bytes):
        put_text(out, found)
        return
    if isinstance(found, list):
        out.write(b"[")
        for i, item in enumerate(found):
            if i:
                out.write(b",")
            put_text(out, item)
        out.write(b"]")
        return
    out.write(b"{")
    below: list[tuple[bytes, Leaf | Node]] = [*found.leaves.items(), *found.nodes.items()]
    for i, (word, what) in enumerate(below):
        if i:
            out.write(b",")
        put_text(out, word)
        out.write(b" : ")
        put_json(out, what)
    out.write(b"}")


def put_text(out: BytesWriter, text: bytes) -> None:
    """A JSON string."""
    out.write(b'"')
    for byte in text:
        if byte == 34 or byte == 92:
            out.append(92)
            out.append(byte)
        elif byte < 32:
            out.write(b"\\u%04x" % byte)
        else:
            out.append(byte)
    out.write(b'"')


COMMANDS: tuple[Command, ...] = (
    Command(
        "KEYDB.NHSET path value [value ...]", nhset, WRITE | DENYOOM,
        keys=(at(1, "RW", "UPDATE"),), group="hash", cost="O(N) for N fields of the whole hash",
        about="Sets what a path with dots names in a hash of hashes.",
    ),
    Command(
        "KEYDB.NHGET [JSON | RESP] path", nhget, READONLY, keys=(at(1, "RO", "ACCESS"),),
        group="hash", cost="O(N) for N fields of the whole hash",
        about="Shows what a path with dots names in a hash of hashes.",
    ),
)  # fmt: skip
