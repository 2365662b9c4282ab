# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import source
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = st.text(alphabet="abcdefgh@.-0123", min_size=1, max_size=8)


@pytest.mark.parametrize("kind", ["lmdb", "cdb", "hash"])
def test_a_compiled_table_is_sorted_by_folded_key_without_comments(kind: str) -> None:
    text = "# c\nb 2\nA 1,\n  2\n\nc@x  3  4"
    assert source.normal(text, kind=kind, file="t") == ("A 1, 2\nb 2\nc@x 3  4\n", 3)


@pytest.mark.parametrize("kind", ["texthash", "cidr", "pcre", "regexp", "plain"])
def test_every_other_text_keeps_its_order_and_comments(kind: str) -> None:
    assert source.normal("# c\nb 2\na 1", kind=kind, file="t") == ("# c\nb 2\na 1\n", 2)


@pytest.mark.parametrize("kind", ["lmdb", "texthash"])
def test_a_key_that_occurs_twice_is_refused_with_both_lines(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"t, line 3: A: the key occurs twice \(first on line 1\)"):
        source.normal("a 1\nb 2\nA 3\n", kind=kind, file="t")


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("a b", ("a", "b")),
        ('"a b"@x y', ('"a b"@x', "y")),
        (r"a\ b y", (r"a\ b", "y")),
        (r'"a\" b"@x y z', (r'"a\" b"@x', "y z")),
    ],
)
def test_a_key_ends_at_the_first_blank_outside_quotes(text: str, row: tuple[str, str]) -> None:
    assert [(found.key, found.value) for found in source.rows(text, file="t")] == [row]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("# c\n\n", []),
        ("a 1", [(1, "a", "1")]),
        ("# c\na 1,\n  2\n# d\n  3\nb 2\n", [(2, "a", "1, 2 3"), (6, "b", "2")]),
        ("a 1\nb 2\nc 3,\n  4\n\n# c\n", [(1, "a", "1"), (3, "c", "3, 4")]),
        ('"a b" 1\nb 2\nc 3\n- 4\n\\d 5\n', [(2, "b", "2"), (3, "c", "3")]),
        ('"a b" 1\nb 2\n', [(2, "b", "2")]),
    ],
)
def test_first_and_last_row_that_can_be_asked_for_are_found(text: str, found: list[tuple[int, str, str]]) -> None:
    assert [(row.line, row.key, row.value) for row in source.ends(text, file="t")] == found


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3), st.sampled_from(["", "# c\n", "\n"])), max_size=6))
def test_the_ends_are_the_first_and_the_last_of_all_rows(parts: list[tuple[str, list[str], str]]) -> None:
    text = "".join(f"{comment}k{key} " + "\n ".join(values) + "\n" for key, values, comment in parts)
    every = list(source.rows(text, file="t"))
    assert source.ends(text, file="t") == [*every[:1], *every[1:][-1:]]


@pytest.mark.parametrize("text", ["a", '"a b', "a "])
def test_a_row_without_a_value_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ConfigError, match="t, line 2: a row is"):
        list(source.rows(f"# c\n{text}\n", file="t"))


@given(st.dictionaries(WORDS, WORDS, max_size=20))
def test_what_is_published_reads_back_as_it_was(table: dict[str, str]) -> None:
    content, entries = source.normal("".join(f"{key} {value}\n" for key, value in table.items()), kind="lmdb", file="t")
    assert {row.key: row.value for row in source.rows(content, file="t")} == table
    assert entries == len(table)
    assert source.normal(content, kind="lmdb", file="t") == (content, entries)


def test_aliases_are_sorted_too_and_keep_their_colon() -> None:
    text = '# see aliases(5)\nroot:bob,\n  eve\n"a: b" : "|/bin/x y"\nPostmaster:\troot\n'
    assert source.normal(text, kind="lmdb", file="t", aliases=True) == ('"a: b": "|/bin/x y"\nPostmaster: root\nroot: bob, eve\n', 3)


@pytest.mark.parametrize("text", ["root bob\n", ": bob\n", "root:\n", '"a: b\n'])
def test_what_is_no_alias_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="t, line 1: a row is a key, a colon and a value"):
        source.normal(text, kind="lmdb", file="t", aliases=True)


def test_aliases_are_compiled() -> None:
    with pytest.raises(ConfigError, match="t: aliases are compiled, and a table of type texthash is not"):
        source.normal("root: bob\n", kind="texthash", file="t", aliases=True)


def test_the_ends_of_aliases_are_keys_without_colon() -> None:
    assert [row.key for row in source.ends("root: bob\neve : bob\n", file="t", aliases=True)] == ["root", "eve"]


@pytest.mark.parametrize("kind", ["pgsql", "ldap", "memcache"])
def test_a_source_that_names_a_server_stays_as_it_is(kind: str) -> None:
    text = "# c\nhosts = db\nquery = SELECT a\n  FROM b\n"
    assert source.normal(text, kind=kind, file="t") == (text, 2)


@pytest.mark.parametrize("line", ["geheim", "pass word = geheim", "= geheim"])
def test_what_is_no_parameter_of_a_server_is_refused_and_not_shown(line: str) -> None:
    with pytest.raises(ConfigError, match=r"^t, line 2: a line is the name of a parameter, '=' and a value$"):
        source.normal(f"hosts = db\n{line}\n", kind="mysql", file="t")


LINES = st.text(alphabet='aAbB \t#"\\:ä.@', max_size=8) | st.sampled_from(
    ["# c", "", " on", "a 1", "A 2", "b\t x ", '"q r" v', "b 1", "c  2", "\x0bx", "ä 1", "Ä 2"]
)


def in_pieces(text: str, size: int, *, aliases: bool) -> tuple[str, int]:
    """What normal() does, as a large file goes through it: in pieces of a few bytes, with a few of the sorted lines at a time."""
    raw = text.encode()

    def cut() -> Iterator[bytes]:
        return source.cut(raw[start : start + size] for start in range(0, len(raw), size))

    lines = b"".join(source.sortable(cut(), file="f", aliases=aliases)).split(b"\n")[:-1]
    ordered = [line + b"\n" for line in sorted(lines)]
    told = source.Sorted(0, set())
    published = b"".join(source.sorted_rows([b"".join(ordered[at : at + 3]) for at in range(0, len(ordered), 3)], told, aliases=aliases))
    if told.twice:
        raise source.twice(cut(), told.twice, file="f", aliases=aliases)
    return published.decode(), told.entries


def outcome(made: Callable[[], tuple[str, int]]) -> tuple[str, int] | str:
    try:
        return made()
    except ConfigError as error:
        return str(error)


@given(st.lists(LINES, max_size=8).map("\n".join), st.integers(1, 30), st.booleans())
@settings(deadline=None)
def test_a_file_in_pieces_becomes_what_it_becomes_as_a_whole(text: str, size: int, aliases: bool) -> None:
    whole = outcome(lambda: source.normal(text, kind="lmdb", file="f", aliases=aliases))
    pieces = outcome(lambda: in_pieces(text, size, aliases=aliases))
    # Of several errors, either may be the first.
    assert whole == pieces or (isinstance(whole, str) and isinstance(pieces, str) and "twice" in whole + pieces)


@given(st.lists(LINES, max_size=8).map("\n".join), st.integers(1, 30))
@settings(deadline=None)
def test_rows_of_a_file_are_counted_in_pieces(text: str, size: int) -> None:
    raw = text.encode()
    assert source.count_rows(raw[start : start + size] for start in range(0, len(raw), size)) == source.count(text)


@pytest.mark.parametrize(
    "text",
    [
        *("k\xa0x 1\n", "k\x85 1\n", "k \u2003v\n", "k vä\n"),
        *("a 1 \n", "a 1\t\n", "a 1\tb\n", "a  1\n", " a 1\n", "a 1\n \n", "a\n", "a 1", "A 1\n", "a#b #1\n", '"a b" 1\n', "a 1\n# c\n  2\n"),
        *("a 1\nb 1\nc 1\nd 1\ne 1\nC 2\n", "a 1\nb 1\nc 1\nc 2\n", "a 1\nb 1\nc 1\nc.d 2\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_every_row_is_read_in_a_piece_as_in_a_whole_text(text: str, size: int) -> None:
    assert outcome(lambda: in_pieces(text, size, aliases=False)) == outcome(lambda: source.normal(text, kind="lmdb", file="f"))
