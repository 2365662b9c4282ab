# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import postfix_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import table
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from hypothesis import given, settings
from hypothesis import strategies as st

CHARACTERS = st.characters(min_codepoint=33, exclude_characters='"\\\\\x7f', exclude_categories=["Cs"])
KEY = (
    st.lists(
        st.text(CHARACTERS, min_size=1, max_size=5) | st.from_regex(r'"[ -!#-\[\]-~\t]*"', fullmatch=True) | st.sampled_from([r"\"", r"\ ", r"\\"]),
        min_size=1,
        max_size=4,
    )
    .map("".join)
    .filter(lambda key: key[0] != "#" and key[-1] not in " \\\\")
)
VALUE = st.lists(st.text(CHARACTERS | st.sampled_from('"\\\\'), min_size=1, max_size=10), min_size=1, max_size=4).map(" ".join)


@pytest.mark.parametrize(("text", "rows"), cases.TABLE_TEXTS.values(), ids=cases.TABLE_TEXTS)
def test_a_source_is_read_as_postmap_reads_it(text: str, rows: list[tuple[str, str]]) -> None:
    assert table.parse(text, file="t") == rows


@pytest.mark.parametrize(("text", "message"), cases.TABLE_ERRORS.values(), ids=cases.TABLE_ERRORS)
def test_a_row_that_postmap_drops_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        table.parse(text, file="t")


@given(st.lists(st.tuples(KEY, VALUE)))
@settings(deadline=None)
def test_rendered_rows_are_read_back(rows: list[tuple[str, str]]) -> None:
    assert table.parse(table.render(rows)) == rows


@pytest.mark.parametrize("row", [("", "x"), ("x", ""), ("#x", "y"), ("a b", "c"), ("a", "b\nc"), ("caf\udce9", "x"), ("x", "caf\udce9"), ('"a', "b")])
def test_a_row_that_would_be_misread_is_refused(row: tuple[str, str]) -> None:
    with pytest.raises(ConfigError):
        table.render([row])


def test_keys_that_differ_in_case_only_are_duplicates() -> None:
    assert table.duplicates([("a", "1"), ("b", "2"), ("A", "3")]) == ["A"]


@pytest.mark.parametrize(("kind", "name"), [("lmdb", "x.lmdb"), ("cdb", "x.cdb"), ("hash", "x.db"), ("texthash", None), ("pcre", None)])
def test_a_lookup_opens_the_product_or_the_source(kind: str, name: str | None) -> None:
    assert table.compiled_name("x", kind) == name
