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
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
FILTERS = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("*.yml"))
COLLECTION = "mailcluster.postfix."
# Facts of the site belong to the role that checks them; it changes nothing and so has no tasks of its own.
PREFIXES = {"cluster": "mailcluster"}
SECRET = re.compile(r"(^|[_.])(pass|passwd|password|passphrase|secret|token|credential|key)s?$")
# The only secrets with a default: it is the one that the site sets.
DERIVED_SECRETS = {
    "haproxy_valkey_password": "{{ valkey_password | default('') if 'filter' in mailcluster_tiers else '' }}",
    "rspamd_valkey_password": "{{ valkey_password }}",
}


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


def secrets(options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The options that are secrets or sound like one; a list of records is judged by what is in it."""
    sounding = {name: attributes for name, attributes in options_of(options) if SECRET.search(name) or attributes.get("no_log")}
    return {
        name: attributes
        for name, attributes in sounding.items()
        # A flag that says secret is none, nor is the path of a key.
        if attributes["type"] != "bool" and not (attributes["type"] == "path" and name.endswith("_key")) and "options" not in attributes
    }


# With what the secret of a record is reached through.
SECRETS = {name.split(".")[0] for role in ROLES for name in secrets(spec(role))}


def names_in(template: str) -> set[str]:
    return {node.name for node in Environment().parse(template).find_all(nodes.Name)}


def alternatives(template: str) -> Iterator[nodes.Node]:
    """Yield what stands in for something that is not there."""
    tree = Environment().parse(template)
    yield from (side for node in tree.find_all(nodes.CondExpr) for side in (node.expr1, node.expr2) if side)
    yield from (side for node in tree.find_all(nodes.Or) for side in (node.left, node.right))
    yield from (argument for node in tree.find_all(nodes.Filter) if node.name in ("default", "d") for argument in node.args[:1])


def in_clear(value: str) -> bool:
    """Whether it is anything but a template that takes its secret from the site, and has no other at hand."""
    return not names_in(value) & SECRETS or any(isinstance(node, nodes.Const) and bool(node.value) for node in alternatives(value))


def texts(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, text) for every text that is not empty, and every number."""
    if isinstance(data, (str, int)) and data not in ("", True, False):
        yield path, str(data)
    for key, value in data.items() if isinstance(data, dict) else ():
        yield from texts(value, f"{path}.{key}".removeprefix("."))
    for value in data if isinstance(data, list) else ():
        yield from texts(value, path)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("entry", ["check", "main"])
def test_a_secret_is_a_string_that_is_not_logged(role: str, entry: str) -> None:
    known = secrets(spec(role, entry)) if entry in role_file(role, "meta/argument_specs.yml")["argument_specs"] else {}
    assert [name for name, is_ in known.items() if is_.get("no_log") is not True or is_["type"] != "str" or "choices" in is_] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_default_of_a_secret_is_the_secret_of_the_site(role: str) -> None:
    found = {name: attributes["default"] for name, attributes in secrets(spec(role)).items() if "default" in attributes}
    assert found == {name: template for name, template in DERIVED_SECRETS.items() if name.startswith(f"{role}_")}


@pytest.mark.parametrize("template", DERIVED_SECRETS.values(), ids=DERIVED_SECRETS)
def test_the_secret_of_the_site_is_nowhere_written(template: str) -> None:
    assert not in_clear(template)


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "{{ 'hunter2' }}",
        "{{ mailcluster_domain }}",
        "{{ valkey_password | default('hunter2') }}",
        "{{ valkey_password | d('hunter2', true) }}",
        "{{ valkey_password or 'hunter2' }}",
        "{{ valkey_password if valkey_password is defined else 'hunter2' }}",
    ],
)
def test_a_password_at_hand_is_found(value: str) -> None:
    assert in_clear(value)


@pytest.mark.parametrize("role", ROLES)
def test_no_value_of_a_role_is_a_secret_in_clear(role: str) -> None:
    files = sorted((ROOT / "roles" / role).glob("defaults/*.yml")) + sorted((ROOT / "roles" / role).glob("vars/*.yml"))
    keys = {name for name, attributes in options_of(spec(role)) if attributes["type"] == "path"}
    found = [(path, text) for file in files for path, text in texts(read(file)) if SECRET.search(path) and path not in keys]
    # What is internal has no type; by its name it is the path of a key.
    assert [path for path, text in found if in_clear(text) and not re.match("__.*_keys?$", path)] == []


@pytest.mark.parametrize("site", sorted(path.name for path in (ROOT / "inventories").iterdir()))
def test_an_inventory_takes_its_secrets_from_elsewhere(site: str) -> None:
    found = [pair for file in sorted((ROOT / "inventories" / site).rglob("*.yml")) for pair in texts(read(file)) if SECRET.search(pair[0])]
    assert found
    assert [path for path, text in found if not re.match(r"\{\{ (vault_\w+ \}\}$|lookup\('ansible\.builtin\.(password|file)', )", text)] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_secret_that_is_not_set_is_refused_by_name(role: str) -> None:
    refusals = " ".join(task["ansible.builtin.assert"]["fail_msg"] for task in tasks(role_file(role, "tasks/check.yml")))
    optional = [name for name, attributes in secrets(spec(role)).items() if not attributes.get("required") and name not in DERIVED_SECRETS]
    assert [name for name in optional if f"{name} ({{{{ inventory_hostname }}}})" not in refusals] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_refusal_shows_no_secret(role: str) -> None:
    messages = {task["name"]: task["ansible.builtin.assert"]["fail_msg"] for task in tasks(role_file(role, "tasks/check.yml"))}
    assert [name for name, message in messages.items() if names_in(message) & SECRETS] == []


@pytest.mark.parametrize("role", [role for role in ROLES if role not in PREFIXES])
def test_the_tasks_are_a_table_of_contents(role: str) -> None:
    assert len((ROOT / "roles" / role / "tasks" / "main.yml").read_text(encoding="utf-8").splitlines()) <= 25


@pytest.mark.parametrize("role", ROLES)
def test_check_only_asserts_so_that_it_can_be_judged_on_the_controller(role: str) -> None:
    # Without no_log, which would hide the reason.
    allowed = {"name", "ansible.builtin.assert", "when", "vars"}
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
    callers = {used: {file for file, name, _task in USES if name == used} for _file, used, _task in USES}
    reached, waiting = set(), [role]
    while waiting:
        files = callers.get(waiting.pop(), set()) - reached
        reached |= files
        waiting += [file.split("/")[1] for file in files if file.startswith("roles/")]
    assert any(file.startswith("playbooks/") for file in reached)


@pytest.mark.parametrize(("file", "role", "task"), USES, ids=[f"{file}: {role}" for file, role, _task in USES])
def test_an_inclusion_passes_only_names_that_the_role_knows(file: str, role: str, task: dict[str, Any]) -> None:
    assert role in ROLES
    include = next(task[key] for key in task if key.endswith("_role"))
    entry = include.get("tasks_from", "main")
    # What installs or configures is a part of main, with its variables.
    known = spec(role, entry if entry in role_file(role, "meta/argument_specs.yml")["argument_specs"] else "main")
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
