# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The banned clients of the edges: a table of HAProxy with the second at which each ban ends. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from .config import BANS, LONGEST_BAN, PEERS

TABLE = f"{PEERS}/{BANS}"
LIST = f"show table {TABLE}"
LONGEST = LONGEST_BAN * 86400
# What the table keeps of an IPv6 address.
_PREFIX = 64
_ENTRY = re.compile(r"key=(\S+) .*\bgpt0=(\d+)")


@dataclass(frozen=True)
class Step:
    """One entry that changes: the second at which its ban ends, 0 for one that is lifted."""

    client: str
    until: int

    @property
    def command(self) -> str:
        # An entry that is deleted would come back from another edge; one whose end is past goes to all of them.
        return f"set table {TABLE} key {_key(self.client)} data.gpt0 {self.until}"


def client(text: str) -> str:
    """Return the client that an address belongs to: an IPv4 address, or the first address of an IPv6 /64. Raises ValueError."""
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address if isinstance(address, IPv4Address) else ip_network((address, _PREFIX), strict=False).network_address)


def _key(address: str) -> str:
    return address if ":" in address else f"::ffff:{address}"


def parse(text: str, *, now: int) -> dict[str, int]:
    """Read the answer to L(LIST): when the ban of each banned client ends. Raises ValueError where there is no such table."""
    if not text.lstrip().startswith(f"# table: {TABLE}"):
        raise ValueError(f"{text.strip()[:60]!r}; bans are kept by the edges")
    found = {client(match[1]): int(match[2]) for line in text.splitlines() if (match := _ENTRY.search(line))}
    return {address: until for address, until in sorted(found.items()) if until > now}


def plan(before: Mapping[str, int], clients: Iterable[str], *, banned: bool, duration: int, now: int) -> list[Step]:
    """Return what changes: who is not banned yet, or for less than half of C(duration) any more; or who is banned still."""
    wanted = dict.fromkeys(clients)
    if not banned:
        return [Step(each, 0) for each in wanted if each in before]
    return [Step(each, now + duration) for each in wanted if before.get(each, 0) - now < duration / 2]


def after(before: Mapping[str, int], steps: Iterable[Step]) -> dict[str, int]:
    """Return the bans as the steps leave them."""
    changed = {**before, **{step.client: step.until for step in steps}}
    return {address: until for address, until in sorted(changed.items()) if until}
