# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix' files as the variables of the role postfix, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf, master_cf, restrictions, values
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError


def _wanted(name: str, value: object, kind: type | tuple[type, ...], what: str) -> None:
    if not isinstance(value, kind):
        raise AnsibleFilterError(f"{name}: wants {what}, not {type(value).__name__}")


def to_main_cf(parameters: Mapping[str, Any]) -> str:
    """Return the text of main.cf, in the order of names."""
    _wanted("to_main_cf", parameters, Mapping, "a dictionary of parameters, as postfix_main")
    try:
        return main_cf.render(parameters)
    except ConfigError as error:
        raise AnsibleFilterError(f"to_main_cf: {error}") from error


def from_main_cf(text: str) -> dict[str, str]:
    """Return the parameters that a main.cf sets, as to_main_cf takes them."""
    _wanted("from_main_cf", text, str, "the text of a main.cf")
    try:
        parameters = main_cf.parameters(text)
        main_cf.render(parameters)
    except ConfigError as error:
        raise AnsibleFilterError(f"from_main_cf: {error}") from error
    return parameters


def _service(description: object) -> master_cf.Service:
    """Build one service; a misspelt key would be a field that keeps its default."""
    if not isinstance(description, Mapping):
        raise ConfigError(f"a service is a dictionary, not {type(description).__name__}: {description!r}", file=master_cf.FILE)
    service = master_cf.service(description)
    known = master_cf.as_dict(service).keys()
    for key in description:
        if key not in known:
            raise ConfigError(f"a service has no {key!r}{values.like(str(key), known)}", file=master_cf.FILE, subject=service.subject)
    return service


def to_master_cf(services: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of master.cf."""
    _wanted("to_master_cf", services, (list, tuple), "a list of services, as postfix_services")
    try:
        return master_cf.render([_service(description) for description in services])
    except ConfigError as error:
        raise AnsibleFilterError(f"to_master_cf: {error}") from error


def from_master_cf(text: str) -> list[dict[str, Any]]:
    """Return the services of a master.cf, as to_master_cf takes them."""
    _wanted("from_master_cf", text, str, "the text of a master.cf")
    try:
        services = master_cf.parse(text)
        master_cf.render(services)
    except ConfigError as error:
        raise AnsibleFilterError(f"from_master_cf: {error}") from error
    return [master_cf.as_dict(service) for service in services]


def restriction_list(
    entries: Sequence[str] | str,
    context: str = restrictions.RECIPIENT,
    *,
    classes: Mapping[str, Sequence[str] | str] | None = None,
    delay_reject: bool = False,
    vouched: Sequence[str] | str = (),
    mynetworks: Sequence[str] | str | None = None,
    balancers: Sequence[str] | str = (),
) -> list[str]:
    """Return the restrictions of one list, one element each; what is a trap is refused."""
    for value in (entries, vouched, balancers, mynetworks or "", *(classes or {}).values()):
        _wanted("restriction_list", value, (str, list, tuple), "lists or texts")
    try:
        return restrictions.restriction_list(
            entries,
            context,
            classes=classes,
            delay_reject=delay_reject,
            vouched=vouched,
            mynetworks=mynetworks,
            balancers=balancers,
        )
    except ConfigError as error:
        raise AnsibleFilterError(f"restriction_list: {error}") from error


class FilterModule:
    """Filters between Postfix' files and variables."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "to_main_cf": to_main_cf,
            "from_main_cf": from_main_cf,
            "to_master_cf": to_master_cf,
            "from_master_cf": from_master_cf,
            "restriction_list": restriction_list,
        }
