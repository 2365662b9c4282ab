# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
import queue_cases as cases
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import queue
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from queue_cases import NOW, entry, listing

MESSAGES = queue.parse(cases.QUEUE)


def criteria(**given: Any) -> queue.Selection:
    return queue.selection({**dict.fromkeys(queue.SELECTION), **given})


def last(messages: Any) -> str:
    return "".join(message.queue_id[-1] for message in messages)


def planned(action: str, *, limit: int = 100, everything: bool = False, **given: Any) -> queue.QueuePlan:
    return queue.plan(MESSAGES, criteria(**given), action, now=NOW, limit=limit, everything=everything)


def test_the_oldest_message_comes_first() -> None:
    assert [message.queue_id for message in MESSAGES] == cases.EVERY


def test_an_empty_queue_is_no_message() -> None:
    assert queue.parse("") == []


def test_a_message_that_moved_during_the_listing_counts_where_it_was_seen_last() -> None:
    found = queue.parse(listing(entry("AAAAA1", queue="active"), entry("AAAAA1", queue="deferred")))
    assert [(message.queue_id, message.queue_name) for message in found] == [("AAAAA1", "deferred")]


@pytest.mark.parametrize("separator", ["\u2028", "\u0085", "\x1c"])
def test_a_separator_of_lines_inside_an_address_splits_nothing(separator: str) -> None:
    text = listing(entry("AAAAA1", sender=f"a{separator}b@one.test"))
    assert [message.sender for message in queue.parse(text)] == [f"a{separator}b@one.test"]


def test_the_null_sender_is_known_by_what_the_instance_shows_for_it() -> None:
    text = listing(entry("AAAAA1", sender="MAILER-DAEMON"), entry("AAAAA2", sender="NOBODY"))
    assert [message.sender for message in queue.parse(text, empty_address="NOBODY")] == ["MAILER-DAEMON", "<>"]


def test_members_of_later_releases_do_no_harm() -> None:
    later = entry("AAAAA1") | {"recipients": [{"orig_address": "o@two.test", "address": "x@two.test", "bounce_reason": "no"}], "more": 1}
    assert queue.parse(listing(later))[0].recipients == (queue.Recipient("x@two.test"),)


@pytest.mark.parametrize("line", ["mail queue is empty", '{"queue_name": "hold"}', "[1]", "7", '{"queue_name": "hold", "que'])
def test_what_is_no_entry_is_an_error_with_its_line(line: str) -> None:
    with pytest.raises(ConfigError, match=r"postqueue -j, line 2: not an entry of the queue: "):
        queue.parse(listing(entry("AAAAA1")) + line)


@pytest.mark.parametrize("name", cases.SELECTIONS)
def test_a_selection_selects(name: str) -> None:
    options, selected = cases.SELECTIONS[name]
    assert last(queue.select(MESSAGES, criteria(**options), NOW)) == selected


@pytest.mark.parametrize("name", cases.REFUSED)
def test_a_selection_that_cannot_be_meant_is_refused(name: str) -> None:
    options, message = cases.REFUSED[name]
    with pytest.raises(ConfigError) as refused:
        criteria(**options)
    assert message in str(refused.value)


def test_a_clock_that_was_set_back_makes_nothing_younger_than_new() -> None:
    assert queue.parse(listing(entry("AAAAA1", age=-30)))[0].age(NOW) == 0


def test_totals_count_messages_bytes_and_the_oldest() -> None:
    assert queue.totals(MESSAGES, NOW) == {"messages": 6, "bytes": 2100, "oldest_age": 9000}


def test_every_queue_has_totals_also_an_empty_one() -> None:
    found = queue.by_queue(MESSAGES[:2], NOW)
    assert found["deferred"] == {"messages": 2, "bytes": 300, "oldest_age": 9000}
    assert {name: found[name]["messages"] for name in queue.QUEUES} == {"maildrop": 0, "active": 0, "incoming": 0, "deferred": 2, "hold": 0}


def test_a_message_is_told_with_the_names_of_postqueue() -> None:
    assert queue.describe(MESSAGES[1], NOW) == {
        "queue_name": "deferred",
        "queue_id": "AAAAA2",
        "arrival_time": NOW - 600,
        "age": 600,
        "message_size": 200,
        "forced_expire": False,
        "sender": "<>",
        "recipients": [{"address": "jimbob@two.test", "delay_reason": "connect to mx.two.test[192.0.2.1]:25: Connection timed out"}],
    }


@pytest.mark.parametrize("action", queue.ACTIONS)
def test_an_action_touches_what_it_can_move_and_leaves_the_rest(action: str) -> None:
    steps = planned(action, everything=True)
    assert (last(steps.touched), last(steps.unaffected)) == cases.TOUCHED[action]


@pytest.mark.parametrize("action", queue.ACTIONS)
@pytest.mark.parametrize("given", [{}, {"min_age": 0}, {"senders": None}])
def test_nothing_said_never_means_everything(action: str, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"nothing says which messages to {action}"):
        planned(action, **given)


@pytest.mark.parametrize("option", ["queues", "queue_ids", "senders", "recipients", "reasons"])
def test_a_list_that_turned_out_empty_touches_nothing(option: str) -> None:
    assert not planned("delete", **{option: []}).changed


@pytest.mark.parametrize("option", ["queues", "queue_ids", "senders", "recipients", "reasons"])
def test_everything_goes_with_no_criterion(option: str) -> None:
    with pytest.raises(ConfigError, match="all: takes no criterion beside it"):
        planned("delete", everything=True, **{option: []})


def test_a_selection_beyond_the_limit_is_refused_with_its_number() -> None:
    with pytest.raises(ConfigError, match="limit: would delete 6 messages, and the limit is 5: nothing was touched"):
        planned("delete", everything=True, limit=5)


def test_a_selection_at_the_limit_is_taken() -> None:
    assert len(planned("delete", everything=True, limit=6).touched) == 6


def test_what_is_left_alone_does_not_count_for_the_limit() -> None:
    assert last(planned("hold", queues=["hold", "active"], limit=1).touched) == "3"


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="limit: -1 is no number of messages"):
        planned("hold", everything=True, limit=-1)


def test_ids_that_are_not_in_the_queue_are_gone_once_each() -> None:
    steps = planned("delete", queue_ids=["BBBBB1", "AAAAA1", "BBBBB1"])
    assert (last(steps.touched), steps.gone) == ("1", ("BBBBB1",))


def test_an_id_that_another_criterion_excludes_is_not_gone() -> None:
    steps = planned("delete", queue_ids=["AAAAA1"], senders=["<>"])
    assert (steps.touched, steps.gone) == ((), ())


def test_the_diff_shows_queues_and_no_address() -> None:
    assert planned("hold", queues=["deferred"]).diff == {
        "before": "AAAAA1: deferred\nAAAAA2: deferred\n",
        "after": "AAAAA1: hold\nAAAAA2: hold\n",
    }


def test_deleted_messages_are_in_no_queue_afterwards() -> None:
    assert planned("delete", queues=["hold"]).diff == {"before": "AAAAA4: hold\n", "after": ""}


@pytest.mark.parametrize(
    ("action", "option", "queues"),
    [
        ("hold", "-h", ["deferred"]),
        ("release", "-H", []),
        ("requeue", "-r", ["deferred", "hold"]),
        ("delete", "-d", ["maildrop", "deferred", "hold"]),
    ],
)
def test_postsuper_is_confined_to_the_selected_queues_and_reads_ids(action: str, option: str, queues: list[str]) -> None:
    steps = planned(action, queues=["maildrop", "deferred"] if action == "hold" else ["maildrop", "deferred", "hold"])
    ((command, ids),) = queue.commands("/etc/postfix-mx", steps)
    assert command == ("postsuper", "-c", "/etc/postfix-mx", option, "-", *(queues or ["hold"]))
    assert ids.split() == [message.queue_id for message in steps.touched]


def test_deferred_messages_are_flushed_one_by_one_and_all_of_them_at_once() -> None:
    one = queue.commands("/etc/postfix-mx", planned("flush", queues=["deferred"]))
    assert one == [(("postqueue", "-c", "/etc/postfix-mx", "-i", entry), "") for entry in ("AAAAA1", "AAAAA2")]
    assert queue.commands("/etc/postfix-mx", planned("flush", everything=True)) == [(("postqueue", "-c", "/etc/postfix-mx", "-f"), "")]


@pytest.mark.parametrize("action", queue.ACTIONS)
def test_nothing_to_do_is_no_command(action: str) -> None:
    assert queue.commands("/etc/postfix-mx", planned(action, queue_ids=["BBBBB1"])) == []


def test_only_what_postsuper_reports_is_done() -> None:
    text = "postsuper: AAAAA1: placed on hold\npostsuper: warning: AAAAA2: removed\npostsuper: Placed on hold: 1 message\n"
    assert queue.reported("hold", text) == {"AAAAA1"}


def test_what_left_the_queue_in_between_is_gone() -> None:
    came = queue.left(planned("hold", queue_ids=["AAAAA1", "AAAAA2", "BBBBB1"]), {"AAAAA2"})
    assert (last(came.touched), came.gone) == ("2", ("BBBBB1", "AAAAA1"))
