# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keepalived writes of itself when it is asked to (keepalived(8), SIGUSR1). Pure."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

_BEGIN = " VRRP Instance = "
_FIELDS = {"State": "state", "Virtual Router ID": "virtual_router_id", "Priority": "priority", "Effective priority": "effective_priority"}


@dataclass(frozen=True)
class Instance:
    """One VRRP instance as its daemon sees it."""

    name: str
    state: str
    virtual_router_id: int
    priority: int
    effective_priority: int
    virtual_ipaddresses: tuple[str, ...]

    def as_dict(self, addresses: Collection[str]) -> dict[str, object]:
        """Return it with what the kernel has: whether the node owns the virtual addresses."""
        return {
            "name": self.name,
            "state": self.state,
            "virtual_router_id": self.virtual_router_id,
            "priority": self.priority,
            "effective_priority": self.effective_priority,
            "virtual_ipaddresses": list(self.virtual_ipaddresses),
            "owner": bool(self.virtual_ipaddresses) and all(address in addresses for address in self.virtual_ipaddresses),
        }


def parse(text: str) -> list[Instance]:
    """Read the instances from the dump. Raises ValueError for one without a state."""
    return [_instance(block) for block in text.split("------< VRRP Topology >------")[-1].split("\n------<")[0].split(_BEGIN)[1:]]


def _instance(block: str) -> Instance:
    name, _newline, rest = block.partition("\n")
    values: dict[str, str] = {}
    addresses: list[str] = []
    inside = False
    for line in rest.splitlines():
        key, equals, value = line.partition(" = ")
        if equals and key.strip() in _FIELDS:
            values.setdefault(_FIELDS[key.strip()], value.strip())
        if line.strip().startswith("Virtual IP ("):
            inside = True
        elif inside and line.startswith("     "):
            addresses.append(line.split()[0].partition("/")[0])
        else:
            inside = False
    if missing := sorted(set(_FIELDS.values()) - values.keys()):
        raise ValueError(f"keepalived says of {name.strip()} no {', '.join(missing)}")
    numbers = {field: int(value.split()[0]) for field, value in values.items() if field != "state"}
    return Instance(name=name.strip(), state=values["state"], virtual_ipaddresses=tuple(addresses), **numbers)


def addresses(text: str) -> set[str]:
    """Read the addresses of the node from what C(ip -json address) prints."""
    return {info["local"] for link in json.loads(text or "[]") for info in link.get("addr_info", []) if "local" in info}
