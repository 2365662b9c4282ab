# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node of the cluster lets in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster, _firewall


def firewall_rules(
    ports: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Sequence[Mapping[str, Any]]],
    node: str,
    regions: Sequence[Mapping[str, Any]],
    *,
    health_port: int,
    admin_networks: Sequence[str],
    admin_ports: Sequence[int] = (22,),
    monitoring_networks: Sequence[str] = (),
    direct: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> str:
    """Return the nftables file of one node."""
    try:
        chain = _firewall.rules(
            ports,
            _cluster.members_from_dicts(members),
            node,
            regions,
            health_port=int(health_port),
            admin_networks=[str(network) for network in admin_networks],
            admin_ports=[int(port) for port in admin_ports],
            monitoring_networks=[str(network) for network in monitoring_networks],
            direct=direct,
            extra=extra,
        )
    except (KeyError, ValueError) as error:
        raise AnsibleFilterError(f"firewall_rules: {error}") from error
    return _firewall.table("mailcluster", chain)


class FilterModule:
    """Filters over the port map."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"firewall_rules": firewall_rules, "network_errors": _firewall.network_errors}
