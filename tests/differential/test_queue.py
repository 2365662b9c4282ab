# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of a real instance of both releases: listed, selected, and moved by the commands that a plan makes."""

from __future__ import annotations

from typing import Any

import pytest
import queue_cases as cases
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import queue
from conftest import Container

CONFIG = "/etc/postfix-queue"
NAMES = list(cases.ENVELOPES)
AGAIN = "connect to mx.two.test[192.0.2.1]:25: Connection timed out"
# What is done one after the other: action, queues where the task names some, the messages asked for.
RUNNING: list[tuple[str, list[str] | None, list[int]]] = [
    ("hold", None, [0, 1]),
    ("hold", None, [1, 2]),
    ("release", None, [1, 3]),
    ("delete", ["deferred"], [0, 2]),
]
STOPPED: list[tuple[str, list[str] | None, list[int]]] = [
    ("requeue", None, [0, 1]),
    ("hold", None, [1, 3]),
    ("release", None, [3]),
    ("delete", None, [0, 1, 2, 3]),
]
FLUSH = [[4], [5]]


def message(number: int, *, name: str = "deferred") -> queue.Message:
    return queue.Message(name, f"number{number}")


def asked(action: str, queues: list[str] | None, numbers: list[int]) -> dict[str, Any]:
    """The command of a plan, with numbers of messages in place of their ids."""
    effect = queue.ACTIONS[action]
    sources = tuple(name for name in effect.sources if queues is None or name in queues)
    steps = queue.QueuePlan(action, tuple(message(number) for number in numbers), (), (), sources)
    ((argv, reads),) = queue.commands(CONFIG, steps)
    numbered = {message(number).queue_id: number for number in numbers}
    return {"argv": [numbered.get(word, word) for word in argv], "reads": [numbered[entry] for entry in reads.split()]}


@pytest.fixture(scope="session")
def postfix(container: Container) -> dict[str, Any]:
    question = {
        "config": CONFIG,
        "reason": cases.REASON,
        "again": AGAIN,
        "envelopes": [[sender, recipients] for sender, recipients, _listed in cases.ENVELOPES.values()],
        "running": [asked(*one) for one in RUNNING],
        "flush": [asked("flush", None, numbers) for numbers in FLUSH],
        "stopped": [asked(*one) for one in STOPPED],
    }
    answer = container.ask("ask_queue.py", question)
    assert isinstance(answer, dict)
    return answer


def by_id(text: str) -> dict[str, queue.Message]:
    return {one.queue_id: one for one in queue.parse(text)}


def criteria(**given: Any) -> queue.Selection:
    return queue.selection({**dict.fromkeys(queue.SELECTION), **given})


@pytest.mark.parametrize("name", NAMES)
def test_an_envelope_is_listed_as_it_was_given(postfix: dict[str, Any], name: str) -> None:
    _sender, recipients, listed = cases.ENVELOPES[name]
    found = by_id(postfix["running"]["out"])[postfix["ids"][NAMES.index(name)]]
    assert (found.queue_name, found.sender) == ("deferred", listed)
    assert sorted(found.recipients, key=lambda one: one.address) == [queue.Recipient(address, cases.REASON) for address in sorted(recipients)]
    assert found.message_size > len("Subject: x\n\nhello\n")


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        ({"senders": ["<>"]}, ["null"]),
        ({"senders": ["*"]}, NAMES),
        ({"senders": ["[*]@shop.test"]}, ["a star"]),
        ({"senders": ["JÖRG@*"]}, ["umlauts"]),
        ({"senders": ["*@[[]192.0.2.7]"], "recipients": ["bob@[[]192.0.2.1]"]}, ["a literal"]),
        ({"recipients": ["eve@*"], "reasons": ["*connection refused"]}, ["two recipients"]),
        ({"reasons": ["*timed out"]}, []),
        ({"min_age": 600}, []),
    ],
)
def test_a_real_listing_is_selected_from(postfix: dict[str, Any], options: dict[str, Any], selected: list[str]) -> None:
    messages = queue.parse(postfix["running"]["out"])
    now = max(one.arrival_time for one in messages) + 1
    found = {one.queue_id for one in queue.select(messages, criteria(**options), now)}
    assert found == {postfix["ids"][NAMES.index(name)] for name in selected}


def test_every_queue_id_is_taken_as_one(postfix: dict[str, Any]) -> None:
    assert criteria(queue_ids=postfix["ids"]).queue_ids == tuple(postfix["ids"])


@pytest.mark.parametrize(("ring", "done"), [(ring, number) for ring in ("acts", "stopped acts") for number in range(4)])
def test_postsuper_moves_what_the_plan_says_and_reports_each(postfix: dict[str, Any], ring: str, done: int) -> None:
    action, queues, numbers = {"acts": RUNNING, "stopped acts": STOPPED}[ring][done]
    before = postfix[ring][done - 1]["queues"] if done else where(postfix["running" if ring == "acts" else "stopped"]["out"], postfix["ids"])
    effect = queue.ACTIONS[action]
    sources = [name for name in effect.sources if queues is None or name in queues]
    moved = [number for number in numbers if before[number] in sources]
    answer = postfix[ring][done]
    assert answer["rc"] == 0
    assert queue.reported(action, answer["err"]) == {postfix["ids"][number] for number in moved}
    assert answer["queues"] == [effect.target if number in moved else name for number, name in enumerate(before)]


def where(text: str, ids: list[str]) -> list[str]:
    found = by_id(text)
    return [found[entry].queue_name if entry in found else "" for entry in ids]


def test_every_action_of_postsuper_moves_and_leaves_something(postfix: dict[str, Any]) -> None:
    moved = {action: 0 for action in queue.ACTIONS if action != "flush"}
    for (action, _queues, numbers), answer in zip([*RUNNING, *STOPPED], [*postfix["acts"], *postfix["stopped acts"]], strict=True):
        count = len(queue.reported(action, answer["err"]))
        moved[action] += count
        assert count <= len(numbers)
    assert {action for action, count in moved.items() if not count} == set()


@pytest.mark.parametrize("number", range(len(FLUSH)))
def test_only_the_named_message_is_tried_again(postfix: dict[str, Any], number: int) -> None:
    answer = postfix["flush"][number]
    tried = {one.queue_id for one in queue.parse(answer["listing"]) if any(found.delay_reason == AGAIN for found in one.recipients)}
    flushed = [postfix["ids"][entry] for entries in FLUSH[: number + 1] for entry in entries]
    assert (answer["rc"], answer["err"], tried) == (0, "", set(flushed))


def test_a_stopped_instance_is_listed_from_its_files_and_says_so(postfix: dict[str, Any]) -> None:
    stopped, last = postfix["stopped"], postfix["flush"][-1]
    assert (stopped["rc"], "Mail system is down" in stopped["err"], "Mail system is down" in postfix["running"]["err"]) == (0, True, False)
    assert by_id(stopped["out"]) == by_id(last["listing"])


def test_a_stopped_instance_flushes_nothing(postfix: dict[str, Any]) -> None:
    assert postfix["stopped flush"]["rc"] != 0


def test_an_instance_that_was_never_started_cannot_be_listed(postfix: dict[str, Any]) -> None:
    never = postfix["never started"]
    assert (never["rc"] != 0, never["out"], "Mail system is down" in never["err"]) == (True, "", True)
