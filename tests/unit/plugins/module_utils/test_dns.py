# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of a site, their zone text and what changes in a zone, as tables."""

from __future__ import annotations

from typing import Any

import cluster_cases as cases
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster, _dns
from dns_cases import EAST, WEST, records, zone_text

GOLDEN = cases.GOLDEN / "dns"


def values(kind: str, name: str, **site: Any) -> list[str]:
    return [record.value for record in records(**site) if (record.type, record.name) == (kind, name)]


@pytest.mark.parametrize("name", ["two_regions", "west_withdrawn", "cloud"])
def test_the_zone_of_a_site_is_the_one_that_was_reviewed(name: str) -> None:
    assert zone_text(name) == (GOLDEN / f"{name}.zone").read_text(encoding="ascii")


def test_every_region_has_its_share_of_the_mail_unless_told_otherwise() -> None:
    assert values("MX", "example.test") == ["10 mail.east.example.test.", "10 mail.west.example.test."]


def test_a_region_is_preferred_by_its_preference() -> None:
    found = values("MX", "example.test", regions=[cases.REGIONS[0], {**cases.REGIONS[1], "mx_preference": 20}])
    assert found == ["10 mail.east.example.test.", "20 mail.west.example.test."]


def test_nothing_but_its_own_name_leads_to_a_withdrawn_region() -> None:
    out = records(withdrawn=["west"])
    assert {record.name for record in out if record.value in WEST} == {"mail.west.example.test"}
    assert [record for record in out if record.type == "MX" and "west" in record.value] == []


def test_a_withdrawn_region_changes_no_record_that_is_cached_for_long() -> None:
    long = [[record for record in records(withdrawn=out) if record.ttl == 3600] for out in ([], ["west"])]
    assert long[0] == long[1] != []


@pytest.mark.parametrize(
    ("site", "addresses"),
    [
        pytest.param({}, EAST, id="its virtual addresses"),
        pytest.param({"vips": False}, ("10.91.1.11", "10.91.1.12", "fd91:0:0:1::11", "fd91:0:0:1::12"), id="its edges without virtual addresses"),
        pytest.param({"public": {"east-edge1": ["203.0.113.5"]}}, ("203.0.113.5",), id="the public address of an edge before its virtual ones"),
    ],
)
def test_a_region_is_met_at(site: dict[str, Any], addresses: tuple[str, ...]) -> None:
    assert (*values("A", "mail.east.example.test", **site), *values("AAAA", "mail.east.example.test", **site)) == addresses


def test_a_region_without_an_edge_takes_no_mail() -> None:
    found = records(vips=False, without=["west-edge1"])
    assert [record for record in found if "mail.west" in record.name + record.value] == []


@pytest.mark.parametrize(
    ("site", "error"),
    [
        ({"withdrawn": ["north"]}, r"^mailcluster_dns_withdrawn \(site\): north is no region$"),
        ({"withdrawn": ["east", "west"]}, r"^mailcluster_dns_withdrawn \(site\): without east, west no region takes mail$"),
        ({"vips": False, "without": list(cases.HOSTS["edge"])}, r"^mailcluster_regions \(site\): no region has a virtual address or an edge"),
        ({"regions": [{**cases.REGIONS[0], "mx_preference": 65536}]}, r"^mailcluster_regions \(east\): mx_preference 65536 is outside 0 to 65535$"),
        ({"public": {"east-edge1": ["mail.example.test"]}}, r"^mailcluster_regions \(east\): mail.example.test is no address$"),
        ({"zones": ["example.net"]}, r"^mailcluster_dns_zones \(site\): .*mail.example.test is in none of the zones example.net"),
    ],
)
def test_a_site_that_the_world_could_not_reach_is_refused(site: dict[str, Any], error: str) -> None:
    with pytest.raises(_cluster.ClusterError, match=error):
        records(**site)


@pytest.mark.parametrize(
    ("host", "names"),
    [
        pytest.param({}, {"east-relay1.example.test": "10.91.1.41", "west-relay1.example.test": "10.91.2.41"}, id="the node's"),
        pytest.param({"mailcluster_hostname": "Out.example.test"}, {"out.example.test": "10.91.1.41", "west-relay1.example.test": "10.91.2.41"}, id="set"),
        pytest.param(
            {"relay_host_main": {"smtp_helo_name": "out.example.test", "smtp_bind_address": "192.0.2.1"}},
            {"out.example.test": "192.0.2.1", "west-relay1.example.test": "10.91.2.41"},
            id="of the host's parameters",
        ),
        pytest.param(
            {"relay_main": {"smtp_helo_name": "$myhostname"}, "mailcluster_public_addresses": ["192.0.2.1"]},
            {"east-relay1.example.test": "192.0.2.1", "west-relay1.example.test": "10.91.2.41"},
            id="by translation",
        ),
    ],
)
def test_a_relay_says_a_name_that_leads_to_its_address(host: dict[str, Any], names: dict[str, str]) -> None:
    hostvars = {**cases.HOSTVARS, "east-relay1": {**cases.HOSTVARS["east-relay1"], **host}}
    found = _dns.senders(cases.MEMBERS["relay"], hostvars, "example.test")
    assert {sender.name: sender.addresses[0] for sender in found} == names


def test_a_further_instance_sends_from_its_own_address_under_its_own_name() -> None:
    here = {"relay_host_instances": {"bulk": {"main": {"smtp_bind_address": "192.0.2.44", "smtp_helo_name": "bulk.example.test"}}}}
    hostvars = {**cases.HOSTVARS, "east-relay1": {**cases.HOSTVARS["east-relay1"], **here}}
    found = _dns.senders(cases.MEMBERS["relay"][:1], hostvars, "example.test", [{"name": "bulk", "tier": "relay"}, {"name": "bulk", "tier": "mx"}])
    assert found == (
        _dns.Sender("east-relay1.example.test", ("10.91.1.41", "fd91:0:0:1::41")),
        _dns.Sender("bulk.example.test", ("192.0.2.44", "fd91:0:0:1::41")),
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("out.example.test", {"A", "TXT"}, id="of its own"),
        pytest.param("mail.example.test", {"TXT"}, id="that clients use: its addresses stay theirs"),
        pytest.param("example.test", set(), id="of a mail domain: two policies would be an error"),
        pytest.param("out.example.com", set(), id="of somebody else's zone"),
    ],
)
def test_a_name_said_in_ehlo(name: str, found: set[str]) -> None:
    usual = set(records(senders=()))
    # The policies of the mail domains name the address, too.
    added = [record for record in records(senders=[_dns.Sender(name, ("192.0.2.1",))]) if record not in usual and record.ttl == 3600]
    assert {record.type for record in added if record.name == name and record.value.endswith("-all")} | {
        record.type for record in added if record.type == "A"
    } == found


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("example.org", "example.org"),
        ("mail.example.org", "example.org"),
        ("a.lists.example.org", "lists.example.org"),
        ("badexample.org", None),
        ("org", None),
    ],
)
def test_a_record_goes_to_the_longest_zone_that_has_its_name(name: str, zone: str | None) -> None:
    assert _dns.zone_of(name, ["example.org", "lists.example.org"]) == zone


@pytest.mark.parametrize(
    ("text", "strings"),
    [
        ("v=spf1 -all", '"v=spf1 -all"'),
        ("", '""'),
        ('say "no" \\ maybe', r'"say \"no\" \\ maybe"'),
        ("a;b", '"a;b"'),
        ("ü\n", r'"\195\188\010"'),
        ("x" * 255, f'"{"x" * 255}"'),
        ("x" * 256, f'"{"x" * 255}" "x"'),
        ("x" * 254 + "ü", f'"{"x" * 254}\\195" "\\188"'),
    ],
)
def test_a_text_is_quoted_and_cut_as_a_zone_file_wants_it(text: str, strings: str) -> None:
    assert _dns.quoted(text) == strings


def record(kind: str, value: str, name: str = "example.test", ttl: int = 60) -> _dns.Record:
    return _dns.Record("example.test", name, kind, ttl, value)


def planned(wanted: list[_dns.Record], present: list[_dns.Record]) -> dict[tuple[str, str], tuple[int, set[str]]]:
    """Name and type -> TTL and values after, of what has to change."""
    sets: dict[_dns.SetName, _dns.RecordSet] = {}
    for each in present:
        name = (each.zone, each.name, each.type)
        sets[name] = _dns.RecordSet(each.ttl, sets.get(name, _dns.RecordSet()).values | {each.value})
    found = _dns.changes(_dns.wanted_sets(wanted), sets)
    return {(change.name, change.type): (change.after.ttl, set(change.after.values)) for change in found}


SPF, OLD_SPF, PROOF = record("TXT", "v=spf1 -all"), record("TXT", "V=SPF1 +all"), record("TXT", "site-verification=1")
EAST_MX, WEST_MX = record("MX", "10 east."), record("MX", "10 west.")
V4, V6 = record("A", "192.0.2.1"), record("AAAA", "2001:db8::1")


@pytest.mark.parametrize(
    ("wanted", "present", "changed"),
    [
        pytest.param([EAST_MX], [EAST_MX], {}, id="what is there is left alone"),
        pytest.param([EAST_MX, WEST_MX], [WEST_MX, EAST_MX], {}, id="in whatever order"),
        pytest.param([EAST_MX], [], {("example.test", "MX"): (60, {"10 east."})}, id="what is missing comes"),
        pytest.param([EAST_MX], [EAST_MX, WEST_MX], {("example.test", "MX"): (60, {"10 east."})}, id="a region that is out goes"),
        pytest.param([EAST_MX], [record("MX", "10 east.", ttl=61)], {("example.test", "MX"): (60, {"10 east."})}, id="a TTL is told from another"),
        pytest.param([V4], [V4, V6], {("example.test", "AAAA"): (0, set())}, id="an old address of the other family goes"),
        pytest.param([V4, V6], [V4, V6], {}, id="both families stay"),
        pytest.param([SPF], [SPF, PROOF], {}, id="a text of others is no difference"),
        pytest.param([SPF], [OLD_SPF, PROOF], {("example.test", "TXT"): (60, {"v=spf1 -all", "site-verification=1"})}, id="a text of others stays"),
        pytest.param(
            [record("TXT", "v=DKIM1; p=new", "s._domainkey.example.test")],
            [record("TXT", "p=old", "s._domainkey.example.test")],
            {("s._domainkey.example.test", "TXT"): (60, {"v=DKIM1; p=new"})},
            id="a key in whatever form is replaced",
        ),
        pytest.param([EAST_MX], [EAST_MX, record("MX", "10 x.", "other.example.test")], {}, id="a name that is not the site's is left alone"),
    ],
)
def test_in_a_zone(wanted: list[_dns.Record], present: list[_dns.Record], changed: dict[tuple[str, str], tuple[int, set[str]]]) -> None:
    assert planned(wanted, present) == changed


def known(**site: Any) -> tuple[_dns.Region, ...]:
    return _dns.regions(cases.REGIONS, cases.MEMBERS, cases.HOSTVARS, **site)


@pytest.mark.parametrize(
    ("region", "members", "withdrawn", "drained", "errors"),
    [
        pytest.param("west", {}, [], {"east-mx1": [], "west-mx1": []}, [], id="goes when all is well"),
        pytest.param("west", {}, [], {"west-mx1": ["mx"]}, [], id="goes on going after a run that stopped half way"),
        pytest.param("north", {}, [], {}, ["drill_region: 'north' is no region; there are east, west"], id="that is none"),
        pytest.param("east", {}, ["west"], {}, ["drill_region: without east no region takes mail"], id="that is the last one"),
        pytest.param("west", {}, [], {"east-mx1": ["mx", "internal"]}, ["east-mx1: mx, internal drained or not answering"], id="while others are drained"),
        pytest.param(
            "east",
            {"filter": [cases.MEMBERS["filter"][0]]},
            [],
            {},
            ["drill_region: without east nobody is left in tier filter"],
            id="with the only nodes of a tier",
        ),
        pytest.param("east", {"mailbox": [cases.MEMBERS["mailbox"][0]]}, [], {}, [], id="with the only mailboxes, which go on serving"),
    ],
)
def test_a_region(region: str, members: dict[str, Any], withdrawn: list[str], drained: dict[str, list[str]], errors: list[str]) -> None:
    assert _dns.drill_errors(region, known(withdrawn=withdrawn), {**cases.MEMBERS, **members}, drained) == errors


def test_the_report_says_where_mail_goes_and_how_many_nodes_serve() -> None:
    drained = {"west-mx1": ["mx", "internal"], "west-edge1": ["edge"], "east-mx1": []}
    assert _dns.region_report(known(withdrawn=["west"]), cases.MEMBERS, drained) == [
        "region  in DNS  mailbox  filter  relay  submission  mx   edge  addresses",
        "east    MX 10   1/1      1/1     1/1    1/1         2/2  2/2   10.91.1.10 fd91:0:0:1::10",
        "west    out     1/1      1/1     1/1    1/1         0/1  0/1   10.91.2.10 fd91:0:0:2::10",
    ]
