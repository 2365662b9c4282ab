# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail from the world to a mailbox, and read there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from client import converse_all
from testing import (
    HELLO,
    SENDER,
    STRANGER,
    Entrance,
    Letter,
    Site,
    codes,
    converse,
    entrances_of,
    letter,
    parsed,
    posting,
    reading,
    the_site,
)

ALICE, BOB, BOTH = (f"{name}@{the_site().domain}" for name in ("alice", "bob", "info"))


@dataclass(frozen=True)
class Arrival:
    """Letters sent in at one entrance, and what the mailboxes hold of them, by the entrance they were read at."""

    letters: list[Letter]
    answers: list[dict[str, Any]]
    read: list[tuple[Entrance, Letter, dict[str, Any]]]


@pytest.fixture(scope="module")
def arrival(entrance: Entrance) -> Arrival:
    letters = [letter(SENDER, mailbox) for mailbox in (ALICE, BOB)]
    answers = converse_all(STRANGER, [posting(post, entrance.address) for post in letters])
    views = [(view, post) for view in entrances_of() if view.family == entrance.family for post in letters]
    found = converse_all(STRANGER, [reading(view, post.recipient, post.message_id) for view, post in views])
    return Arrival(letters, answers, [(view, post, answer) for (view, post), answer in zip(views, found, strict=True)])


def test_delivered(entrance: Entrance, arrival: Arrival) -> None:
    """Mail from a foreign client to {entrance} reaches the mailboxes of both regions and is read over IMAPS at every VIP"""
    assert [codes(answer, ".") for answer in arrival.answers] == [[250], [250]], arrival.answers
    missing = [(str(view), post.recipient, answer) for view, post, answer in arrival.read if len(answer.get("messages", ())) != 1]
    assert not missing


def test_scanned(entrance: Entrance, arrival: Arrival) -> None:
    """What came in at {entrance} was scanned: its SPF result is in the stored message"""
    for _view, post, answer in arrival.read:
        results = parsed(answer["messages"][0]).get_all("Authentication-Results", [])
        assert any("spf=pass" in result for result in results), (post.recipient, answer["messages"])


def test_client_address(site: Site, entrance: Entrance, arrival: Arrival) -> None:
    """What came in at {entrance} shows the client's own address in Received, none of a balancer"""
    for _view, post, answer in arrival.read:
        received = parsed(answer["messages"][0]).get_all("Received", [])
        first = next((line for line in received if HELLO in line), "")
        address = site.address(STRANGER, entrance.family)
        assert f"[{address}]" in first.replace("[IPv6:", "["), (post.recipient, received)


def test_alias(site: Site) -> None:
    """Mail to the alias info reaches every mailbox behind it"""
    post = letter(SENDER, BOTH)
    assert codes(converse(STRANGER, posting(post, site.entrances[0].address)), ".") == [250]
    found = converse_all(STRANGER, [reading(site.entrances[0], mailbox, post.message_id) for mailbox in (ALICE, BOB)])
    assert [len(answer["messages"]) for answer in found] == [1, 1], found
