# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of the cluster, read from the inventory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster


def cluster_members(
    groups: Mapping[str, Sequence[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
    regions: Sequence[Mapping[str, Any]],
    tiers: Sequence[str] = _cluster.TIERS,
) -> dict[str, list[dict[str, Any]]]:
    """Return the members of every tier, or of some, in the order of the inventory."""
    try:
        of_tier = _cluster.members(groups, hostvars, regions, tiers)
    except _cluster.ClusterError as error:
        raise AnsibleFilterError(str(error)) from error
    return {tier: [member.as_dict() for member in found] for tier, found in of_tier.items()}


def cluster_tiers(group_names: Iterable[str]) -> list[str]:
    """Return the tiers among the groups of a host, in the order in which they are provisioned."""
    names = set(group_names)
    return [tier for tier in _cluster.TIERS if tier in names]


def inner_ports(ports: Mapping[str, Mapping[str, Any]], health_port: int) -> list[int]:
    """Return every port of the port map that no stranger may reach."""
    return _cluster.inner_ports(ports, int(health_port))


def all_ports(ports: Mapping[str, Mapping[str, Any]], instances: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the port map with the services of further instances."""
    return _cluster.all_ports(ports, instances)


def tier_instances(ports: Mapping[str, Mapping[str, Any]], instances: Sequence[Mapping[str, Any]], first: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Return the Postfix instances of each tier."""
    return _cluster.tier_instances(ports, instances, first)


def evacuation_targets(
    members: Mapping[str, Sequence[Mapping[str, Any]]],
    instances: Mapping[str, Sequence[Mapping[str, Any]]],
    node: str,
    names: Sequence[str],
) -> list[str]:
    """Return the other nodes that have all these Postfix instances, those of the node's region first."""
    try:
        return _cluster.evacuation_targets(_cluster.members_from_dicts(members), instances, node, names)
    except _cluster.ClusterError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Filters over the nodes of the cluster."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "all_ports": all_ports,
            "cluster_members": cluster_members,
            "cluster_tiers": cluster_tiers,
            "evacuation_targets": evacuation_targets,
            "inner_ports": inner_ports,
            "tier_instances": tier_instances,
        }
