"""The syntax line and what is worked out from it. COMMAND itself is in tests/commands."""

import pytest

from node.commands.command import TABLE, WRITE, Command, counted, span, unavailable
from node.commands.reference import documentation
from node.commands.specs import key_places, legacy_range
from node.commands.syntax import arity_of, name_words, parse
from node.resp.replies import Map, SetReply, Simple
from tests.support.local import LocalNode


@pytest.mark.parametrize(
    ("line", "arity"),
    [
        ("DBSIZE", 1),
        ("GET key", 2),
        ("SADD key member [member ...]", -3),
        ("MSET key value [key value ...]", -3),
        ("HELLO [protover [AUTH username password] [SETNAME clientname]]", -1),
        ("CLIENT REPLY <ON | OFF | SKIP>", 3),
        ("REPLICAOF <host port | NO ONE>", 3),
        ("REPLICAOF <host port | NONE>", -2),
        ("CLIENT KILL <ip:port | ADDR ip:port>", -3),
        ("HGETDEL key FIELDS numfields field [field ...]", -5),
        ("EVAL script numkeys [key [key ...]] [arg [arg ...]]", -3),
        ("CLIENT TRACKING <ON | OFF> [REDIRECT client-id]", -3),
    ],
)
def test_arity_follows_from_the_syntax_line(line: str, arity: int) -> None:
    assert arity_of(line) == arity


def test_a_second_word_in_capitals_is_a_subcommand() -> None:
    assert name_words("CONFIG GET parameter") == ["CONFIG", "GET"]
    assert name_words("CLIENT NO-EVICT <ON | OFF>") == ["CLIENT", "NO-EVICT"]
    assert name_words("SET key value [NX | XX]") == ["SET"]
    assert name_words("COMMAND [COUNT]") == ["COMMAND"]


@pytest.mark.parametrize("line", ["GET [key", "GET key]", "GET <a | b", "GET [a | <b] >"])
def test_brackets_that_do_not_match_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="syntax line"):
        parse(line)


def command(line: str, *keys: object) -> Command:
    """A command that does nothing."""
    return Command(line, unavailable, WRITE, keys=keys, group="string")  # type: ignore[arg-type]


def test_neighbouring_ranges_are_one_for_old_clients_and_others_are_movable() -> None:
    one = span(1, -1, 2, "RO")
    assert legacy_range(command("A key", one)) == (1, -1, 2, False)
    both = (span(1, 1, 1, "OW"), span(2, -1, 1, "RO"))
    assert legacy_range(command("A key", *both)) == (1, -1, 1, False)
    apart = (span(1, 1, 1, "OW"), span(3, 3, 1, "RO"))
    assert legacy_range(command("A key", *apart)) == (1, 1, 1, True)
    numbered = (span(1, 1, 1, "OW"), counted(2, 3, "RO"))
    assert legacy_range(command("A key", *numbered)) == (1, 1, 1, True)
    assert legacy_range(command("A key", counted(1, 2, "RO"))) == (0, 0, 0, True)


def test_counted_keys_must_be_there() -> None:
    store = command("STORE key", span(1, 1, 1, "OW"), counted(2, 3, "RO"))
    assert key_places(store, [b"store", b"d", b"2", b"a", b"b", b"LIMIT"]) == [
        (1, ("OW",)),
        (3, ("RO",)),
        (4, ("RO",)),
    ]
    for count in (b"3", b"0", b"x", b"-1", b"99999999999999999999"):
        assert key_places(store, [b"store", b"d", count, b"a", b"b"]) is None


def shape(argument: object) -> str:
    """An argument map in one line: name:type=TOKEN(inner)?*."""
    assert isinstance(argument, Map)
    fields = dict(zip(argument.items[::2], argument.items[1::2], strict=True))
    shown = f"{text(fields[b'name'])}:{text(fields[b'type'])}"
    if b"token" in fields:
        shown += "=" + text(fields[b"token"])
    inner = fields.get(b"arguments")
    if isinstance(inner, list):
        shown += "(" + " ".join(shape(each) for each in inner) + ")"
    flags = fields.get(b"flags")
    if isinstance(flags, SetReply):
        marks = {"optional": "?", "multiple": "*"}
        shown += "".join(marks[text(flag)] for flag in flags.items)
    return shown


def text(value: object) -> str:
    """A bulk or simple string."""
    assert isinstance(value, bytes | Simple)
    return (value.text if isinstance(value, Simple) else value).decode()


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("A message", "message:string"),
        ("A member [member ...]", "member:string*"),
        ("A field value [field value ...]", "data:block(field:string value:string)*"),
        ("A [NX | XX]", "nx:oneof(nx:pure-token=NX xx:pure-token=XX)?"),
        ("A [COUNT count]", "count:integer=COUNT?"),
        ("A [LIMIT offset count]", "limit:block=LIMIT(offset:integer count:integer)?"),
        ("A [ID client-id [client-id ...]]", "client-id:integer=ID?*"),
        ("A k FIELDS n f [f ...]", "k:string fields:block=FIELDS(n:string f:string*)"),
        ("A [TYPE <B | C>]", "type:oneof=TYPE(b:pure-token=B c:pure-token=C)?"),
        ("A [count [WITHVALUES]]", "count:block(count:integer withvalues:pure-token=WITHVALUES?)?"),
    ],
)
def test_arguments_follow_from_the_syntax_line(line: str, arguments: str) -> None:
    reply = documentation(command(line))
    assert isinstance(reply, Map)
    found = reply.items[-1]
    assert isinstance(found, list)
    assert " ".join(shape(argument) for argument in found) == arguments


def test_list_and_info_agree_with_the_table(node: LocalNode) -> None:
    names = node("COMMAND LIST")
    assert isinstance(names, list)
    subcommands = sum(len(each.subcommands or {}) for each in TABLE.values())
    assert len(names) == len(set(names)) == len(TABLE) + subcommands
    assert node("COMMAND COUNT") == len(TABLE)
    descriptions = node("COMMAND INFO")
    assert isinstance(descriptions, list)
    assert [each[0] for each in descriptions] == list(TABLE)
