# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail of users to the world."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from client import converse_all, podman_exec
from testing import (
    FAMILIES,
    FRIEND,
    SENDER,
    STRANGER,
    Entrance,
    Site,
    codes,
    entrances_of,
    keywords,
    letter,
    login,
    reading,
    received,
    replies,
    submission,
    the_site,
)

ALICE, BOB = (f"{name}@{the_site().domain}" for name in ("alice", "bob"))
DOORS = [(entrance, port) for entrance in entrances_of() for port in (465, 587)]


@pytest.fixture(scope="module")
def departures() -> list[tuple[Entrance, int, dict[str, Any], dict[str, Any]]]:
    """A letter of alice through every submission door at once: what the door said, and what the foreign MX then held."""
    letters = [letter(ALICE, FRIEND) for _door in DOORS]
    answers = converse_all(
        STRANGER,
        [
            submission(entrance, port, **login(ALICE), sender=ALICE, recipients=[FRIEND], message=post.text)
            for (entrance, port), post in zip(DOORS, letters, strict=True)
        ],
    )
    stored = received([post.message_id for post in letters], wait=30)
    return [(entrance, port, answer, stored[post.message_id]) for (entrance, port), answer, post in zip(DOORS, answers, letters, strict=True)]


def test_accepted(departures: list[Any]) -> None:
    """A user who logs in submits mail on 465 and 587 of every VIP, over IPv4 and IPv6"""
    refused = [(str(entrance), port, answer) for entrance, port, answer, _stored in departures if codes(answer, ".") != [250]]
    assert not refused


def test_arrived(departures: list[Any]) -> None:
    """Submitted mail leaves by the relay tier and arrives once at the foreign MX"""
    wrong = [(str(entrance), port, len(stored["texts"])) for entrance, port, _answer, stored in departures if len(stored["texts"]) != 1]
    assert not wrong


def test_signed(site: Site, departures: list[Any]) -> None:
    """The foreign MX verifies both DKIM signatures, RSA and Ed25519, against DNS"""
    wanted = [{"algorithm": name, "domain": site.domain, "valid": True} for name in ("ed25519-sha256", "rsa-sha256")]
    wrong = [(str(entrance), port, stored["signatures"]) for entrance, port, _answer, stored in departures if stored["signatures"] != wanted]
    assert not wrong


def test_private(site: Site, departures: list[Any]) -> None:
    """Neither the user's address nor the login name is in the headers that arrive"""
    traces = ("laptop.invalid", "authenticated", *(site.address(STRANGER, family) for family in FAMILIES))
    heads = [text.partition("\n\n")[0].replace("\r", "").lower() for *_door, stored in departures for text in stored["texts"]]
    assert heads
    assert not [(trace, head) for trace in traces for head in heads if trace in head]


@pytest.mark.parametrize("family", FAMILIES)
def test_password(site: Site, family: int) -> None:
    """A wrong password and an unknown user are refused alike over IPv{family}: 535 and the same words"""
    doors = [entrance for entrance in site.entrances if entrance.family == family]
    users = (f"bob@{site.domain}", f"nobody@{site.domain}")
    answers = converse_all(STRANGER, [submission(door, 587, **login(user, "not this one")) for door in doors for user in users])
    said = [replies(answer, "AUTH") for answer in answers]
    assert [[code for code, _text in reply] for reply in said] == [[535]] * len(said), answers
    assert said[0::2] == said[1::2]


def test_login_needs_tls(site: Site) -> None:
    """AUTH is offered on 587 only within TLS"""
    answers = converse_all(STRANGER, [submission(entrance, 587) for entrance in site.entrances])
    told = [["AUTH" in offered for offered in keywords(answer)] for answer in answers]
    assert told == [[False, True]] * len(site.entrances), answers


def test_no_login_on_25(site: Site) -> None:
    """AUTH is offered on 25 neither before TLS nor within it, and refused"""
    answers = converse_all(STRANGER, [submission(entrance, 25, commands=["AUTH PLAIN AGFsaWNlAHg="]) for entrance in site.entrances])
    told = [(["AUTH" in offered for offered in keywords(answer)], codes(answer, "AUTH")[0] // 100) for answer in answers]
    assert told == [([False, False], 5)] * len(site.entrances), answers


@pytest.mark.parametrize("sender", [SENDER, ALICE, f"nobody@{the_site().domain}", ""])
def test_submission_needs_login(sender: str) -> None:
    """465 and 587 answer 530 to a stranger who claims to be <{sender}>"""
    answers = converse_all(
        STRANGER,
        [submission(entrance, port, sender=sender, recipients=[FRIEND], message="x") for entrance, port in DOORS],
    )
    said = [[reply for reply in replies(answer, "MAIL") + replies(answer, "RCPT") if reply[0] != 250] for answer in answers]
    assert [[code for code, _text in refused] for refused in said] == [[530]] * len(DOORS), answers


def test_submission_for_postmaster_needs_login() -> None:
    """465 and 587 take no message of a stranger for the bare postmaster, whom RCPT must accept"""
    answers = converse_all(
        STRANGER,
        [submission(entrance, port, sender=SENDER, recipients=["postmaster"], message="x") for entrance, port in DOORS],
    )
    assert [codes(answer, "DATA") for answer in answers] == [[530]] * len(DOORS), answers


def test_among_colleagues(site: Site) -> None:
    """What a user submits for a colleague reaches the mailbox, at every VIP"""
    letters = [letter(ALICE, BOB) for _entrance in site.entrances]
    sent = [
        submission(entrance, 587, **login(ALICE), sender=ALICE, recipients=[BOB], message=post.text)
        for entrance, post in zip(site.entrances, letters, strict=True)
    ]
    assert [codes(answer, ".") for answer in converse_all(STRANGER, sent)] == [[250]] * len(sent)
    found = converse_all(STRANGER, [reading(site.entrances[0], BOB, post.message_id) for post in letters])
    assert [len(answer.get("messages", ())) for answer in found] == [1] * len(sent), found


def test_mail_of_the_hosts(site: Site) -> None:
    """Mail of root on every node reaches the mailbox behind postmaster"""
    ids = {node: f"<{uuid.uuid4()}@{node}>" for node in site.nodes}
    for node, message_id in ids.items():
        podman_exec(node.name, "/usr/sbin/sendmail", "root", data=f"Subject: cron\nMessage-ID: {message_id}\n\nIt ran.\n")
    found = converse_all(STRANGER, [reading(site.entrances[0], ALICE, message_id) for message_id in ids.values()])
    missing = [str(node) for node, answer in zip(ids, found, strict=True) if len(answer.get("messages", ())) != 1]
    assert missing == []
