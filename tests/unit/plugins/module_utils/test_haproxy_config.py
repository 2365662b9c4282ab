# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's configuration: golden files of whole nodes, and the properties that must not break."""

from __future__ import annotations

import cluster_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._cluster import ClusterError
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import config


def listens(node: str, *, password: bool = True) -> dict[str, config.Listen]:
    found = config.listens(cases.PORTS, cases.MEMBERS, node, cases.REGIONS, valkey_password=password)
    return {listen.name: listen for listen in found}


@pytest.mark.parametrize("node", cases.HAPROXY_GOLDEN)
def test_the_configuration_of_a_node_is_the_golden_one(node: str) -> None:
    assert cases.haproxy_text(node) == (cases.GOLDEN / f"haproxy/{node}.cfg").read_text(encoding="utf-8")


@pytest.mark.parametrize("node", cases.HAPROXY_GOLDEN[:-1])
def test_only_callers_with_a_certificate_pass_an_address_of_the_node(node: str) -> None:
    doors = [bind for name, listen in listens(node).items() if name.endswith("-in") or name == "health" for bind in listen.binds]
    assert all("verify required" in bind or bind.startswith("127.") for bind in doors)


@pytest.mark.parametrize("node", cases.HAPROXY_GOLDEN[:-1])
def test_every_server_of_another_node_is_verified_by_name(node: str) -> None:
    servers = [server.split() for listen in listens(node).values() if listen.defaults == "peers" for server in listen.servers]
    assert servers
    assert all(server[server.index("verifyhost") + 1] == server[0] for server in servers)


@pytest.mark.parametrize(
    ("node", "door", "accepts", "sends"),
    [
        ("east-mx1", "mx-in", True, "send-proxy"),
        ("east-submission1", "submission-in", True, "send-proxy"),
        ("east-relay1", "relay-in", False, "send-proxy"),
        ("east-mailbox1", "imaps-in", True, "send-proxy-v2"),
        ("east-mailbox1", "imap-in", False, None),
        ("east-mailbox1", "lmtp-in", False, None),
        ("east-filter1", "milter-in", False, None),
    ],
)
def test_a_daemon_sees_the_address_that_the_port_map_says(node: str, door: str, accepts: bool, sends: str | None) -> None:
    listen = listens(node)[door]
    assert all(("accept-proxy" in bind.split()) is accepts for bind in listen.binds)
    assert [word for word in listen.servers[0].split() if word.startswith("send-proxy")] == ([sends] if sends else [])


@pytest.mark.parametrize(("service", "sends"), [("mx", True), ("submissions", True), ("imaps", True), ("relay-out", False)])
def test_an_edge_passes_on_the_address_of_the_client(service: str, sends: bool) -> None:
    assert all(("send-proxy-v2" in server.split()) is sends for server in listens("east-edge1")[service].servers)


def test_local_doors_end_the_sessions_of_a_dead_server() -> None:
    doors = [listen for name, listen in listens("east-mx1").items() if "-out" in name]
    assert doors
    assert all("default-server on-marked-down shutdown-sessions" in door.lines for door in doors)


@pytest.mark.parametrize(
    ("tiers", "share"),
    [
        pytest.param(["mx"], 80, id="one public service has four fifths"),
        pytest.param(["mx", "submission"], 26, id="three share them"),
        pytest.param(["edge", "mx"], 40, id="what the edge itself serves passes twice"),
    ],
)
def test_the_public_frontends_share_four_fifths_of_the_connections(tiers: list[str], share: int) -> None:
    of_tier = {tier: cases.MEMBERS[tier] for tier in tiers} | {"edge": cases.MEMBERS["edge"]}
    if "edge" in tiers:
        of_tier["mx"] = cases.MEMBERS["edge"]
    found = config.listens(cases.PORTS, of_tier, "east-edge1", cases.REGIONS, maxconn=100)
    limits = {line for listen in found for line in listen.lines if line.startswith("maxconn")}
    assert limits == {f"maxconn {share}"}


@pytest.mark.parametrize("name", ["health", "submission-in", "relay-out"])
def test_peers_and_the_health_have_no_limit_of_their_own(name: str) -> None:
    of_tier = cases.ALONE
    found = {listen.name: listen for listen in config.listens(cases.PORTS, of_tier, "alone", cases.REGIONS)}
    assert not [line for line in found[name].lines if line.startswith("maxconn")]


@pytest.mark.parametrize("service", ["submission", "submissions"])
def test_a_submission_node_is_well_only_while_its_logins_are_answered(service: str) -> None:
    lines = listens("east-submission1")[f"{service}-in"].lines
    asked = [line for line in lines if line.startswith("tcp-check")]
    assert asked == ["tcp-check connect port 10265", "tcp-check connect port 10266", "tcp-check expect string VERSION"]


@pytest.mark.parametrize("service", ["imaps", "imap"])
def test_an_idle_imap_session_outlives_its_29_minutes(service: str) -> None:
    assert "timeout server 35m" in listens("east-mailbox1")[f"{service}-in"].lines


def test_the_password_of_valkey_is_in_the_environment_only() -> None:
    assert any("${MAILCLUSTER_VALKEY_PASSWORD}" in line for line in listens("east-filter1")["valkey-in"].lines)


def test_a_valkey_without_a_password_is_asked_without() -> None:
    assert not any("AUTH" in line for line in listens("east-filter1", password=False)["valkey-in"].lines)


@pytest.mark.parametrize(
    ("node", "flags"),
    [
        ("east-edge1", ["edge"]),
        ("east-filter1", ["milter"]),
        ("east-mailbox1", ["imaps", "imap", "lmtp"]),
    ],
)
def test_what_can_be_drained_has_a_flag(node: str, flags: list[str]) -> None:
    assert [server.split()[0] for server in listens(node)["serving"].servers] == flags


def test_only_an_edge_answers_keepalived() -> None:
    answering = [node for node in ("east-edge1", "east-mx1") if "127.0.0.1:12026" in listens(node)["health"].binds]
    assert answering == ["east-edge1"]


@pytest.mark.parametrize(
    ("address", "text"),
    [("10.91.1.10", "10.91.1.10:25"), ("fd91::10", "ipv6@fd91::10:25")],
)
def test_a_socket_address_spells_its_family(address: str, text: str) -> None:
    assert config.socket_address(address, 25) == text


@pytest.mark.parametrize(
    ("listen", "section"),
    [
        (config.Listen("a", binds=("*:1",), servers=("b 127.0.0.1:2",)), "listen"),
        (config.Listen("a", binds=("*:1",)), "frontend"),
        (config.Listen("a", servers=("b 127.0.0.1:2",)), "backend"),
    ],
)
def test_a_proxy_is_the_section_of_what_it_has(listen: config.Listen, section: str) -> None:
    assert listen.section == section


def test_a_proxy_survives_the_way_through_variables() -> None:
    found = list(listens("east-mx1").values())
    assert [config.Listen.from_dict(listen.as_dict()) for listen in found] == found


@pytest.mark.parametrize(
    ("value", "error"),
    [({"name": "a", "server": []}, "a has no key server"), ({"binds": []}, "without a name")],
)
def test_a_misspelt_proxy_is_refused(value: dict[str, object], error: str) -> None:
    with pytest.raises(ClusterError, match=error):
        config.Listen.from_dict(value)


def test_extra_text_comes_last() -> None:
    assert config.render([], config.Settings(extra="listen x\n  bind :1")).endswith("\nlisten x\n  bind :1\n")
