# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edges end the TLS of clients, and the daemons behind them know the sessions for secure."""

from __future__ import annotations

from collections.abc import Iterator

import faults
import pytest
from client import converse_all
from testing import STRANGER, Letter, Site, codes, edges, entrances_of, letter, login, reading, submission, the_site

pytestmark = pytest.mark.operation
ALICE, BOB = (f"{name}@{the_site().domain}" for name in ("alice", "bob"))
CHOSEN = {"haproxy_tls_offload": ["imaps", "submissions"]}


def sessions(site: Site) -> dict[str, int]:
    """How many sessions of IMAP the mailbox nodes had, by the server that their balancers chose."""
    found = [faults.on_node(node.name, "sessions_total") for node in site.tier("mailbox")]
    return {kind: sum(counted[f"imaps-in/{kind}"] for counted in found) for kind in ("tls", "local")}


@pytest.fixture(scope="module")
def offloaded(site: Site) -> Iterator[dict[str, int]]:
    """The edges of the lab end TLS, until the last test of this module; what the mailbox nodes had counted before."""
    try:
        edges(site, **CHOSEN)
        yield sessions(site)
    finally:
        edges(site)


@pytest.fixture(scope="module")
def letters() -> list[Letter]:
    return [letter(ALICE, BOB) for _entrance in entrances_of()]


@pytest.mark.usefixtures("offloaded")
def test_submitted(letters: list[Letter]) -> None:
    """A user logs in on 465 of every VIP where the edge ends TLS, and submits mail"""
    sent = zip(entrances_of(), letters, strict=True)
    requests = [submission(entrance, 465, **login(ALICE), sender=ALICE, recipients=[BOB], message=post.text) for entrance, post in sent]
    answers = converse_all(STRANGER, requests)
    assert [codes(answer, ".") for answer in answers] == [[250]] * len(answers), answers


@pytest.mark.usefixtures("offloaded")
def test_read(letters: list[Letter]) -> None:
    """The same mail is read over IMAPS at every VIP where the edge ends TLS"""
    found = converse_all(STRANGER, [reading(entrance, BOB, post.message_id) for entrance, post in zip(entrances_of(), letters, strict=True)])
    assert [len(answer.get("messages", ())) for answer in found] == [1] * len(letters), found


def test_ended_at_the_edge(site: Site, offloaded: dict[str, int]) -> None:
    """The daemons spoke TLS with the balancer of their own node, in every session that an edge handed on"""
    more = {kind: count - offloaded[kind] for kind, count in sessions(site).items()}
    assert (more["tls"] >= len(entrances_of()), more["local"]) == (True, 0), more
