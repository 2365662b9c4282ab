# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stranger gets no relay, and only mailboxes that exist."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from client import converse_all, open_ports
from testing import HELLO, SENDER, STRANGER, Site, codes, letter, posting, the_site

DOMAIN = the_site().domain
VICTIM = "victim@foreign.test"
SENDERS = (SENDER, "", f"alice@{DOMAIN}")
# RFC 5321, RFC 822 and folklore: each would leave the site if anything took it.
FORMS = {
    "plain": VICTIM,
    "trailing dot": "victim@foreign.test.",
    "percent hack": f"victim%foreign.test@{DOMAIN}",
    "bare percent hack": "victim%foreign.test",
    "bang path": "foreign.test!victim",
    "bang path at home": f"foreign.test!victim@{DOMAIN}",
    "source route": f"@{DOMAIN}:victim@foreign.test",
    "quoted whole": '"victim@foreign.test"',
    "quoted local part": f'"victim@foreign.test"@{DOMAIN}',
    "quoted percent hack": f'"victim%foreign.test"@{DOMAIN}',
    "two at signs": f"victim@foreign.test@{DOMAIN}",
    "address literal": f"victim@[{the_site().address('foreign-mx', 4)}]",
    "IPv6 address literal": f"victim@[IPv6:{the_site().address('foreign-mx', 6)}]",
    "percent hack at a literal": f"victim%foreign.test@[{the_site().entrances[0].address}]",
    "percent hack at localhost": "victim%foreign.test@localhost",
}


def batches(forms: Sequence[str], most: int = 8) -> list[Sequence[str]]:
    """Parts of less than smtpd_soft_error_limit, after which smtpd(8) sleeps before each reply."""
    return [forms[start : start + most] for start in range(0, len(forms), most)]


@pytest.fixture(scope="module")
def doors(site: Site) -> list[tuple[str, int]]:
    """Every address of the site at which a stranger finds a mail port open."""
    addresses = [entrance.address for entrance in site.entrances] + [address for node in site.nodes for address in node.addresses]
    return sorted(open_ports(STRANGER, sorted(set(addresses)), [25, 465, 587]))


def attempt(address: str, port: int, sender: str, forms: Sequence[str]) -> dict[str, Any]:
    """A few address forms after MAIL, one conversation."""
    request = {
        "address": address,
        "port": port,
        "timeout": 40,
        "hello": HELLO,
        "verify": False,
        "tls": {25: "none", 465: "implicit", 587: "starttls"}[port],
    }
    return {**request, "commands": [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{form}>" for form in forms)]}


@pytest.mark.parametrize("sender", SENDERS, ids=["stranger", "null", "own-domain"])
def test_no_relay(doors: list[tuple[str, int]], sender: str) -> None:
    """No form of address makes any VIP or node relay for the sender <{sender}>: 5xx to each"""
    attempts = [(door, forms) for door in doors for forms in batches(list(FORMS.values()))]
    answers = converse_all(STRANGER, [attempt(*door, sender, forms) for door, forms in attempts], seconds=120)
    open_doors = {
        (door, form): codes(answer, f"RCPT TO:<{form}>")
        for (door, forms), answer in zip(attempts, answers, strict=True)
        for form in forms
        if not all(500 <= code < 600 for code in codes(answer, f"RCPT TO:<{form}>"))
    }
    assert not open_doors
    assert [len(codes(answer, "RCPT")) for answer in answers] == [len(forms) for _door, forms in attempts], answers


def test_unknown_recipient(site: Site) -> None:
    """Every MX refuses an unknown recipient at RCPT with 550 and takes a known one"""
    post = letter(SENDER, f"nobody@{site.domain}")
    requests = [{**posting(post, address), "recipients": [post.recipient, f"bob@{site.domain}"], "message": None} for address in site.mx_addresses]
    answers = converse_all(STRANGER, requests)
    assert {address: codes(answer, "RCPT") for address, answer in zip(site.mx_addresses, answers, strict=True)} == {
        address: [550, 250] for address in site.mx_addresses
    }, answers
