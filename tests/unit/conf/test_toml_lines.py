"""The scanner finds the place of every key and value in a TOML text."""

from __future__ import annotations

from conf.toml_lines import Span, find_spans

TEXT = '''\
top = 1   # comment
"quoted key" = "a # b"
dotted.name = [1, 2]

[mesh]
text = """
first = 1
# no comment "" here
"""
list = [
  "]",   # ] not the end
  { a = 1 },
]
after = 'x'

[[node]]
name = "a"
[node.tls]
ca = "1"
[[node]]
  name = "b"
[[ admin . user ]]
name = "c"
[[admin.user]]
name = "d"
'''


def test_every_value_has_its_place() -> None:
    values = find_spans(TEXT).values
    assert values[("top",)] == Span(1, 7, 1)
    assert values[("quoted key",)] == Span(2, 16, 7)
    assert values[("dotted", "name")] == Span(3, 15, 6)
    assert values[("mesh", "text")] == Span(6, 8, 3)
    assert values[("mesh", "list")] == Span(10, 8, 1)
    assert values[("mesh", "after")] == Span(14, 9, 3)
    assert ("mesh", "first") not in values
    assert values[("node", 0, "name")].line == 17
    assert values[("node", 1, "name")] == Span(21, 10, 3)
    assert values[("admin", "user", 1, "name")].line == 25


def test_a_table_below_an_array_belongs_to_its_last_element() -> None:
    values = find_spans(TEXT).values
    assert values[("node", 0, "tls", "ca")].line == 19


def test_every_table_and_key_has_its_place() -> None:
    keys = find_spans(TEXT).keys
    assert keys[("mesh",)] == Span(5, 1, 6)
    assert keys[("node", 1)] == Span(20, 1, 8)
    assert keys[("admin", "user", 0)] == Span(22, 1, 18)
    assert keys[("node", 1, "name")] == Span(21, 3, 4)


def test_line_ends_of_windows_do_not_move_places() -> None:
    spans = find_spans('[mesh]\r\nname = "a"\r\n')
    assert spans.values[("mesh", "name")] == Span(2, 8, 3)


def test_escapes_and_quotes_at_the_end_of_a_text_do_not_end_it_early() -> None:
    spans = find_spans('a = "x\\" = # y"\nb = """x"""""\nc = \'\\\'\nd = 1\n')
    assert spans.values[("a",)] == Span(1, 5, 11)
    assert spans.values[("d",)] == Span(4, 5, 1)
