# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong across the hosts of a site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils import _checks


def site_errors(
    hostvars: Mapping[str, Mapping[str, object]],
    groups: Mapping[str, Iterable[str]],
    *,
    domain: str,
    domains: Sequence[str],
    regions: Sequence[Mapping[str, Any]],
    networks: Sequence[str] = (),
    accounts: str | None = None,
    aliases: str = "",
    valkey_primary: str = "",
    ports: Mapping[str, Mapping[str, Any]] | None = None,
    instances: Sequence[Mapping[str, Any]] = (),
    health_port: int = 0,
) -> list[str]:
    """Return C(variable (host): reason) for everything that is wrong with the site."""
    try:
        known = [
            _checks.Region(
                name=str(region["name"]),
                networks=tuple(map(str, region["networks"])),
                vips=tuple(map(str, region.get("vips") or ())),
                vrid=None if region.get("vrid") is None else int(region["vrid"]),
            )
            for region in regions
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"site_errors: mailcluster_regions has an entry that is no region: {error}") from error
    nodes, unresolved = _checks.nodes(hostvars, groups, known)
    site = _checks.Site(
        domain=str(domain),
        domains=tuple(map(str, domains)),
        regions=tuple(known),
        nodes=nodes,
        networks=tuple(map(str, networks)),
        valkey_primary=str(valkey_primary),
        hosts=tuple(map(str, groups.get("all", ()))),
        accounts=None if accounts is None else str(accounts),
        aliases=str(aliases),
        unresolved=unresolved,
        ports=ports or {},
        instances=tuple(instances),
        health_port=int(health_port),
    )
    return [str(error) for error in _checks.site_errors(site)]


def trust_errors(networks: Iterable[object]) -> list[str]:
    """Return why networks must not be trusted to send mail."""
    return _checks.trust_errors(map(str, networks))


class FilterModule:
    """Filters over the facts of a site."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"site_errors": site_errors, "trust_errors": trust_errors}
