# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VRRP instances of edges, and what VRRP cannot serve."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cluster_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster
from ansible_collections.mailcluster.postfix.plugins.module_utils._keepalived import config

EAST, WEST = cases.REGIONS


@pytest.mark.parametrize("node", cases.KEEPALIVED_GOLDEN)
def test_the_configuration_of_an_edge_is_the_golden_one(node: str) -> None:
    assert cases.keepalived_text(node) == (cases.GOLDEN / f"keepalived/{node}.conf").read_text(encoding="utf-8")


def test_a_sick_edge_is_below_every_healthy_one() -> None:
    crowd = [_cluster.Member(f"e{number}", "east", (f"10.91.1.{number}", f"fd91:0:0:1::{number}")) for number in range(1, config.MAX_EDGES + 1)]
    priorities = [config.instances(cases.REGIONS, {"edge": crowd}, edge.name)[0].priority for edge in crowd]
    assert priorities[0] + config.UNHEALTHY_WEIGHT < priorities[-1]
    assert min(priorities) + config.UNHEALTHY_WEIGHT > 0
    assert max(priorities) < 255


def owners(vips: list[str], edges: int) -> dict[str, list[str]]:
    """Who owns each VIP, the most preferred edge first."""
    crowd = [_cluster.Member(f"e{number}", "east", (f"10.91.1.{number}", f"fd91:0:0:1::{number}")) for number in range(1, edges + 1)]
    region = {**EAST, "vips": vips}
    of_edge = {edge.name: config.instances([region], {"edge": crowd}, edge.name) for edge in crowd}
    return {
        vip: sorted(of_edge, key=lambda edge: -next(found.priority for found in of_edge[edge] if found.virtual_ipaddress == vip)) for vip in vips
    }


@pytest.mark.parametrize(
    ("vips", "edges", "expected"),
    [
        pytest.param(["10.91.1.10"], 2, [["e1", "e2"]], id="one is on the first edge"),
        pytest.param(["10.91.1.10", "10.91.1.9"], 2, [["e1", "e2"], ["e2", "e1"]], id="two are on two"),
        pytest.param(["10.91.1.10", "10.91.1.9"], 1, [["e1"], ["e1"]], id="a lone edge has all"),
        pytest.param(["10.91.1.10", "10.91.1.9", "10.91.1.8"], 2, [["e1", "e2"], ["e2", "e1"], ["e1", "e2"]], id="the third begins again"),
        pytest.param(["10.91.1.10", "10.91.1.9"], 3, [["e1", "e2", "e3"], ["e2", "e3", "e1"]], id="who is next follows"),
        pytest.param(["10.91.1.10", "fd91:0:0:1::10"], 2, [["e1", "e2"], ["e1", "e2"]], id="the families go together"),
    ],
)
def test_several_addresses_share_the_edges(vips: list[str], edges: int, expected: list[list[str]]) -> None:
    assert list(owners(vips, edges).values()) == expected


def test_every_address_of_a_family_has_a_router_id_and_a_name_of_its_own() -> None:
    region = {**EAST, "vips": ["10.91.1.10", "10.91.1.9", "fd91:0:0:1::10", "fd91:0:0:1::9"]}
    found = config.instances([region], cases.MEMBERS, "east-edge1")
    assert [(each.name, each.virtual_router_id) for each in found] == [
        ("east-ipv4", 51),
        ("east-ipv4-2", 52),
        ("east-ipv6", 51),
        ("east-ipv6-2", 52),
    ]


def test_a_command_is_told_of_the_address_first() -> None:
    found = config.instances(cases.REGIONS, cases.MEMBERS, "east-edge1")
    text = config.render(found, router_id="x", interface="eth0", health_port=1, user="nobody", notify="/usr/local/sbin/tell west")
    assert '    notify "/usr/local/sbin/tell west 10.91.1.10"\n' in text


def test_a_region_without_a_vip_has_no_instance() -> None:
    assert config.instances([{**EAST, "vips": []}, WEST], cases.MEMBERS, "east-edge1") == []


def test_the_families_of_a_region_speak_to_each_other_in_their_own() -> None:
    ipv4, ipv6 = config.instances(cases.REGIONS, cases.MEMBERS, "east-edge1")
    assert (ipv4.unicast_src_ip, ipv4.unicast_peer) == ("10.91.1.11", ("10.91.1.12",))
    assert (ipv6.unicast_src_ip, ipv6.unicast_peer) == ("fd91:0:0:1::11", ("fd91:0:0:1::12",))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"vips": ["10.92.1.10"]}, r"VIP 10\.92\.1\.10 of east is in none of its networks"),
        ({"vips": ["10.91.1.300"]}, r"VIP 10\.91\.1\.300 of east is not an IP address"),
        ({"vrid": None}, "vrid of east must be 1 to 255, it is None"),
        ({"vrid": 256}, "vrid of east must be 1 to 255, it is 256"),
        ({"vrid": 52}, "west has vrid 52, but router id 52 is taken: east has 1 from 52 on"),
        ({"vips": ["10.91.1.10", "10.91.1.9"]}, "west has vrid 52, but router id 52 is taken: east has 2 from 51 on, one for each VIP of a family"),
        ({"vips": ["10.91.1.10", "10.91.1.9"], "vrid": 255}, "vrid 255 of east leaves no router id for each of its VIPs: the last would be 256"),
    ],
)
def test_a_region_that_vrrp_cannot_serve_is_refused(change: dict[str, Any], error: str) -> None:
    with pytest.raises(_cluster.ClusterError, match=f"mailcluster_regions: {error}"):
        config.instances([{**EAST, **change}, WEST], cases.MEMBERS, "east-edge1")


def test_an_edge_without_the_family_of_a_vip_is_named() -> None:
    of_tier = {"edge": [cases.MEMBERS["edge"][0], _cluster.Member("east-edge2", "east", ("10.91.1.12",))]}
    with pytest.raises(_cluster.ClusterError, match="mailcluster_addresses of east-edge2: an IPv6 address is required"):
        config.instances(cases.REGIONS, of_tier, "east-edge1")


def test_a_misspelt_instance_is_refused() -> None:
    with pytest.raises(_cluster.ClusterError, match=r"wrong or missing: .*prio"):
        config.Instance.from_dict({"name": "a", "prio": 1})


def test_the_unit_removes_every_address_that_a_killed_keepalived_leaves() -> None:
    text = config.unit_drop_in(config.instances(cases.REGIONS, cases.MEMBERS, "east-edge1"), interface="eth0")
    assert "ExecStopPost=-/usr/sbin/ip address del 10.91.1.10/32 dev eth0" in text
    assert "ExecStopPost=-/usr/sbin/ip address del fd91:0:0:1::10/128 dev eth0" in text


def test_the_unit_comes_back_however_often_it_dies() -> None:
    text = config.unit_drop_in([], interface="eth0")
    assert "[Unit]\nStartLimitIntervalSec=0" in text
    assert "Restart=always" in text


@pytest.fixture
def balancer() -> Iterator[socket.socket]:
    """The place of a balancer that refuses as long as it does not listen."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        place.settimeout(5)
        yield place


def checked(balancer: socket.socket) -> int:
    """The exit status of keepalived's check, negative for a signal that killed it."""
    return subprocess.run(shlex.split(config._check(balancer.getsockname()[1])), timeout=10, check=False).returncode


def answering(balancer: socket.socket, answer: bytes) -> None:
    connection, _client = balancer.accept()
    with connection, connection.makefile("rb") as asked:
        assert [asked.readline(), asked.readline()] == [b"GET /edge HTTP/1.0\n", b"\n"]
        connection.sendall(answer)


@pytest.mark.parametrize(("answers", "status"), [(["200"], 0), (["503", "200"], 0), (["503", "404", "503"], 1)])
def test_the_check_asks_thrice(balancer: socket.socket, answers: list[str], status: int) -> None:
    balancer.listen()
    with ThreadPoolExecutor() as pool:
        found = pool.submit(checked, balancer)
        for answer in answers:
            answering(balancer, f"HTTP/1.0 {answer} Something\r\n\r\n".encode())
        assert found.result() == status


def test_the_check_waits_for_a_balancer_that_was_killed(balancer: socket.socket) -> None:
    with ThreadPoolExecutor() as pool:
        found = pool.submit(checked, balancer)
        time.sleep(0.3)
        balancer.listen()
        answering(balancer, b"HTTP/1.0 200 OK\r\n\r\n")
        assert found.result() == 0


def test_the_check_fails_without_a_balancer(balancer: socket.socket) -> None:
    assert checked(balancer) == 1
