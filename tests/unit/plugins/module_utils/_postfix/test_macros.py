# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import postfix_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.macros import expand


@pytest.mark.parametrize(("text", "expanded"), cases.EXPANSIONS.values(), ids=cases.EXPANSIONS)
def test_names_are_expanded_as_postconf_does(text: str, expanded: str) -> None:
    assert expand(text, cases.EXPAND_VALUES) == expanded


@pytest.mark.parametrize("text", ["$unknown", "${unknown}", "${ unknown }", "a$", "$ x", "${open"])
def test_what_is_not_known_stays_as_written(text: str) -> None:
    assert expand(text, {}) == text


def test_a_name_that_refers_to_itself_ends() -> None:
    assert "$a" in expand("$a", {"a": "x $a"})
