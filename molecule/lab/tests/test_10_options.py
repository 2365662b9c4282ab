# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges run with options that the lab leaves alone; what daemons promise about sessions, addresses and logs is kept."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import faults
import pytest
from client import converse_all, podman_exec, run_python
from testing import STRANGER, Entrance, Site, ansible, authority, codes, edges, entrances_of, letter, login, submission, the_site

pytestmark = pytest.mark.operation
ALICE, BOB = (f"{name}@{the_site().domain}" for name in ("alice", "bob"))
# The stranger is limited and banned; this one is a client of another address.
OTHER = "foreign-mx"
REGION = "east"
FIRST, SECOND = (node.name for node in the_site().tier("edge") if node.region == REGION)
VIP, VIP6 = (entrance.address for entrance in entrances_of(REGION))
SECOND_VIP = "10.91.1.13"
VIPS = [*(entrance.address for entrance in entrances_of() if entrance.family == 4), SECOND_VIP]
# New connections within ten seconds.
RATE = 40
NOTIFY, TOLD = "/usr/local/sbin/lab-notify", "/run/lab-notify"
STATISTICS = 12020
# Seconds from the death of a balancer until it is up again, which keepalived's check bridges.
IN_TIME = 0.7
# systemd knows whose line it is.
MAIL_LOG = ("journalctl", "--quiet", "--output=cat", "--unit=mailcluster-postfix@*", "--unit=dovecot")
SILENCE = 10
# The session ends when the file appears.
HELD = """
import os, smtplib, time
def held(address, port, until):
    with smtplib.SMTP(address, port, local_hostname="held.invalid", timeout=30) as client:
        client.ehlo()
        while not os.path.exists(until):
            time.sleep(0.05)
        return [client.noop()[0], time.time()]
"""
END = "/run/lab-end"
EXCHANGER = "west-mx1"
# So that the drain does not end before the session does, on a slow machine.
PATIENT = ("-e", "mailcluster_drain_timeout=120")


def chosen(site: Site) -> dict[str, Any]:
    regions = site.variables[FIRST]["mailcluster_regions"]
    return {
        # Router ids of its own: the one that its second address takes is the next region's.
        "mailcluster_regions": [
            {**region, "vips": [*region["vips"], SECOND_VIP], "vrid": region["vrid"] + 10} if region["name"] == REGION else region for region in regions
        ],
        "keepalived_notify": NOTIFY,
        "haproxy_client_rate": RATE,
        "mailcluster_monitoring_networks": [site.address(OTHER, family) for family in (4, 6)],
    }


@pytest.fixture(scope="module", autouse=True)
def optioned(site: Site) -> Iterator[None]:
    """The edges of the lab have the options until the last test of this module."""
    names = [node.name for node in site.tier("edge")]
    place = f"install -m 0755 /dev/stdin {NOTIFY}; install -o nobody -m 0600 /dev/null {TOLD}"
    try:
        faults.together(lambda name: podman_exec(name, "sh", "-ec", place, data=f'#!/bin/sh\necho "$@" >>{TOLD}\n'), names)
        edges(site, **chosen(site))
        yield
    finally:
        edges(site)
        faults.together(lambda name: podman_exec(name, "rm", "-f", NOTIFY, TOLD), names)
    assert eventually(lambda: SECOND_VIP not in owners(site))


def homes(site: Site) -> dict[str, str]:
    """Virtual address -> the edge that has it while all are well."""
    first = {node.region: node.name for node in reversed(site.tier("edge"))}
    return {**{entrance.address: first[entrance.region] for entrance in site.entrances}, SECOND_VIP: SECOND}


def owners(site: Site) -> dict[str, list[str]]:
    """Address -> the edges that have it, as their kernels say."""
    found: dict[str, list[str]] = {}
    for name, state in faults.health([node.name for node in site.tier("edge")]).items():
        for address in state["addresses"]:
            found.setdefault(address, []).append(name)
    return found


def eventually(fact: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether a fact comes true."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def module(site: Site, nodes: str, name: str, arguments: str = "") -> dict[str, dict[str, Any]]:
    """What a module of the collection returns, by node."""
    done = ansible("ansible", nodes, "-i", site.inventory, "-m", f"mailcluster.postfix.{name}", "-a", arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    _before, *parts = re.split(r"^(\S+) \| [A-Z]+ => ", done.stdout, flags=re.MULTILINE)
    return {node: json.loads(text) for node, text in zip(parts[::2], parts[1::2], strict=True)}


def greeted(client: str, addresses: Sequence[str], port: int = 587) -> list[bool]:
    """Whether each of these connections, made side by side, is greeted."""
    answers = converse_all(client, [{"address": address, "port": port, "timeout": 10} for address in addresses])
    return [codes(answer, "") == [220] for answer in answers]


def notified(edge: str) -> list[str]:
    """What keepalived has told the command of an edge: address, instance and state."""
    words = [line.split() for line in podman_exec(edge, "cat", TOLD).splitlines()]
    return [f"{address} {name} {state}" for address, _instance, name, state, _priority in words]


def seen(site: Site) -> dict[str, set[str]]:
    """Mail exchanger -> what haproxy_info says at the edges of its state."""
    found: dict[str, set[str]] = {}
    for told in module(site, "edge", "haproxy_info", "proxies=mx").values():
        for server in told["proxies"][0]["servers"]:
            found.setdefault(server["name"], set()).add(server["status"])
    return found


def test_second_address(site: Site) -> None:
    """A region with two IPv4 addresses has them on two edges, each address on one"""
    wanted = {address: [home] for address, home in homes(site).items()}
    assert eventually(lambda: wanted.items() <= owners(site).items()), owners(site)


def test_second_address_takes_mail() -> None:
    """A user submits mail at either of them"""
    entrance = entrances_of(REGION)[0]
    both = [Entrance(label=address, region=REGION, family=4, address=address, server_name=entrance.server_name) for address in (VIP, SECOND_VIP)]
    requests = [submission(one, 465, **login(ALICE), sender=ALICE, recipients=[BOB], message=letter(ALICE, BOB).text) for one in both]
    answers = converse_all(STRANGER, requests)
    assert [codes(answer, ".") for answer in answers] == [[250], [250]], answers


def test_statistics(site: Site) -> None:
    """A host that may monitor reads the figures of every edge over TLS, and no other host has an answer from there"""
    requests = [
        {
            "address": address,
            "port": STATISTICS,
            "protocol": "raw",
            "tls": "implicit",
            "server_name": node.name,
            "ca": authority(),
            "timeout": 2,
            "send": "GET /metrics HTTP/1.0\r\n\r\n",
        }
        for node in site.tier("edge")
        for address in node.addresses
    ]
    with ThreadPoolExecutor() as pool:
        told, refused = pool.map(lambda client: converse_all(client, requests), (OTHER, STRANGER))
    assert ["haproxy_process_uptime_seconds" in answer.get("received", "") for answer in told] == [True] * len(requests), told
    assert [answer["outcome"] for answer in refused] == ["timeout"] * len(requests), refused


def test_keepalived_info(site: Site) -> None:
    """keepalived_info tells of every edge which addresses it owns, as the kernels do"""
    there, region = owners(site), {node.name: node.region for node in site.nodes}
    found = {
        (address, node): (instance["owner"], instance["state"], instance["effective_priority"])
        for node, told in module(site, "edge", "keepalived_info").items()
        for instance in told["instances"]
        for address in instance["virtual_ipaddresses"]
    }
    assert found == {
        (address, node.name): (True, "MASTER", 200) if node.name in there[address] else (False, "BACKUP", 195)
        for address, home in homes(site).items()
        for node in site.tier("edge")
        if node.region == region[home]
    }


def test_haproxy_info(site: Site) -> None:
    """haproxy_info tells of every edge that all servers of the public services are well, those of other regions for the last resort"""
    tiers = {"mx": "mx", "submission": "submission", "submissions": "submission", "imaps": "mailbox"}
    found = {
        node: {proxy["name"]: {server["name"]: (server["status"], server["backup"]) for server in proxy["servers"]} for proxy in told["proxies"]}
        for node, told in module(site, "edge", "haproxy_info", "proxies=mx,submission,submissions,imaps").items()
    }
    assert found == {
        edge.name: {proxy: {node.name: ("UP", node.region != edge.region) for node in site.tier(tier)} for proxy, tier in tiers.items()}
        for edge in site.tier("edge")
    }


def test_notified(site: Site) -> None:
    """keepalived of an edge is stopped: the command of the next owner is told the address and MASTER, and of the first when it is back"""
    master = f"{VIP} {REGION}-ipv4 MASTER"
    before = {edge: notified(edge).count(master) for edge in (FIRST, SECOND)}
    podman_exec(FIRST, "systemctl", "stop", "keepalived")
    try:
        assert eventually(lambda: notified(SECOND).count(master) == before[SECOND] + 1), notified(SECOND)
        assert notified(FIRST).count(master) == before[FIRST]
    finally:
        podman_exec(FIRST, "systemctl", "start", "keepalived")
    assert eventually(lambda: notified(FIRST).count(master) == before[FIRST] + 1), notified(FIRST)


def test_silent_checks(site: Site) -> None:
    """Ten seconds in which nobody but the balancers asks leave no line in the mail log of any node, though each of them has one"""
    nodes = sorted({node.name for tier in ("mx", "submission", "relay", "mailbox") for node in site.tier(tier)})

    def said(*more: str) -> dict[str, list[str]]:
        return dict(zip(nodes, faults.together(lambda node: podman_exec(node, *MAIL_LOG, *more).splitlines(), nodes), strict=True))

    assert all(said("--lines=1").values())
    # What other tests have sent may still be on its way; a check comes every half second.
    assert eventually(lambda: not any(said(f"--since=-{SILENCE}s").values()), 3 * SILENCE), said(f"--since=-{SILENCE}s")
    states = {f"{node} {name}": state for node in nodes for name, state in faults.on_node(node, "servers").items() if name.endswith("-in/local")}
    assert {*states.values()} == {"UP"}, states


def test_banned(site: Site) -> None:
    """A client banned at one edge is refused at the addresses of all edges of both regions, and served again when the ban is lifted"""
    address = site.address(STRANGER, 4)
    ban = partial(module, site, FIRST, "haproxy_ban")
    try:
        told = ban(f"addresses={address} duration=60")[FIRST]["bans"]
        banned = greeted(STRANGER, VIPS), greeted(OTHER, VIPS)
    finally:
        ban(f"addresses={address} state=absent")
    assert [each["address"] for each in told] == [address]
    assert banned == ([False] * len(VIPS), [True] * len(VIPS))
    assert greeted(STRANGER, VIPS) == [True] * len(VIPS)


def test_rate() -> None:
    """Of one client, an edge serves as many new connections within ten seconds as the option says, and a client of another address all the same"""
    begun = time.monotonic()
    served = greeted(STRANGER, [SECOND_VIP] * (RATE + 20)).count(True)
    # On a slow machine, a part of the next ten seconds is in it.
    periods = 1 + (time.monotonic() - begun) / 10
    assert greeted(OTHER, [SECOND_VIP]) == [True]
    # Some were used up before.
    assert RATE - 10 <= served <= min(RATE * periods, RATE + 19)


def test_no_flapping(site: Site) -> None:
    """The balancer of an edge is killed five times, two seconds apart: its addresses stay if it is back in time, who tries again is greeted within 3 s"""
    times = ("systemctl", "show", "--property=ActiveEnterTimestampMonotonic,ActiveExitTimestampMonotonic", "haproxy")
    away = []
    assert owners(site)[VIP] == owners(site)[VIP6] == [FIRST]
    before = {edge: notified(edge) for edge in (FIRST, SECOND)}
    with ThreadPoolExecutor() as pool:
        knocking = [pool.submit(run_python, OTHER, faults.PROBER.read_text(), "knocks", address, 587, 13.0, 0.3) for address in (VIP, VIP6)]
        time.sleep(1)
        for _turn in range(5):
            faults.kill_daemons(FIRST, "haproxy")
            time.sleep(2)
            time_of = dict(line.split("=") for line in podman_exec(FIRST, *times).splitlines())
            away.append((int(time_of["ActiveEnterTimestampMonotonic"]) - int(time_of["ActiveExitTimestampMonotonic"])) / 1e6)
        knocks = [future.result() for future in knocking]
    # On a machine that is busy otherwise, to start one may take longer than keepalived's check waits.
    assert max(away) > IN_TIME or {edge: notified(edge) for edge in (FIRST, SECOND)} == before, away
    for told in knocks:
        # Or nothing was killed.
        assert not all(well for _begun, well in told)
        moments = [*(begun for begun, well in told if well), told[-1][0]]
        assert max(after - last for last, after in pairwise(moments)) < 3, told


def test_drained(site: Site) -> None:
    """The playbook drain waits for a session that a mail exchanger has through an edge, new ones go elsewhere, and haproxy_info says so"""
    names = [node.name for node in site.tier("mx")]

    def holders() -> list[str]:
        return [name for name in names if faults.on_node(name, "sessions")["mx-in/local"]]

    podman_exec(OTHER, "rm", "-f", END)
    assert eventually(lambda: not holders())
    with ThreadPoolExecutor() as pool:
        holding = pool.submit(run_python, OTHER, HELD, "held", VIP, 25, END)
        try:
            assert eventually(lambda: bool(holders()))
            (node,) = holders()
            draining = pool.submit(ansible, "ansible-playbook", "mailcluster.postfix.drain", "-i", site.inventory, "--limit", node, *PATIENT)
            assert eventually(lambda: faults.on_node(node, "servers")["serving/mx"] == "MAINT")
            assert eventually(lambda: seen(site)[node] == {"NOLB"}, 30), seen(site)
            before = faults.on_node(node, "sessions_total")["mx-in/local"]
            assert greeted(STRANGER, [VIP] * 5, 25) == [True] * 5
            assert faults.on_node(node, "sessions_total")["mx-in/local"] == before
            assert not draining.done()
            podman_exec(OTHER, "touch", END)
            code, ended = holding.result()
            done, seconds = draining.result(), time.time() - ended
            assert (code, done.returncode) == (250, 0), done.stdout + done.stderr
            assert seconds < 15
        finally:
            podman_exec(OTHER, "touch", END)
            pool.shutdown()
            podman_exec(OTHER, "rm", END)
            restored = ansible("ansible-playbook", "mailcluster.postfix.restore", "-i", site.inventory, "--limit", "mx")
    assert restored.returncode == 0, restored.stdout + restored.stderr


def test_no_restart_undrained(site: Site) -> None:
    """A change that Postfix takes by a restart only is refused on a node that serves: the same process goes on with the same configuration"""
    state = "cat /var/spool/postfix-mx/pid/master.pid; readlink /etc/postfix-mx; sha256sum /etc/postfix-mx/main.cf"
    before = podman_exec(EXCHANGER, "sh", "-ec", state)
    extra = json.dumps({"mx_main": {"inet_protocols": "ipv4"}})
    done = ansible("ansible-playbook", "mailcluster.postfix.mx", "-i", site.inventory, "--limit", EXCHANGER, "-e", extra)
    assert done.returncode != 0
    assert "inet_protocols changed needs a restart, and the node serves " in done.stdout
    assert podman_exec(EXCHANGER, "sh", "-ec", state) == before
