# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _postconf as core
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

FILES: dict[str, str | None] = {"main.cf": "a = 1\n", "master.cf": "smtp inet n - y - - smtpd\n"}
UNIT = "postfix.service"


def before(**arguments: Any) -> core.Before:
    return core.Before(**{"files": FILES, "defaults": {}, **arguments})


def parameters(**arguments: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {"config_directory": "/etc/postfix", "main": {}, "append": {}, "remove": {}, "services": [], "unit": UNIT}
    return {**defaults, **arguments}


def service(**arguments: Any) -> dict[str, Any]:
    return {"service": "smtp", "type": "inet", "state": "enabled", "args": {}, **arguments}


@pytest.mark.parametrize(
    ("state", "arguments", "steps"),
    [
        ({}, {}, ()),
        ({}, {"main": {"a": 1}}, ()),
        ({}, {"main": {"a": 2}}, ("write main.cf", "restart postfix.service")),
        ({}, {"services": [service(state="disabled")]}, ("write master.cf", "restart postfix.service")),
        ({}, {"services": [service(chroot=True, command="smtpd")]}, ()),
        ({}, {"services": [service(chroot=False)]}, ("write master.cf", "restart postfix.service")),
        ({"pending": True}, {}, ("restart postfix.service",)),
        ({"running": False}, {}, ("start postfix.service",)),
        ({"enabled": False}, {}, ("enable postfix.service",)),
        ({"pending": True}, {"unit": None}, ()),
        ({}, {"main": {"a": 2}, "unit": None}, ("write main.cf",)),
        ({"files": {"main.cf": None, "master.cf": None}, "virgin": True}, {"services": [service()], "unit": None}, ()),
    ],
)
def test_the_plan_is_what_differs_and_what_is_not_loaded(state: dict[str, Any], arguments: dict[str, Any], steps: tuple[str, ...]) -> None:
    assert core.plan(before(**state), parameters(**arguments))[0].steps == steps


def test_a_master_cf_is_never_made_out_of_nothing() -> None:
    with pytest.raises(ConfigError, match=r"master\.cf: there is none to edit"):
        core.plan(before(files={"main.cf": None, "master.cf": None}), parameters(services=[service()]))


def test_a_list_is_wanted_where_elements_are_appended() -> None:
    with pytest.raises(ConfigError, match=r"main\.cf: mydestination: append takes lists"):
        core.plan(before(), parameters(append={"mydestination": "x"}))


def test_the_diff_shows_the_file_that_changes_alone() -> None:
    diff = core.plan(before(), parameters(main={"a": 2}))[0].diff
    assert [(entry["before_header"], entry["before"], entry["after"]) for entry in diff] == [("/etc/postfix/main.cf", "a = 1\n", "a = 2\n")]


@pytest.mark.parametrize("value", ["y", True])
def test_a_column_is_a_letter_or_a_boolean(value: Any) -> None:
    assert core.plan(before(), parameters(services=[service(chroot=value, private="n", unpriv="-")]))[0].steps == ()


def test_a_complaint_that_moved_to_another_line_is_not_new(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    def complaints(files: Any) -> list[str]:
        number = len(str(files["main.cf"]).splitlines())
        unused = ["warning: main.cf: unused parameter: b=1"] if "b" in files["main.cf"] else []
        return [f"warning: main.cf, line {number}: overriding earlier entry: a=1", *unused]

    monkeypatch.setattr(core, "_complaints", complaints)
    monkeypatch.setattr(core, "installed", lambda _program: True)
    core.validate(tmp_path, {"main.cf": "a = 1\n"}, {"main.cf": "a = 1\nc = 1\n"})
    with pytest.raises(ConfigError, match=r"unused parameter: b=1$"):
        core.validate(tmp_path, {"main.cf": "a = 1\n"}, {"main.cf": "a = 1\nb = 1\n"})


def test_what_a_killed_run_left_aside_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in (".main.cf.4194305.abc", ".master.cf.4194305.x", ".main.cf.swp", "main.cf"):
        (tmp_path / name).write_text("# by hand\n")
    core.apply(tmp_path, None, before(), {}, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".main.cf.swp", "main.cf"]
