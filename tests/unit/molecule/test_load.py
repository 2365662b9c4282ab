# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import load
import pytest
from ledger import DSN, QUEUE, Sighting, Transaction

FAULT = 100.0


def entry(begun: float, *, name: str = "<1>", code: int = 250, command: str = ".", **more: Any) -> Transaction:
    return Transaction(**{"id": name, "begun": begun, "ended": begun + 0.1, "command": command, "code": code, "recipient": "alice@x.test", **more})


def judged(*entries: Transaction, seen: list[tuple[str, float]] | None = None, **more: Any) -> load.Account:
    found = [Sighting(id=name, time=when) for name, when in seen or ()]
    return load.account(entries, found, FAULT, **more)


@pytest.mark.parametrize(
    ("begun", "arrived", "before", "later", "in_flight"),
    [
        pytest.param(90.0, 92.0, 2.0, 0.0, 0, id="before the fault"),
        pytest.param(99.0, 104.0, 0.0, 0.0, 1, id="under way when it came"),
        pytest.param(101.0, 106.0, 0.0, 5.0, 0, id="after it"),
    ],
)
def test_a_wait_counts_by_when_the_message_began(begun: float, arrived: float, before: float, later: float, in_flight: int) -> None:
    seen = judged(entry(begun), seen=[("<1>", arrived)])
    assert (seen.before, seen.later, seen.in_flight) == (before, later, in_flight)


@pytest.mark.parametrize(
    ("begun", "arrived", "more", "strays"),
    [
        pytest.param(90.0, 92.0, {}, ("<1>",), id="before the fault"),
        pytest.param(99.0, 99.7, {}, (), id="just arrived when it came"),
        pytest.param(99.0, 104.0, {}, (), id="under way when it came"),
        pytest.param(101.0, 106.0, {}, ("<1>",), id="after it"),
        pytest.param(103.0, 102.0, {"earlier": (entry(101.0, code=354, command="DATA", dotted=True, error="reset"),)}, (), id="after it, in doubt"),
    ],
)
def test_what_came_twice_was_under_way(begun: float, arrived: float, more: dict[str, Any], strays: tuple[str, ...]) -> None:
    others = entry(90.0, name="<2>"), entry(99.5, name="<3>")
    seen = judged(*others, entry(begun, **more), seen=[("<1>", arrived), ("<1>", arrived), ("<2>", 91.0), ("<3>", 101.0)])
    assert (seen.twice, seen.strays) == (1, strays)


def test_a_message_waits_from_its_first_attempt() -> None:
    first = entry(101.0, code=451)
    seen = judged(entry(103.0, earlier=(first,)), seen=[("<1>", 104.0)])
    assert (seen.later, seen.again, seen.given_up, round(seen.troubled, 1)) == (3.0, 1, 0, 1.1)


def test_a_mailbox_that_was_away_counts_for_itself() -> None:
    seen = judged(entry(101.0), entry(101.0, name="<2>", recipient="bob@x.test"), seen=[("<1>", 130.0), ("<2>", 102.0)], homes={"alice@x.test"})
    assert (seen.home, seen.later) == (29.0, 1.0)


def test_what_never_came_has_waited_until_the_end() -> None:
    seen = judged(entry(101.0), entry(120.0, name="<2>"), seen=[("<2>", 121.0)])
    assert (seen.lost, seen.later) == (("<1>",), 20.0)


@pytest.mark.parametrize(
    ("transaction", "name"),
    [
        (entry(101.0, code=451), "again"),
        (entry(101.0, code=0, command="", error="refused"), "unanswered"),
        (entry(101.0, code=0, command="DATA", dotted=True), "unanswered"),
        (entry(101.0, code=550), "refused"),
    ],
)
def test_each_failure_has_its_name(transaction: Transaction, name: str) -> None:
    seen = judged(transaction)
    assert {one for one in ("again", "unanswered", "refused") if getattr(seen, one)} == {name}


@pytest.mark.parametrize(
    ("place", "name"),
    [(QUEUE, "queued"), (DSN, "returned")],
)
def test_what_came_to_another_place_has_a_name(place: str, name: str) -> None:
    seen = load.account([entry(101.0)], [Sighting(id="<1>", where=place)], FAULT)
    assert {one for one in ("queued", "returned", "lost") if getattr(seen, one)} == {name}


def test_silence_is_the_longest_time_without_an_acknowledgement_after_the_fault() -> None:
    seen = judged(entry(90.0), entry(100.4, name="<2>"), entry(104.4, name="<3>"))
    assert round(seen.silence, 1) == 4.0


@pytest.mark.parametrize(
    ("account", "told"),
    [
        (load.Account(), []),
        (load.Account(twice=1, in_flight=1), []),
        (load.Account(twice=2, in_flight=2, strays=("<1>",)), ["1 came twice without being under way: <1>"]),
        (load.Account(lost=("<1>",)), ["1 lost: <1>"]),
        (load.Account(before=1.0, later=4.0), []),
        (load.Account(before=1.0, later=4.5), ["a later message waited 3.5 s longer than any before"]),
        (load.Account(before=1.0, home=99.0), []),
        (load.Account(refused=1), ["1 refused for good"]),
        (load.Account(given_up=1), ["1 not handed over"]),
    ],
)
def test_the_promise_is_judged(account: load.Account, told: list[str]) -> None:
    assert account.problems() == told
