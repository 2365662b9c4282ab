# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stranger can reach at all."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from client import converse_all, open_ports
from testing import HELLO, ROOT, STRANGER, Site

# Ports of daemons that listen on loopback, or nowhere: the map's own, and what packages would open.
ADMINISTRATIVE = (
    24,
    110,
    111,
    143,
    783,
    953,
    995,
    2000,
    3306,
    3310,
    4190,
    5432,
    6379,
    8080,
    8404,
    9090,
    9100,
    9900,
    11332,
    11333,
    11334,
    12026,
)


def mapped_ports() -> dict[str, dict[str, Any]]:
    ports: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text())["mailcluster_ports"]
    return ports


PUBLIC = {service["public"] for service in mapped_ports().values() if service.get("world")}
INTERNAL = {service[kind] for service in mapped_ports().values() for kind in ("daemon", "peer", "local", "probe", "admin") if kind in service} | {
    service["health"]["port"] for service in mapped_ports().values() if "health" in service
}


@pytest.fixture(scope="module")
def everywhere(site: Site) -> list[str]:
    return sorted({entrance.address for entrance in site.entrances} | {address for node in site.nodes for address in node.addresses})


@pytest.fixture(scope="module")
def found(everywhere: list[str]) -> set[tuple[str, int]]:
    return open_ports(STRANGER, everywhere, sorted(PUBLIC | INTERNAL | set(ADMINISTRATIVE)))


def test_public_ports(site: Site, found: set[tuple[str, int]]) -> None:
    """A stranger finds 25, 465, 587 and 993 open at every VIP"""
    missing = {(entrance.address, port) for entrance in site.entrances for port in PUBLIC} - found
    assert not missing


def test_other_ports(found: set[tuple[str, int]]) -> None:
    """A stranger finds every other port closed on every node: PROXY, peer, milter, valkey, controller, statistics"""
    assert not sorted(pair for pair in found if pair[1] not in PUBLIC)


def test_forged_proxy_header(site: Site, everywhere: list[str]) -> None:
    """A stranger's PROXY header that claims 127.0.0.1 gets no answer from any port that would believe it"""
    believing = {service[kind] for service in mapped_ports().values() if service.get("proxy") for kind in ("daemon", "peer")}
    requests = [
        {
            "address": address,
            "port": port,
            "protocol": "raw",
            "timeout": 1.5,
            "proxy": {
                "version": version,
                "source": "::1" if ":" in address else "127.0.0.1",
                "destination": address,
            },
            "send": f"EHLO {HELLO}\r\n",
        }
        for address in everywhere
        for port in sorted(believing)
        for version in (1, 2)
    ]
    answers = converse_all(STRANGER, requests, seconds=120)
    assert not [(request["address"], request["port"], answer) for request, answer in zip(requests, answers, strict=True) if answer.get("received")]


def test_proxy_header_is_garbage(site: Site) -> None:
    """A PROXY header sent to a public port is taken for garbage"""
    requests = [
        {
            "address": entrance.address,
            "port": 25,
            "protocol": "raw",
            "timeout": 12,
            "proxy": {"version": 1, "source": "::1" if entrance.family == 6 else "127.0.0.1", "destination": entrance.address},
            "send": f"EHLO {HELLO}\r\nMAIL FROM:<a@foreign.test>\r\nRCPT TO:<victim@foreign.test>\r\n",
        }
        for entrance in site.entrances
    ]
    answers = converse_all(STRANGER, requests)
    assert not [answer for answer in answers if any(line.startswith("250") for line in answer.get("received", "").splitlines())]
