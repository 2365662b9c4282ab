# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's configuration from the port map and the members of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import config


def haproxy_listens(
    ports: Mapping[str, Mapping[str, Any]],
    members: Mapping[str, Sequence[Mapping[str, Any]]],
    node: str,
    regions: Sequence[Mapping[str, Any]],
    health_port: int = config.Settings.health_port,
    valkey_password: bool = False,
    maxconn: int = config.Settings.maxconn,
    *,
    client_connections: int = config.Limits.connections,
    client_rate: int = config.Limits.rate,
    exempt_networks: Iterable[str] = (),
    tls_offload: Sequence[str] = (),
    monitoring_networks: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Return every proxy of one node."""
    try:
        proxies = config.listens(
            ports,
            _cluster.members_from_dicts(members),
            node,
            regions,
            health_port=int(health_port),
            valkey_password=valkey_password,
            maxconn=int(maxconn),
            limits=config.Limits(int(client_connections), int(client_rate), tuple(exempt_networks)),
            tls_offload=tls_offload,
            monitoring_networks=monitoring_networks,
        )
    except ValueError as error:
        raise AnsibleFilterError(f"haproxy_listens: {error}") from error
    return [proxy.as_dict() for proxy in proxies]


def to_haproxy_cfg(
    listens: Iterable[Mapping[str, Any]],
    maxconn: int = config.Settings.maxconn,
    connect_timeout: str = config.Settings.connect_timeout,
    check_interval: str = config.Settings.check_interval,
    health_port: int = config.Settings.health_port,
    extra: str = config.Settings.extra,
    node: str = config.Settings.node,
) -> str:
    """Return the text of haproxy.cfg."""
    settings = config.Settings(
        maxconn=int(maxconn),
        connect_timeout=connect_timeout,
        check_interval=check_interval,
        health_port=int(health_port),
        extra=extra,
        node=node,
    )
    try:
        return config.render([config.Listen.from_dict(listen) for listen in listens], settings)
    except _cluster.ClusterError as error:
        raise AnsibleFilterError(str(error)) from error


def offload_errors(services: Iterable[str], ports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return why the edges cannot end the TLS of services."""
    return config.offload_errors(services, ports)


class FilterModule:
    """Filters that compute and write HAProxy's configuration."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"haproxy_listens": haproxy_listens, "offload_errors": offload_errors, "to_haproxy_cfg": to_haproxy_cfg}
