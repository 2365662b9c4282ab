# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the specification of an option has against a value, and that no secret is shown."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.mailcluster.postfix.plugins.action.check_variables import (
    ON_THE_COMMAND_LINE,
    ROLES,
    is_constant,
    is_secret,
    specification,
    value_errors,
    vocabulary,
)

SECRET = {"type": "str", "required": True, "no_log": True}
DOORS = {"type": "list", "elements": "dict", "options": {"open": {"type": "bool"}, "more": {"type": "dict", "options": {"shut": {"type": "bool"}}}}}
KEYS = {"type": "list", "elements": "dict", "options": {"selector": {"type": "str", "required": True}, "key": {"type": "str", "no_log": True}}}


def said(attributes: dict[str, Any], value: object) -> list[str]:
    return [str(error) for error in value_errors("mx_x", "mx1", attributes, value)]


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        ({"type": "bool"}, False),
        ({"type": "bool"}, None),
        ({"type": "int"}, 5),
        ({"type": "str"}, ""),
        (SECRET, "s3cret-enough"),
        (KEYS, [{"selector": "a", "key": "b"}]),
        (DOORS, [{"open": True, "more": {"shut": False}}, {}]),
    ],
)
def test_what_matches_its_specification_is_no_error(attributes: dict[str, Any], value: object) -> None:
    assert said(attributes, value) == []


@pytest.mark.parametrize(
    ("attributes", "value", "reason"),
    [
        pytest.param({"type": "int"}, "twenty", "unable to convert to int", id="type"),
        pytest.param({"type": "str", "choices": ["ca", "files"]}, "acme", "must be one of: ca, files", id="choice"),
        pytest.param({"type": "str", "required": True}, None, "is required, but empty", id="none"),
        pytest.param(SECRET, "", "is required, but empty", id="empty secret"),
        pytest.param(SECRET, "ChangeMe", "is a secret, but holds a placeholder", id="placeholder"),
        pytest.param(SECRET, ["hidden"], "is no text, but a list", id="list"),
        pytest.param({"type": "str"}, {"a": "b"}, "is no text, but a dictionary", id="dictionary"),
        pytest.param(KEYS, [{"selector": "a", "kye": "b"}], "has no key kye; the keys are key, selector", id="unknown key"),
        pytest.param(KEYS, [{"key": "b"}], "missing required arguments: selector", id="missing key"),
    ],
)
def test_an_error_names_variable_host_and_reason(attributes: dict[str, Any], value: object, reason: str) -> None:
    lines = said(attributes, value)
    assert len(lines) == 1
    assert lines[0].startswith("mx_x (mx1): ")
    assert reason in lines[0]


@pytest.mark.parametrize(
    ("attributes", "value", "line"),
    [
        pytest.param({"type": "bool"}, "false", "mx_x (mx1): 'false' is no boolean; write true or false without quotes", id="text"),
        pytest.param({"type": "bool"}, "", "mx_x (mx1): '' is no boolean", id="empty"),
        pytest.param({"type": "bool"}, 0, "mx_x (mx1): '0' is no boolean", id="number"),
        pytest.param({"type": "bool"}, "maybe", "mx_x (mx1): 'maybe' is no boolean", id="word"),
        pytest.param(DOORS, [{"open": True}, {"open": "no"}], "mx_x.open (mx1): 'no' is no boolean", id="in a list"),
        pytest.param(DOORS, [{"more": {"shut": "no"}}], "mx_x.more.shut (mx1): 'no' is no boolean", id="deeper"),
    ],
)
def test_a_text_is_no_boolean(attributes: dict[str, Any], value: object, line: str) -> None:
    lines = said(attributes, value)
    assert len(lines) == 1
    assert lines[0].startswith(line)


@pytest.mark.parametrize("name", sorted(ON_THE_COMMAND_LINE))
def test_what_the_playbooks_read_as_a_boolean_may_be_a_text(name: str) -> None:
    assert list(value_errors(name, "mx1", specification("cluster")[name], "true")) == []


def test_what_the_playbooks_read_as_a_boolean_must_be_one() -> None:
    assert len(list(value_errors("mailcluster_prune", "mx1", specification("cluster")["mailcluster_prune"], "maybe"))) == 1


@pytest.mark.parametrize(
    ("attributes", "value"),
    [
        ({"type": "int", "no_log": True}, "hidden"),
        ({"type": "dict", "no_log": True}, "hidden"),
        ({"type": "list", "elements": "int", "no_log": True}, ["hidden"]),
        (KEYS, "hidden"),
        (KEYS, [{"selector": "a", "key": {"hidden": "hidden"}}, "hidden"]),
    ],
)
def test_the_value_of_a_secret_is_never_shown(attributes: dict[str, Any], value: object) -> None:
    lines = said(attributes, value)
    assert "hidden" not in "".join(lines)


def test_an_option_that_holds_a_secret_is_one() -> None:
    assert is_secret(KEYS)
    assert not is_secret({"type": "str"})


@pytest.mark.parametrize(
    "name",
    ["inventory_hostname", "groups", "hostvars", "play_hosts", "lab_state", "molecule_yml", "vault_password", "environment", "omit", "role_names"],
)
def test_no_common_name_is_taken_for_a_misspelt_variable(name: str) -> None:
    assert vocabulary().errors("mx1", [name], strict=True) == []


def test_every_variable_of_every_role_is_known() -> None:
    assert vocabulary().errors("mx1", vocabulary().names, strict=True) == []


def test_each_variable_is_recognised_with_one_letter_too_few() -> None:
    missed = [name for name in vocabulary().names if name[:-1] not in vocabulary().names and vocabulary().meant(name[:-1]) is None]
    assert missed == []


CONSTANTS = [
    (path.parts[-3], name, value)
    for path in sorted(ROLES.glob("*/defaults/main.yml"))
    for name, value in yaml.safe_load(path.read_text(encoding="utf-8")).items()
    if is_constant(value)
]


@pytest.mark.parametrize(("role", "name", "value"), CONSTANTS, ids=[name for _role, name, _value in CONSTANTS])
def test_a_constant_default_which_is_not_judged_at_run_time_meets_its_specification(role: str, name: str, value: object) -> None:
    assert list(value_errors(name, "mx1", specification(role)[name], value)) == []


@pytest.mark.parametrize("value", ["{{ x }}", ["a", "{{ x }}"], {"a": {"b": "{% if x %}{% endif %}"}}])
def test_what_holds_a_template_is_no_constant(value: object) -> None:
    assert not is_constant(value)
