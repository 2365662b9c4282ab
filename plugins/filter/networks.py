# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of networks, made as short as they can be."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import words

try:
    from netaddr import INET_PTON, AddrFormatError, IPAddress, IPNetwork, cidr_merge

    HAS_NETADDR = True
except ImportError:  # pragma: no cover - the requirement is named in the error
    HAS_NETADDR = False

# A network of a site is not larger: 10.0.0.0/8 is the largest private one of IPv4, and registries hand out no IPv6 network above /16.
SHORTEST = {4: 8, 6: 16}
STYLES = ("cidr", "postfix")
_ENTRY = re.compile(r"(\[)?([0-9A-Fa-f:.]+)(?(1)\])(?:/([0-9]{1,3}))?")


def _network(entry: object) -> IPNetwork:
    """Return the network of one entry; ValueError says what is wrong with it."""
    if not isinstance(entry, str):
        raise ValueError(f"an entry is a text, not {type(entry).__name__}: {entry!r}")
    found = _ENTRY.fullmatch(entry)
    if not found:
        raise ValueError(f"{entry!r} is neither an address nor a network such as 192.0.2.0/24")
    bracket, host, length = found.groups()
    try:
        address = IPAddress(host, flags=INET_PTON)
        network = IPNetwork(address if length is None else f"{address}/{length}")
    except (AddrFormatError, ValueError) as error:
        raise ValueError(f"{entry!r} is neither an address nor a network ({error})") from error
    if bracket and address.version == 4:
        raise ValueError(f"{entry!r}: only IPv6 addresses stand in brackets")
    if address.is_ipv4_mapped():
        raise ValueError(f"{entry!r} is IPv4 in the form of IPv6, which matches no client: write {address.ipv4()}/{max(network.prefixlen - 96, 0)}")
    if network.ip != network.network:
        raise ValueError(f"{entry!r} has bits set behind its length: write {network.cidr} for the network, {address} for the address")
    return network


def _too_large(network: IPNetwork) -> str:
    """Say why a network is not to be trusted; empty when it may be."""
    if network.prefixlen == 0:
        return "is the whole world"
    shortest = SHORTEST[network.version]
    return f"is larger than a /{shortest}" if network.prefixlen < shortest else ""


def _some(entries: Sequence[str]) -> str:
    return ", ".join(map(repr, entries[:4])) + " ..." * (len(entries) > 4)


def _spelled(network: IPNetwork, style: str) -> str:
    return f"[{network.ip}]/{network.prefixlen}" if style == "postfix" and network.version == 6 else str(network)


def aggregate_networks(networks: Sequence[str] | str, style: str = "cidr", *, allow_world: bool = False) -> list[str]:
    """Return the shortest list of networks that holds the same addresses, IPv4 first, in ascending order."""
    if not HAS_NETADDR:
        raise AnsibleFilterError("aggregate_networks: needs the Python library netaddr on the controller")
    if style not in STYLES:
        raise AnsibleFilterError(f"aggregate_networks: style must be one of {', '.join(STYLES)}, not {style!r}")
    entries = words(networks) if isinstance(networks, str) else networks
    if not isinstance(entries, Sequence):
        raise AnsibleFilterError(f"aggregate_networks: wants a list of networks, not {type(networks).__name__}")
    try:
        given = [(entry, _network(entry)) for entry in entries]
    except ValueError as error:
        raise AnsibleFilterError(f"aggregate_networks: {error}") from error
    merged: list[IPNetwork] = cidr_merge([network for _entry, network in given])
    # What entries make up together is named after them.
    together = [(f"{network}, which {_some([entry for entry, found in given if found in network])} make up,", network) for network in merged]
    for subject, network in [*((repr(entry), found) for entry, found in given), *together] if not allow_world else []:
        reason = _too_large(network)
        if reason:
            raise AnsibleFilterError(f"aggregate_networks: {subject} {reason}; allow_world=true takes it all the same")
    return [_spelled(network, style) for network in merged]


class FilterModule:
    """Filters over networks."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"aggregate_networks": aggregate_networks}
