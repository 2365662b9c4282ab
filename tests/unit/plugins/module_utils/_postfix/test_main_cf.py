# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import postfix_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="{}#,"), min_size=1, max_size=30)
VALUES = st.one_of(st.booleans(), st.integers(), WORDS, st.lists(WORDS, max_size=12))


@pytest.mark.parametrize(("text", "seen"), cases.MAIN_TEXTS.values(), ids=cases.MAIN_TEXTS)
def test_text_is_read_as_postfix_reads_it(text: str, seen: dict[str, str]) -> None:
    assert main_cf.parameters(text) == seen


@pytest.mark.parametrize(("text", "message"), cases.MAIN_ERRORS.values(), ids=cases.MAIN_ERRORS)
def test_an_error_names_file_and_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main_cf.parse(text)


@pytest.mark.parametrize(("values", "text"), cases.MAIN_VALUES.values(), ids=cases.MAIN_VALUES)
def test_values_are_spelt_as_postfix_reads_them(values: dict[str, Any], text: str) -> None:
    assert main_cf.render(values) == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("a\nb", "main.cf: x: control character '\\\\n' at position 1"),
        ("a\0b", "control character '\\\\x00'"),
        ("a\r", "control character '\\\\r'"),
        (["a", "b\n"], "control character"),
        (["a", ""], "a list member is empty"),
        (["a", "#b"], "a list member starts with '#'"),
        ("{ a", "unbalanced braces"),
        (1.5, "a value cannot be float"),
        ({"a": 1}, "a value cannot be dict"),
    ],
)
def test_what_has_no_spelling_is_refused(value: object, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        main_cf.render({"x": value})


@pytest.mark.parametrize("name", ["", "a b", "a=b", "#a", "a\nb", "$a"])
def test_a_name_that_is_no_parameter_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="not a parameter name"):
        main_cf.render({name: "x"})


@given(st.dictionaries(NAMES, VALUES))
def test_rendered_values_are_read_back(values: dict[str, Any]) -> None:
    assert main_cf.parameters(main_cf.render(values)) == {name: main_cf.value_text(value) for name, value in values.items()}


@pytest.mark.parametrize(("text", "changes", "after"), cases.MAIN_EDITS.values(), ids=cases.MAIN_EDITS)
def test_an_edit_touches_only_what_it_names(text: str, changes: dict[str, Any], after: str) -> None:
    assert main_cf.edit(text, changes) == after


@pytest.mark.parametrize(("text", "changes", "after"), cases.MAIN_EDITS.values(), ids=cases.MAIN_EDITS)
def test_an_edit_done_twice_changes_nothing(text: str, changes: dict[str, Any], after: str) -> None:
    assert main_cf.edit(after, changes) == after
