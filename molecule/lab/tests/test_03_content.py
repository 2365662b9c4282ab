# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not come in, nor go out."""

from __future__ import annotations

import pytest
from client import converse_all
from testing import FRIEND, SENDER, STRANGER, Site, codes, letter, login, posting, submission

# In pieces, so that no scanner stops at this file.
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD" + "-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD" + "-ANTIVIRUS-TEST-FILE!$H+H*"
DANGERS = pytest.mark.parametrize(("name", "danger"), [("GTUBE", GTUBE), ("EICAR", EICAR)], ids=["GTUBE", "EICAR"])


@DANGERS
def test_refused_by_every_mx(site: Site, name: str, danger: str) -> None:
    """{name} is refused by every MX, at the VIPs and at its own addresses"""
    post = letter(SENDER, f"alice@{site.domain}", danger)
    answers = converse_all(STRANGER, [posting(post, address) for address in site.mx_addresses])
    taken = {address: codes(answer, ".") for address, answer in zip(site.mx_addresses, answers, strict=True)}
    assert taken == {address: [554] for address in site.mx_addresses}, answers


@DANGERS
def test_refused_by_submission(site: Site, name: str, danger: str) -> None:
    """{name} is refused from a user who logged in"""
    alice = f"alice@{site.domain}"
    post = letter(alice, FRIEND, danger)
    answers = converse_all(
        STRANGER,
        [
            submission(entrance, port, **login(alice), sender=alice, recipients=[post.recipient], message=post.text)
            for entrance in site.entrances
            for port in (465, 587)
        ],
    )
    assert [codes(answer, ".") for answer in answers] == [[554]] * len(answers), answers
