# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The banned clients of the edges."""

from __future__ import annotations

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import bans

NOW = 1_000_000
# As 2.6 and 3.0 answer.
TABLE = f"""# table: edges/bans, type: ipv6, size:102400, used:4
0x7fd13ee8bac8: key=::ffff:192.0.2.7 use=0 exp=1209600000 shard=0 gpt0={NOW + 600}
0x7fd13ee8bac9: key=2001:db8:7:: use=0 exp=1209600000 gpt0={NOW + 60}
0x7fd13ee8baca: key=::ffff:192.0.2.8 use=0 exp=1209600000 gpt0=0
0x7fd13ee8bacb: key=::ffff:192.0.2.9 use=0 exp=1209600000 gpt0={NOW - 1}

"""
BANS = {"192.0.2.7": NOW + 600, "2001:db8:7::": NOW + 60}


def test_only_bans_that_run_are_read() -> None:
    assert bans.parse(TABLE, now=NOW) == BANS


@pytest.mark.parametrize("answer", ["No such table\n", "", "Permission denied\n"])
def test_a_node_that_is_no_edge_is_an_error(answer: str) -> None:
    with pytest.raises(ValueError, match="bans are kept by the edges"):
        bans.parse(answer, now=NOW)


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:7:0:1:2:3:4", "2001:db8:7::"),
        ("2001:DB8:7:8::", "2001:db8:7:8::"),
    ],
)
def test_a_client_is_an_ipv4_address_or_a_64(address: str, client: str) -> None:
    assert bans.client(address) == client


@pytest.mark.parametrize("address", ["192.0.2.0/24", "localhost", "192.0.2.7; show info"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        bans.client(address)


@pytest.mark.parametrize(
    ("clients", "banned", "duration", "steps"),
    [
        pytest.param(["192.0.2.1"], True, 60, [bans.Step("192.0.2.1", NOW + 60)], id="a new one is banned"),
        pytest.param(["192.0.2.7"], True, 900, [], id="one whose ban lasts more than half as long stays as it is"),
        pytest.param(["192.0.2.7"], True, 3600, [bans.Step("192.0.2.7", NOW + 3600)], id="one whose ban ends soon is prolonged"),
        pytest.param(["192.0.2.7", "192.0.2.1"], False, 60, [bans.Step("192.0.2.7", 0)], id="only who is banned is forgiven"),
        pytest.param(["192.0.2.1", "192.0.2.1"], True, 60, [bans.Step("192.0.2.1", NOW + 60)], id="twice is once"),
        pytest.param([], True, 60, [], id="nobody"),
    ],
)
def test_only_what_differs_is_set(clients: list[str], banned: bool, duration: int, steps: list[bans.Step]) -> None:
    assert bans.plan(BANS, clients, banned=banned, duration=duration, now=NOW) == steps


@pytest.mark.parametrize(
    ("step", "command"),
    [
        (bans.Step("192.0.2.1", 5), "set table edges/bans key ::ffff:192.0.2.1 data.gpt0 5"),
        (bans.Step("2001:db8::", 0), "set table edges/bans key 2001:db8:: data.gpt0 0"),
    ],
)
def test_an_entry_is_set_and_never_deleted(step: bans.Step, command: str) -> None:
    assert step.command == command


def test_the_bans_after_the_steps_are_foretold() -> None:
    steps = [bans.Step("192.0.2.7", 0), bans.Step("192.0.2.1", NOW + 1)]
    assert bans.after(BANS, steps) == {"192.0.2.1": NOW + 1, "2001:db8:7::": NOW + 60}
