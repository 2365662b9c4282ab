# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge the variables of a host by the specifications of the collection's roles, on the controller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import ElementError, RequiredError, UnsupportedError
from ansible.plugins.action import ActionBase
from ansible_collections.mailcluster.postfix.plugins.module_utils._checks import Error, Vocabulary

ROLES = Path(__file__).resolve().parents[2] / "roles"
# The role of the site facts is named for what it describes, its variables for what they belong to.
PREFIXES = {"cluster": "mailcluster"}
# The command line makes text of what it sets; the playbooks read these as booleans all the same.
ON_THE_COMMAND_LINE = frozenset({"mailcluster_prune", "mailcluster_strict"})
PLACEHOLDERS = frozenset({"changeme", "change_me", "change-me", "password", "secret", "todo"})

Spec = Mapping[str, Mapping[str, Any]]


@cache
def specification(role: str, entry: str = "check") -> Spec:
    """Return the options of a role's entry point, its C(main) options where it has no such entry point."""
    path = ROLES / role / "meta" / "argument_specs.yml"
    if not path.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)["argument_specs"]
    options: Spec = entries.get(entry, entries.get("main", {})).get("options", {})
    return options


@cache
def vocabulary() -> Vocabulary:
    """Return every public variable of the collection."""
    return Vocabulary({PREFIXES.get(path.name, path.name): specification(path.name) for path in sorted(ROLES.iterdir()) if path.is_dir()})


# The strategy imports this file before it forks a worker for each host: read here, the files are read once.
vocabulary()


def is_secret(attributes: Mapping[str, Any]) -> bool:
    """Tell whether an option, or one inside it, must not be shown."""
    return bool(attributes.get("no_log")) or any(map(is_secret, (attributes.get("options") or {}).values()))


def is_constant(value: object) -> bool:
    """Tell whether no template is in a value."""
    if isinstance(value, Mapping):
        return all(map(is_constant, value.values()))
    if isinstance(value, list):
        return all(map(is_constant, value))
    return not isinstance(value, str) or "{" not in value


def taken_for_booleans(path: str, attributes: Mapping[str, Any], value: object) -> Iterator[tuple[str, object]]:
    """Yield the path and value of every boolean that is none: the text "false" is true to whoever reads it."""
    options = attributes.get("options") or {}
    kind = attributes.get("type")
    if kind == "bool" and value is not None and not isinstance(value, bool):
        yield path, value
    elif kind == "list" and isinstance(value, list):
        entry = {"type": attributes.get("elements"), "options": options}
        yield from (found for item in value for found in taken_for_booleans(path, entry, item))
    elif kind == "dict" and isinstance(value, Mapping):
        yield from (found for name, inner in options.items() for found in taken_for_booleans(f"{path}.{name}", inner, value.get(name)))


def value_errors(name: str, host: str, attributes: Mapping[str, Any], value: object) -> Iterator[Error]:
    """Yield what the specification of one option has against its value, never showing a secret."""
    if value is None or (value == "" and attributes.get("required")):
        if attributes.get("required"):
            yield Error(name, host, "is required, but empty")
        return
    secret = is_secret(attributes)
    if attributes.get("no_log") and isinstance(value, str) and value.lower() in PLACEHOLDERS:
        yield Error(name, host, "is a secret, but holds a placeholder")
    if attributes.get("type", "str") == "str" and isinstance(value, (Mapping, list)):
        # Ansible would write it as Python does, and take that for the text.
        yield Error(name, host, f"is no text, but a {'list' if isinstance(value, list) else 'dictionary'}")
        return
    if name not in ON_THE_COMMAND_LINE:
        for path, found in taken_for_booleans(name, attributes, value):
            yield Error(path, host, f"{str(found)!r} is no boolean; write true or false without quotes, on the command line in JSON")
        if attributes.get("type") == "bool":
            return
    for error in ArgumentSpecValidator({name: dict(attributes)}).validate({name: value}).errors:
        if isinstance(error, UnsupportedError):
            unknown, _dot, supported = error.msg.partition(". Supported parameters include: ")
            yield Error(name, host, f"has no key {unknown.removeprefix(name + '.')}; the keys are {supported.rstrip('.')}")
        elif secret and not isinstance(error, RequiredError):
            kind = attributes.get("elements") if isinstance(error, ElementError) else attributes.get("type", "str")
            yield Error(name, host, f"does not match its specification (type {kind}); the value is a secret and not shown")
        else:
            yield Error(name, host, error.msg)


class ActionModule(ActionBase):
    """Implements M(mailcluster.postfix.check_variables)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        given = task_vars or {}
        result: dict[str, Any] = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(
            argument_spec={"roles": {"type": "list", "elements": "str", "default": []}, "strict": {"type": "bool", "default": False}}
        )
        host = str(given["inventory_hostname"])
        lines = [str(error) for error in vocabulary().errors(host, given, strict=arguments["strict"])]
        found, consequences = self._role_errors(host, arguments["roles"], given)
        lines += found
        result.update(changed=False, errors=lines, consequences=[] if lines else consequences)
        if lines:
            result.update(failed=True, msg="\n".join(lines))
        return result

    def _role_errors(self, host: str, roles: Sequence[str], given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Return what the roles have against the host's variables, and what cannot be told because of something else."""
        unknown = [role for role in roles if not (ROLES / role).is_dir()]
        if unknown:
            raise AnsibleError(f"check_variables: the collection has no role {', '.join(unknown)}")
        wanted = list(dict.fromkeys(["cluster", *roles])) if roles else []
        defaults = {name: value for role in wanted for name, value in self._load(role, "defaults/main.yml", {}).items()}
        variables = {**defaults, **given}
        templar = self._templar.copy_with_new_env(available_variables=variables)
        errors: list[Error] = []
        consequences: list[str] = []
        for role in wanted:
            for name, attributes in specification(role).items():
                if name not in variables:
                    if attributes.get("required"):
                        errors.append(Error(name, host, f"is required by role {role}, but not set"))
                    continue
                if name in defaults and variables[name] == defaults[name] and is_constant(defaults[name]):
                    continue  # what the collection itself sets is proven before it is released
                try:
                    value = templar.template(variables[name])
                except AnsibleError as error:
                    if name not in defaults and not attributes.get("required"):
                        continue  # set by the playbooks, from variables that are judged themselves
                    shown = isinstance(error, AnsibleUndefinedVariable) or not is_secret(attributes)
                    reason = f"cannot be evaluated: {_first_line(error)}" if shown else "cannot be evaluated"
                    if name in given and given[name] != defaults.get(name):
                        errors.append(Error(name, host, reason))
                    else:
                        consequences.append(str(Error(name, host, reason)))
                    continue
                errors += value_errors(name, host, attributes, value)
                # What refers to it, here or in an assertion, would evaluate it again each time.
                variables[name] = value
        lines = [str(error) for error in dict.fromkeys(errors)]
        for role in wanted:
            failed, broken = self._assertions(role, host, variables)
            lines += failed
            consequences += broken
        return lines, consequences

    def _assertions(self, role: str, host: str, variables: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Return the messages of the assertions of C(tasks/check.yml) that fail, and of those that cannot be evaluated.

        What a role asserts once for all hosts (C(run_once)) is left to the playbook.
        """
        failed: list[str] = []
        broken: list[str] = []
        inner = self._load(role, "vars/main.yml", {})
        for task in self._load(role, "tasks/check.yml", []):
            assertion = task.get("ansible.builtin.assert")
            if assertion is None or task.get("run_once"):
                continue
            templar = self._templar.copy_with_new_env(available_variables={**variables, **inner, **task.get("vars", {})})
            try:
                if all(templar.evaluate_conditional(condition) for condition in _listed(task.get("when", []))) and not all(
                    templar.evaluate_conditional(condition) for condition in _listed(assertion["that"])
                ):
                    failed.append(str(templar.template(assertion["fail_msg"])).strip())
            except AnsibleError as error:
                broken.append(str(Error(role, host, f"cannot tell whether to {task['name'].lower()}: {_first_line(error)}")))
        return failed, broken

    def _load(self, role: str, name: str, empty: Any) -> Any:
        """Return the data of a role's file, with the templates of the collection trusted; it is shared, and not to be changed."""
        path = ROLES / role / name
        return (self._loader.load_from_file(str(path), unsafe=True, trusted_as_template=True) or empty) if path.is_file() else empty


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
