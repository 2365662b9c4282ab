# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keepalived's configuration from the regions and the members of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster
from ansible_collections.mailcluster.postfix.plugins.module_utils._keepalived import config


def _instances(values: Iterable[Mapping[str, Any]]) -> list[config.Instance]:
    try:
        return [config.Instance.from_dict(value) for value in values]
    except _cluster.ClusterError as error:
        raise AnsibleFilterError(str(error)) from error


def vrrp_instances(
    regions: Sequence[Mapping[str, Any]],
    members: Mapping[str, Sequence[Mapping[str, Any]]],
    node: str,
) -> list[dict[str, Any]]:
    """Return the VRRP instances of one edge."""
    try:
        found = config.instances(regions, _cluster.members_from_dicts(members), node)
    except _cluster.ClusterError as error:
        raise AnsibleFilterError(f"vrrp_instances: {error}") from error
    return [instance.as_dict() for instance in found]


def to_keepalived_conf(
    instances: Iterable[Mapping[str, Any]],
    router_id: str,
    interface: str,
    health_port: int,
    user: str,
    extra: str = "",
    notify: str = "",
) -> str:
    """Return the text of keepalived.conf."""
    return config.render(
        _instances(instances),
        router_id=router_id,
        interface=interface,
        health_port=int(health_port),
        user=user,
        notify=notify,
        extra=extra,
    )


def to_keepalived_unit(instances: Iterable[Mapping[str, Any]], interface: str) -> str:
    """Return the text of the drop-in of keepalived.service."""
    return config.unit_drop_in(_instances(instances), interface=interface)


class FilterModule:
    """Filters that compute and write keepalived's configuration."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "vrrp_instances": vrrp_instances,
            "to_keepalived_conf": to_keepalived_conf,
            "to_keepalived_unit": to_keepalived_unit,
        }
