"""Splitting a configuration line into words follows redis.conf's quoting to the letter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import ConfigError
from conf.words import join_words, plain_or_quoted, quote_word, split_words

# Text as it comes from a file: any bytes, read as UTF-8 with surrogateescape.
file_text = st.binary(max_size=40).map(lambda b: b.decode("utf-8", "surrogateescape"))

LINES = [
    ("", []),
    ("   \t ", []),
    ("port 6379", ["port", "6379"]),
    ("  port\t 6379  ", ["port", "6379"]),
    ('save ""', ["save", ""]),
    ("save ''", ["save", ""]),
    ('logfile "a b"', ["logfile", "a b"]),
    (r'x "a\nb\rc\td\be\af"', ["x", "a\nb\rc\td\be\af"]),
    (r'x "\x41\x7a"', ["x", "Az"]),
    (r'x "\xff"', ["x", "\udcff"]),
    (r'x "\xc3\xa4"', ["x", "ä"]),
    (r'x "\xZZ"', ["x", "xZZ"]),
    (r'x "\x4"', ["x", "x4"]),
    (r'x "\"\\\q"', ["x", '"\\q']),
    (r"x 'a\nb'", ["x", r"a\nb"]),
    (r"x 'it\'s'", ["x", "it's"]),
    ("x '\"'", ["x", '"']),
    ('x "\'"', ["x", "'"]),
    ('x ab"c d"', ["x", "abc d"]),
    ("x ab'c d' e", ["x", "abc d", "e"]),
    ("x a#b # c", ["x", "a#b", "#", "c"]),
    ("x ä€", ["x", "ä€"]),
    ("x a\x00b c", ["x", "a"]),
]


@pytest.mark.parametrize(("line", "words"), LINES)
def test_a_line_is_split_into_its_words(line: str, words: list[str]) -> None:
    assert split_words(line) == words


@pytest.mark.parametrize(
    "line", ['x "a', "x 'a", 'x "a"b', "x 'a'b", 'x "a\\"', "x 'a\\'", 'x "', "x '", 'x ""y']
)
def test_a_quote_that_is_not_closed_before_a_blank_is_an_error(line: str) -> None:
    with pytest.raises(ConfigError, match=r"^Unbalanced quotes in configuration line$"):
        split_words(line)


@given(file_text)
def test_a_quoted_word_is_read_back(word: str) -> None:
    assert split_words(quote_word(word)) == [word]
    assert quote_word(word).isprintable()


@given(st.lists(file_text, max_size=5))
def test_joined_words_are_read_back_and_fit_on_one_line(words: list[str]) -> None:
    line = join_words(words)
    assert "\n" not in line
    assert split_words(line) == words


@given(file_text)
def test_any_text_is_split_or_refused(line: str) -> None:
    try:
        words = split_words(line)
    except ConfigError:
        return
    assert split_words(join_words(words)) == words


@pytest.mark.parametrize(
    ("word", "shown"),
    [("6379", "6379"), ("", '""'), ("a b", '"a b"'), ("#", '"#"'), ("/var/lib", "/var/lib")],
)
def test_a_word_is_quoted_only_where_needed(word: str, shown: str) -> None:
    assert plain_or_quoted(word) == shown
