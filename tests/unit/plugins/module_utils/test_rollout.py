# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order nodes roll, and what the report says of them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.filter.rollout import rollout_record
from ansible_collections.mailcluster.postfix.plugins.module_utils import _rollout
from ansible_collections.mailcluster.postfix.plugins.module_utils._cluster import ClusterError, Member

TIERS = {
    "edge": ["e-edge1", "e-edge2", "w-edge1"],
    "mx": ["e-mx1", "e-mx2", "e-mx3", "w-mx1"],
    "mailbox": ["w-box1"],
}
MEMBERS = {tier: [Member(name, "east" if name[0] == "e" else "west", ("192.0.2.1",)) for name in names] for tier, names in TIERS.items()}
HOSTS = [name for names in TIERS.values() for name in names]
REGIONS = ["east", "west"]


def order(hosts: list[str] = HOSTS, **more: Any) -> list[list[str]]:
    return [list(batch.hosts) for batch in _rollout.batches(hosts, MEMBERS, regions=REGIONS, **more)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        pytest.param(
            {},
            [["e-mx1"], ["e-edge1"], ["e-mx2"], ["e-mx3"], ["e-edge2"], ["w-box1"], ["w-mx1"], ["w-edge1"]],
            id="a canary of every tier of the first region, then region by region, who is called before who calls",
        ),
        pytest.param(
            {"canaries": ["w-mx1"]},
            [["w-mx1"], ["e-mx1"], ["e-mx2"], ["e-mx3"], ["e-edge1"], ["e-edge2"], ["w-box1"], ["w-edge1"]],
            id="the canaries that were asked for",
        ),
        pytest.param(
            {"canaries": [], "size": 2},
            [["e-mx1", "e-mx2"], ["e-mx3"], ["e-edge1", "e-edge2"], ["w-box1"], ["w-mx1"], ["w-edge1"]],
            id="two at once, of one region",
        ),
        pytest.param(
            {"canaries": [], "size": 9},
            [["e-mx1", "e-mx2", "e-mx3"], ["e-edge1", "e-edge2"], ["w-box1"], ["w-mx1"], ["w-edge1"]],
            id="never a whole tier that has more than one",
        ),
        pytest.param(
            {"fresh": ["e-mx1", "w-box1"], "skip": TIERS["edge"]},
            [["e-mx2"], ["e-mx3"], ["w-mx1"], ["e-mx1"], ["w-box1"]],
            id="who is new after those that it calls",
        ),
        pytest.param({"skip": ["e-mx1", "e-mx3", *TIERS["edge"], "w-box1"]}, [["e-mx2"], ["w-mx1"]], id="without what is done"),
    ],
)
def test_the_order_of_a_roll(more: dict[str, Any], expected: list[list[str]]) -> None:
    assert order(**more) == expected


def test_a_roll_of_the_second_region_alone_has_its_canaries_there() -> None:
    found = _rollout.batches(["w-mx1", "w-edge1"], MEMBERS, regions=REGIONS)
    assert [(batch.hosts, batch.region, batch.tiers, batch.canary) for batch in found] == [
        (("w-mx1",), "west", ("mx",), True),
        (("w-edge1",), "west", ("edge",), True),
    ]


def test_a_tier_of_two_is_never_drained_whole() -> None:
    two = {"mx": MEMBERS["mx"][:2]}
    assert [batch.hosts for batch in _rollout.batches(["e-mx1", "e-mx2"], two, regions=REGIONS, canaries=[], size=2)] == [("e-mx1",), ("e-mx2",)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param({"size": 0}, "rollout_batch (site): must be 1 or more, it is 0", id="nobody at once"),
        pytest.param({"canaries": ["e-mx9"]}, "rollout_canaries (site): e-mx9: not among the nodes of the roll", id="a canary that is not there"),
    ],
)
def test_a_wrong_roll_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ClusterError) as error:
        order(**more)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([], None, id="nothing recorded"),
        pytest.param([("mx", "done", 10), ("mx", "done", 14), ("mx", "done", 11), ("edge", "done", 5)], 16, id="the median of each tier"),
        pytest.param([("mx", "done", 10)], 20, id="what others took, for a tier that never rolled"),
        pytest.param([("mx", "back", 99), ("mx", "done", 10)], 20, id="not what failed"),
    ],
)
def test_how_long_a_roll_takes(records: list[tuple[str, str, float]], expected: float | None) -> None:
    known = [{"tiers": [tier], "outcome": outcome, "seconds": {"drain": seconds - 1, "probe": 1}} for tier, outcome, seconds in records]
    assert _rollout.expected_seconds([{"tiers": ["mx"]}, {"tiers": ["edge"]}], known) == expected


def test_a_phase_lasts_until_the_next() -> None:
    assert _rollout.phases([["drain", "100.0"], ["configure", 103.26], ["end", 104.26]]) == {"drain": 3.3, "configure": 1.0}


def instance(name: str, active: str, **variables: Any) -> dict[str, Any]:
    return {"name": name, "active": active, "managed": True, "variables": {"main": {}, "services": [], **variables}}


def one_service(timeout: str, command: str) -> dict[str, Any]:
    return {"main": {"smtpd_timeout": timeout}, "services": [{"service": "smtp", "type": "inet", "command": command}]}


BEFORE = {"instances": [instance("postfix-mx", "aaa-111", **one_service("30s", "smtpd"))]}
AFTER = {"instances": [instance("postfix-mx", "bbb-111", **one_service("<i>60s", "postscreen"))]}


def test_the_difference_of_two_configurations_names_instance_parameters_and_services() -> None:
    lines = _rollout.configuration_diff(BEFORE, AFTER).splitlines()
    changed = [" ".join(line.split()) for line in lines if line[0] in "+-"]
    assert changed == [
        "--- before: postfix-mx",
        "+++ after: postfix-mx",
        "-smtpd_timeout = 30s",
        "-smtp inet n - n - - smtpd",
        "+smtpd_timeout = <i>60s",
        "+smtp inet n - n - - postscreen",
    ]


def test_equal_configurations_have_no_difference() -> None:
    assert _rollout.configuration_diff(BEFORE, BEFORE) == ""


def test_of_a_change_that_was_taken_back_the_record_shows_what_was_tried() -> None:
    tried = rollout_record([["drain", 0], ["end", 1]], BEFORE, BEFORE, tried=AFTER)
    assert tried["diff"] == _rollout.configuration_diff(BEFORE, AFTER, "tried")
    assert "+++ tried: " in tried["diff"]
    assert tried["before"] == tried["after"]
    assert rollout_record([["drain", 0], ["end", 1]], BEFORE, AFTER, tried={"msg": "failed"})["diff"] == _rollout.configuration_diff(BEFORE, AFTER)


def record(host: str, outcome: str, **more: Any) -> dict[str, Any]:
    return {"host": host, "outcome": outcome, "seconds": {"drain": 2.0, "configure": 5.0}, "before": {"postfix-mx": "a"}, "after": {"postfix-mx": "b"}, **more}


PLAN = {"run": "R1", "batches": [batch.as_dict() for batch in _rollout.batches(["e-mx1", "e-mx2", "w-mx1"], MEMBERS, regions=REGIONS)]}
STOPPED = [
    record("e-mx1", "done", deliveries={"attempts": 20, "deferred": 1}, diff=_rollout.configuration_diff(BEFORE, AFTER)),
    record("e-mx2", "back", error="Probe the node: 451 <b>try again", after={"postfix-mx": "a"}),
]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([], "planned: 3 nodes in 3 steps", id="before it begins"),
        pytest.param(STOPPED, "stopped at e-mx2: 1 of 3 nodes done, the others untouched", id="a node that failed"),
        pytest.param(STOPPED[:1], "under way or interrupted: 1 of 3 nodes done", id="half way"),
        pytest.param([record(host, "done") for host in ("e-mx1", "e-mx2", "w-mx1")], "done: all 3 nodes", id="the end"),
    ],
)
def test_a_roll_in_one_sentence(records: list[dict[str, Any]], expected: str) -> None:
    assert _rollout.outcome(PLAN, records) == expected


def test_the_text_has_a_line_for_each_node_then_errors_then_differences() -> None:
    lines = _rollout.as_text(PLAN, STOPPED).splitlines()
    cells = [[cell for cell in line.split("  ") if cell.strip()] for line in lines[3:6]]
    assert [[cell.strip() for cell in row] for row in cells] == [
        ["e-mx1 (canary)", "east", "mx", "done", "7.0", "2.0", "5.0", "postfix-mx a -> b", "1 of 20"],
        ["e-mx2", "east", "mx", "failed, put back and in service", "7.0", "2.0", "5.0", "postfix-mx a"],
        ["w-mx1", "west", "mx", "untouched"],
    ]
    assert lines[7] == "e-mx2: Probe the node: 451 <b>try again"
    assert "+smtpd_timeout = <i>60s" in lines


class Page(HTMLParser):
    """What a browser makes of the page: its text, and its elements that were opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_stands_alone_and_shows_what_was_said_as_it_was_said() -> None:
    page = Page()
    page.feed(_rollout.as_html(PLAN, STOPPED))
    assert (page.open, page.links) == ([], [])
    text = "".join(page.text)
    assert "Probe the node: 451 <b>try again" in text
    assert "+smtpd_timeout = <i>60s" in text
