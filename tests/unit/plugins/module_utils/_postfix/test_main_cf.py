# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import postfix_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import BLANKS, ConfigError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,20}", fullmatch=True)
# Everything that can stand on a line, the bytes of no encoding too (surrogates); braces in pairs.
CHARACTERS = st.characters(min_codepoint=32, exclude_characters="{}\x7f", exclude_categories=["Cs"]) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)
TEXTS = st.recursive(st.text(CHARACTERS | st.just("\t"), max_size=30), lambda inner: st.lists(inner, max_size=3).map(lambda parts: "{" + "".join(parts) + "}"))
WORDS = TEXTS.filter(lambda text: text.strip(BLANKS) and text.strip(BLANKS)[0] != "#")
VALUES = st.one_of(st.booleans(), st.integers(), TEXTS, st.lists(WORDS, max_size=12))
# Files as anybody may write them.
LINES = st.lists(
    st.sampled_from(["a = b", "a=", "b = c #d", " c", "\t= e", "\t", "", "# f", "  # g", "\r", "h=\u00a0i\u00a0", "k = l\f", "m\n  = n", "\fo"]), max_size=8
).map(lambda lines: "\n".join(["a = 0", *lines]))


@pytest.mark.parametrize(("text", "seen"), cases.MAIN_TEXTS.values(), ids=cases.MAIN_TEXTS)
def test_text_is_read_as_postfix_reads_it(text: str, seen: dict[str, str]) -> None:
    assert main_cf.parameters(text) == seen


@pytest.mark.parametrize(("text", "message"), cases.MAIN_ERRORS.values(), ids=cases.MAIN_ERRORS)
def test_an_error_names_file_and_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        main_cf.parse(text)


@pytest.mark.parametrize("text", [text for text, _seen in cases.MAIN_NULS.values()], ids=cases.MAIN_NULS)
def test_a_nul_byte_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a NUL byte: Postfix ignores what follows it"):
        main_cf.parse(text)


def test_a_nul_byte_in_a_comment_is_accepted() -> None:
    assert main_cf.parameters("# a\0b\nrelayhost = a\n") == {"relayhost": "a"}


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
@settings(deadline=None)
def test_rendered_values_are_read_back(values: dict[str, Any]) -> None:
    assert main_cf.parameters(main_cf.render(values)) == {name: main_cf.value_text(value) for name, value in values.items()}


@given(LINES)
@settings(deadline=None)
def test_what_was_read_is_rendered_and_read_back(text: str) -> None:
    read = main_cf.parameters(text)
    # What stands inside a value and has no spelling in variables.
    assume(not any("\f" in value for value in read.values()))
    assert main_cf.parameters(main_cf.render(read)) == read


@given(LINES, st.sampled_from(["a", "b", "new"]), st.none() | TEXTS)
@settings(deadline=None)
def test_an_edit_changes_no_other_parameter_and_no_comment(text: str, name: str, value: str | None) -> None:
    after = main_cf.edit(text, {name: value})
    others = {key: known for key, known in main_cf.parameters(text).items() if key != name}
    assert main_cf.parameters(after) == others | ({} if value is None else {name: main_cf.value_text(value)})
    assert [line for line in after.split("\n") if line.lstrip().startswith("#")] == [line for line in text.split("\n") if line.lstrip().startswith("#")]


@pytest.mark.parametrize(("text", "changes", "after"), cases.MAIN_EDITS.values(), ids=cases.MAIN_EDITS)
def test_an_edit_touches_only_what_it_names(text: str, changes: dict[str, Any], after: str) -> None:
    assert main_cf.edit(text, changes) == after


@pytest.mark.parametrize(("text", "changes", "after"), cases.MAIN_EDITS.values(), ids=cases.MAIN_EDITS)
def test_an_edit_done_twice_changes_nothing(text: str, changes: dict[str, Any], after: str) -> None:
    assert main_cf.edit(after, changes) == after
