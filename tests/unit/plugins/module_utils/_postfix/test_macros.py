# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import postfix_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.macros import MacroError, check, expand


@pytest.mark.parametrize(("text", "expanded"), cases.EXPANSIONS.values(), ids=cases.EXPANSIONS)
def test_names_are_expanded_as_postconf_does(text: str, expanded: str) -> None:
    assert expand(text, cases.EXPAND_VALUES) == expanded


@pytest.mark.parametrize("text", ["$unknown", "${unknown}", "${ unknown }", "a$", "$ x", "${open"])
def test_what_is_not_known_stays_as_written(text: str) -> None:
    assert expand(text, {}) == text


@pytest.mark.parametrize("text", [text for text, _expanded in cases.EXPANSIONS.values()], ids=cases.EXPANSIONS)
def test_what_postfix_expands_is_no_error(text: str) -> None:
    check(text, cases.EXPAND_VALUES)


@pytest.mark.parametrize(("text", "message"), cases.EXPANSION_ERRORS.values(), ids=cases.EXPANSION_ERRORS)
def test_what_postfix_dies_of_is_an_error_and_stays_as_written(text: str, message: str) -> None:
    values = {**cases.EXPAND_VALUES, "virtual_mailbox_base": text}
    with pytest.raises(MacroError, match=message):
        check(text, values)
    assert expand(text, values) == text


def test_an_error_in_a_branch_that_is_not_taken_is_an_error() -> None:
    with pytest.raises(MacroError, match="no name behind"):
        check("${relayhost?{a $}}", cases.EXPAND_VALUES)


def test_a_comparison_with_an_unknown_name_stays_as_written() -> None:
    text = "${{$unknown} == {a} ? {b} : {c}}"
    assert expand(text, cases.EXPAND_VALUES) == text


def test_a_name_that_refers_to_itself_ends() -> None:
    assert "$a" in expand("$a", {"a": "x $a"})
