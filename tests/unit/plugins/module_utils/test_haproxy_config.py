# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HAProxy's configuration: golden files of whole nodes, and the properties that must not break."""

from __future__ import annotations

from typing import Any

import cluster_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster
from ansible_collections.mailcluster.postfix.plugins.module_utils._cluster import ClusterError
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import config

PUBLIC = ("mx", "submissions", "submission", "imaps")


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


ENDS = "default-server on-marked-down shutdown-sessions"


@pytest.mark.parametrize("door", ["relay-out", "milter-out"])
def test_a_local_door_ends_the_sessions_of_a_dead_server_and_of_who_waits_for_it(door: str) -> None:
    assert listens("east-mx1")[door].lines[-2:] == ("filter trace quiet", ENDS)


@pytest.mark.parametrize(
    ("node", "door"), [("east-mx1", "lmtp-out-east-mailbox1"), ("east-mailbox1", "lmtp-in"), ("east-mailbox1", "imap-in"), ("east-edge1", "imaps")]
)
def test_a_session_with_the_only_node_of_a_mailbox_outlives_a_check_that_fails(node: str, door: str) -> None:
    listen = listens(node)[door]
    defaults, _own, _rest = cases.haproxy_text(node).partition("\nlisten ")
    assert [line for line in (*listen.lines, *defaults.splitlines()) if "on-marked-down" in line] == []


def test_the_probe_of_an_edge_takes_the_way_of_clients_and_is_the_edge_itself() -> None:
    listen = listens("east-edge1")["mx"]
    assert listen.binds[-1] == "127.0.0.1:11025 name probe accept-proxy"
    assert "tcp-request session reject if { so_name probe } !{ src 10.91.1.11 fd91:0:0:1::11 }" in listen.lines


@pytest.mark.parametrize(("service", "ends"), [("mx", True), ("submissions", True), ("submission", True), ("imaps", False)])
def test_an_edge_ends_the_sessions_that_another_server_can_take(service: str, ends: bool) -> None:
    assert (ENDS in listens("east-edge1")[service].lines) is ends


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
    found = listens("east-submission1")
    server = found[f"{service}-in"].servers[0].split()
    asking = server[server.index("track") + 1].removesuffix("/local") if "track" in server else f"{service}-in"
    asked = [line for line in found[asking].lines if line.startswith("tcp-check connect") or "VERSION" in line]
    assert asked == ["tcp-check connect port 10265", "tcp-check connect port 10266", "tcp-check expect string VERSION"]


@pytest.mark.parametrize(("node", "door"), [("east-mx1", "mx-in"), ("east-relay1", "relay-in"), ("east-submission1", "submissions-in")])
def test_a_postfix_is_well_while_it_takes_the_first_steps_of_a_mail(node: str, door: str) -> None:
    said = [line.split('"')[1].removesuffix("\\r\\n") for line in listens(node)[door].lines if line.startswith("tcp-check send")]
    assert said == ["HELO localhost", "MAIL FROM:<>", "RCPT TO:<mailcluster-health>", "QUIT"]


@pytest.mark.parametrize(
    ("node", "asking"),
    [("east-mx1", ["mx-in"]), ("east-submission1", ["submissions-in"]), ("east-mailbox1", ["imaps-in"]), ("east-filter1", ["milter-in", "valkey-in"])],
)
def test_what_is_well_by_the_same_answer_is_asked_once(node: str, asking: list[str]) -> None:
    assert [name for name, listen in listens(node).items() if any(" check port " in server for server in listen.servers)] == asking


def guarded(service: str = "mx", **limits: Any) -> list[str]:
    found = config.listens(cases.PORTS, cases.MEMBERS, "east-edge1", cases.REGIONS, limits=config.Limits(**limits))
    return [line for listen in found if listen.name == service for line in listen.lines if line.startswith("tcp-request")]


@pytest.mark.parametrize("service", PUBLIC)
def test_a_banned_client_is_turned_away_from_every_service(service: str) -> None:
    assert "tcp-request connection reject if { src,ipmask(32,64),table_gpt0(edges/bans),sub(sess.now) gt 0 }" in guarded(service)


def test_exempt_networks_are_let_in_before_anything_is_judged() -> None:
    assert guarded(exempt=("10.0.0.0/8", "fd00::/8"))[0] == "tcp-request connection accept if { src 10.0.0.0/8 fd00::/8 }"


@pytest.mark.parametrize(
    ("limits", "words", "there"),
    [
        ({}, "sc0_conn_cur(clients) gt 500", True),
        ({}, "sc0_conn_rate(clients) gt 1000", True),
        ({"connections": 0}, "sc0_conn_cur", False),
        ({"rate": 0}, "sc0_conn_rate", False),
        ({"rate": 0}, "track-sc0", True),
        ({"rate": 0, "connections": 0}, "track-sc0", False),
        ({"rate": 0, "connections": 0}, "edges/bans", True),
    ],
)
def test_a_limit_of_0_is_none(limits: dict[str, int], words: str, there: bool) -> None:
    assert any(words in line for line in guarded(**limits)) is there


@pytest.mark.parametrize("door", ["mx-in", "internal-out", "relay-out"])
def test_no_node_is_limited(door: str) -> None:
    found = config.listens(cases.PORTS, cases.ALONE, "alone", cases.REGIONS)
    assert not [line for listen in found if listen.name == door for line in listen.lines if line.startswith("tcp-request")]


def test_the_edges_of_all_regions_share_their_bans_in_mutual_tls() -> None:
    edges = listens("east-edge2")["edges"]
    assert edges.section == "peers"
    assert [server.split()[0] for server in edges.servers] == ["east-edge1", "east-edge2", "west-edge1"]
    assert [server for server in edges.servers if "verifyhost" not in server] == ["east-edge2"]
    assert all("verify required" in line for line in (*edges.binds, edges.lines[0]))


def test_the_edge_knows_its_name_among_them() -> None:
    assert "\n    localpeer east-edge1\n" in cases.haproxy_text("east-edge1")
    assert "localpeer" not in cases.haproxy_text("east-mx1")


@pytest.mark.parametrize(
    ("networks", "binds", "allowed"),
    [
        ([], ["127.0.0.1:12020"], "127.0.0.0/8"),
        (["192.0.2.0/24"], ["127.0.0.1:12020", "10.91.1.21:12020", "ipv6@fd91:0:0:1::21:12020"], "127.0.0.0/8 192.0.2.0/24"),
    ],
)
def test_statistics_are_for_the_node_and_who_is_named(networks: list[str], binds: list[str], allowed: str) -> None:
    found = {each.name: each for each in config.listens(cases.PORTS, cases.MEMBERS, "east-mx1", cases.REGIONS, monitoring_networks=networks)}
    assert [bind.split()[0] for bind in found["statistics"].binds] == binds
    assert all(" ssl " in bind for bind in found["statistics"].binds[1:])
    assert f"http-request deny unless {{ src {allowed} }}" in found["statistics"].lines


def sharing(*instances: dict[str, Any]) -> dict[str, config.Listen]:
    ports = _cluster.all_ports(cases.PORTS, [{"tier": "mx", "offset": 3000, **each} for each in instances])
    return {listen.name: listen for listen in config.listens(ports, cases.MEMBERS, "east-edge1", cases.REGIONS)}


def weights(listen: config.Listen) -> dict[str, int]:
    return {words[0]: int(words[words.index("weight") + 1]) for server in listen.servers for words in [server.split()]}


def test_a_beta_gets_its_share_of_the_clients_of_its_tier() -> None:
    found = sharing({"name": "beta", "share": 5})
    assert weights(found["mx"]) == {
        "east-mx1": 95, "east-mx2": 95, "west-mx1": 95, "east-mx1-mx-beta": 5, "east-mx2-mx-beta": 5, "west-mx1-mx-beta": 5,
    }  # fmt: skip
    assert "balance roundrobin" in found["mx"].lines
    assert "10.91.1.21:15025" in found["mx"].servers[3]


def test_two_betas_leave_the_rest() -> None:
    assert weights(sharing({"name": "one", "share": 5}, {"name": "two", "share": 10, "offset": 6000})["mx"])["east-mx1"] == 85


def test_a_beta_is_watched_by_its_own_health() -> None:
    found = sharing({"name": "beta", "share": 5})
    assert found["mx-beta"].section == "backend"
    assert "option httpchk GET /mx-beta" in found["mx-beta"].lines
    assert "track mx-beta/east-mx1 " in found["mx"].servers[3]


def test_a_beta_with_a_public_port_has_its_frontend_as_well() -> None:
    found = sharing({"name": "beta", "share": 5, "public": {"mx": 2525}})
    assert found["mx-beta"].section == "listen"
    assert "east-mx1-mx-beta" in weights(found["mx"])


def test_an_instance_without_a_share_changes_nothing() -> None:
    assert sharing({"name": "beta"})["mx"] == listens("east-edge1")["mx"]


def test_offload_ends_tls_at_the_edge_with_the_public_certificate() -> None:
    found = {each.name: each for each in config.listens(cases.PORTS, cases.MEMBERS, "east-edge1", cases.REGIONS, tls_offload=["imaps"])}
    assert all("ssl crt /etc/mailcluster/tls/service.pem" in bind for bind in found["imaps"].binds)
    assert all(f"sni str({server.split()[0]})" in server for server in found["imaps"].servers)
    assert not any(" ssl " in bind for bind in found["submissions"].binds)


@pytest.mark.parametrize(("node", "door"), [("east-mailbox1", "imaps-in"), ("east-submission1", "submissions-in")])
def test_a_daemon_speaks_tls_with_its_own_node_for_an_edge_that_has_ended_it(node: str, door: str) -> None:
    listen = listens(node)[door]
    assert listen.lines[-2:] == ("use-server tls if { ssl_fc_has_sni }", "use-server local if TRUE")
    assert [" ssl verify none " in server for server in listen.servers] == [False, True]


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("submission", "submission begins in clear text, and only its daemon can begin TLS; possible are submissions, imaps"),
        ("mx", "mx begins in clear text, and only its daemon can begin TLS; possible are submissions, imaps"),
        ("lmtp", "lmtp is no service for clients; possible are submissions, imaps"),
        ("pop3s", "pop3s is no service for clients; possible are submissions, imaps"),
    ],
)
def test_what_cannot_be_offloaded_is_refused(service: str, reason: str) -> None:
    with pytest.raises(ClusterError, match=f"haproxy_tls_offload: {reason}"):
        config.listens(cases.PORTS, cases.MEMBERS, "east-edge1", cases.REGIONS, tls_offload=[service])


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
        (config.Listen("a", lines=("stick-table type ip size 1",)), "backend"),
        (config.Listen("a", mode="peers", binds=("*:1",), servers=("b 127.0.0.1:2",)), "peers"),
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
