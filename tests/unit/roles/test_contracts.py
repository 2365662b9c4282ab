# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every role promises the others, read from the roles' own files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
FILTERS = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.yml"))
COLLECTION = "mailcluster.postfix."
# Facts of the site belong to the role that checks them; it changes nothing and so has no tasks of its own.
PREFIXES = {"cluster": "mailcluster"}
SECRET = re.compile(r"(password|passphrase|secret)$")


@cache
def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def role_file(role: str, name: str) -> Any:
    return read(ROOT / "roles" / role / name)


def spec(role: str, entry: str = "check") -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = role_file(role, "meta/argument_specs.yml")["argument_specs"][entry]["options"]
    return options


def defaults(role: str) -> dict[str, Any]:
    return role_file(role, "defaults/main.yml") or {}


def tasks(data: Any) -> Iterator[dict[str, Any]]:
    """Yield every task of a file of tasks or plays, those in blocks too."""
    for entry in data or []:
        yield entry
        for section in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
            yield from tasks(entry.get(section))


def task_files(*below: str) -> list[Path]:
    return sorted(path for folder in below for path in (ROOT / folder).rglob("*.yml") if "vars" not in path.relative_to(ROOT).parts)


def role_uses() -> list[tuple[str, str, dict[str, Any]]]:
    """Return (file, role, task) for each inclusion of a role of the collection."""
    files = [*task_files("playbooks"), *(path for role in ROLES for path in task_files(f"roles/{role}/tasks"))]
    return [
        (str(path.relative_to(ROOT)), str(task[key]["name"]).removeprefix(COLLECTION), task)
        for path in files
        for task in tasks(read(path))
        for key in ("ansible.builtin.include_role", "ansible.builtin.import_role")
        if key in task
    ]


USES = role_uses()


def options_of(options: dict[str, dict[str, Any]], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, attributes in options.items():
        yield path + name, attributes
        yield from options_of(attributes.get("options", {}), f"{path}{name}.")


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_the_standard_files(role: str) -> None:
    wanted = {"defaults/main.yml", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml", "tasks/check.yml"}
    if role in PREFIXES:
        wanted.remove("tasks/main.yml")
    assert [name for name in sorted(wanted) if not (ROOT / "roles" / role / name).is_file()] == []


@pytest.mark.parametrize("role", ROLES)
def test_no_file_of_a_role_is_empty(role: str) -> None:
    assert [str(path) for path in (ROOT / "roles" / role).rglob("*") if path.is_file() and not path.read_bytes().strip()] == []


@pytest.mark.parametrize("role", [role for role in ROLES if role not in PREFIXES])
def test_check_judges_the_options_of_main(role: str) -> None:
    assert spec(role, "check") == spec(role, "main")


@pytest.mark.parametrize("role", ROLES)
def test_public_names_carry_the_prefix_of_the_role(role: str) -> None:
    prefix = f"{PREFIXES.get(role, role)}_"
    assert [name for name in {*spec(role), *defaults(role)} if not name.startswith(prefix)] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_typed_and_described(role: str) -> None:
    assert [name for name, attributes in options_of(spec(role)) if not (attributes.get("description") and attributes.get("type"))] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_specified(role: str) -> None:
    assert sorted(defaults(role).keys() - spec(role).keys()) == []


@pytest.mark.parametrize("role", ROLES)
def test_a_documented_default_is_the_value(role: str) -> None:
    documented = {name: attributes["default"] for name, attributes in spec(role).items() if "default" in attributes}
    assert documented == {name: defaults(role).get(name, "(not in defaults/main.yml)") for name in documented}


@pytest.mark.parametrize("role", ROLES)
def test_only_a_large_structure_has_an_undocumented_default(role: str) -> None:
    silent = [name for name, value in defaults(role).items() if "default" not in spec(role).get(name, {}) and not isinstance(value, (dict, list))]
    # The value of the port's own default is what its description is about.
    assert silent == []


@pytest.mark.parametrize("role", ROLES)
def test_what_is_required_has_no_default(role: str) -> None:
    assert [name for name, attributes in spec(role).items() if attributes.get("required") and name in defaults(role)] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_secret_is_a_string_that_is_not_logged_and_has_no_default(role: str) -> None:
    named = {name: attributes for name, attributes in options_of(spec(role)) if SECRET.search(name) or attributes.get("no_log")}
    # A flag that says secret is none, and a default may only point at another secret.
    secrets = {name: attributes for name, attributes in named.items() if attributes["type"] != "bool"}
    assert [
        name
        for name, attributes in secrets.items()
        if attributes.get("no_log") is not True
        or attributes["type"] not in ("str", "list") or "{{" not in attributes.get("default", "{{") or "choices" in attributes
    ] == []


@pytest.mark.parametrize("role", [role for role in ROLES if role not in PREFIXES])
def test_the_tasks_are_a_table_of_contents(role: str) -> None:
    assert len((ROOT / "roles" / role / "tasks" / "main.yml").read_text(encoding="utf-8").splitlines()) <= 25


@pytest.mark.parametrize("role", ROLES)
def test_check_only_asserts_so_that_it_can_be_judged_on_the_controller(role: str) -> None:
    allowed = {"name", "ansible.builtin.assert", "when", "vars", "no_log"}
    assert [
        task["name"]
        for task in tasks(role_file(role, "tasks/check.yml"))
        if not task.get("run_once") and not ("ansible.builtin.assert" in task and task.keys() <= allowed)
    ] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_refusal_names_the_host(role: str) -> None:
    messages = {task["name"]: task["ansible.builtin.assert"]["fail_msg"] for task in tasks(role_file(role, "tasks/check.yml"))}
    assert [name for name, message in messages.items() if not re.search(r"inventory_hostname|\(site\)|_errors", message)] == []


@pytest.mark.parametrize("role", ROLES)
def test_internal_names_are_private(role: str) -> None:
    public = {f"{role}_packages"}
    names = {name for path in (ROOT / "roles" / role / "vars").glob("*.yml") for name in read(path) or {}}
    assert sorted(name for name in names if not name.startswith("__") and name not in public) == []


@pytest.mark.parametrize("role", ROLES)
def test_both_releases_define_the_same_names(role: str) -> None:
    releases = {path.stem: set(read(path)) for path in (ROOT / "roles" / role / "vars").glob("debian-*.yml")}
    assert releases == {} or (releases.keys() == {"debian-12", "debian-13"} and releases["debian-12"] == releases["debian-13"])


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_reached_by_a_playbook(role: str) -> None:
    callers = {used: {file for file, name, _ in USES if name == used} for _, used, _ in USES}
    reached, waiting = set(), [role]
    while waiting:
        files = callers.get(waiting.pop(), set()) - reached
        reached |= files
        waiting += [file.split("/")[1] for file in files if file.startswith("roles/")]
    assert any(file.startswith("playbooks/") for file in reached)


@pytest.mark.parametrize(("file", "role", "task"), USES, ids=[f"{file}: {role}" for file, role, _ in USES])
def test_an_inclusion_passes_only_names_that_the_role_knows(file: str, role: str, task: dict[str, Any]) -> None:
    assert role in ROLES
    include = next(task[key] for key in task if key.endswith("_role"))
    known = spec(role, include.get("tasks_from", "main"))
    assert sorted(name for name in task.get("vars", {}) if name not in known and not name.startswith("__")) == []


def test_every_notified_handler_exists() -> None:
    handlers = [task for role in ROLES for task in tasks(role_file(role, "handlers/main.yml"))]
    known = {topic for task in handlers for topic in [task["name"], *_listed(task.get("listen", []))]}
    notified = {
        topic for role in ROLES for path in task_files(f"roles/{role}/tasks") for task in tasks(read(path)) for topic in _listed(task.get("notify", []))
    }
    assert sorted(notified - known) == []


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", FILTERS)
def test_every_documented_filter_exists(name: str) -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins" / "filter").glob("*.py"))
    assert f'"{name}": ' in sources
    assert read(ROOT / "plugins" / "filter" / f"{name}.yml")["DOCUMENTATION"]["name"] == name


def test_every_filter_is_documented() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins" / "filter").glob("*.py"))
    offered = [name for block in re.findall(r"def filters\(self\).*?return \{(.*?)\}", sources, re.S) for name in re.findall(r'"(\w+)":', block)]
    assert sorted(offered) == FILTERS
