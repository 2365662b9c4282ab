# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _queue
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.modules import postqueue_info
from test_postqueue import Postfix, postfix

__all__ = ["postfix"]
DIED = "postqueue: fatal: malformed showq server response\n"


def spool(instance: Postfix, *queues: str) -> Path:
    for name in queues:
        (instance.root / "spool" / name).mkdir(parents=True)
    return instance.root / "spool"


def test_totals_count_what_is_selected_and_the_limit_does_not_cut_them(postfix: Postfix) -> None:
    found = postfix.call(postqueue_info, queues=["deferred"], limit=1)
    assert [message["queue_id"] for message in found["messages"]] == ["AAAAA1"]
    assert (found["totals"]["messages"], found["totals"]["bytes"]) == (3, 300)
    assert {name: entry["messages"] for name, entry in found["queues"].items() if entry["messages"]} == {"deferred": 3}


def test_a_limit_of_nothing_leaves_the_totals(postfix: Postfix) -> None:
    found = postfix.call(postqueue_info, limit=0)
    assert (found["messages"], found["totals"]["messages"], found["totals"]["oldest_age"] > 10**9) == ([], 4, True)


def test_a_negative_limit_is_refused(postfix: Postfix) -> None:
    with pytest.raises(ConfigError, match="limit: -1 is no number of messages"):
        postfix.call(postqueue_info, limit=-1)


@pytest.mark.parametrize("check_mode", [False, True])
def test_listing_is_all_that_is_run(postfix: Postfix, check_mode: bool) -> None:
    postfix.call(postqueue_info, check_mode=check_mode)
    assert postfix.commands == [("postqueue", "-c", str(postfix.config), "-j")]


@pytest.mark.parametrize("running", [False, True])
def test_a_stopped_instance_is_listed_and_told(postfix: Postfix, running: bool) -> None:
    postfix.running = running
    found = postfix.call(postqueue_info)
    assert (found["running"], found["totals"]["messages"]) == (running, 4)


def test_an_instance_that_was_never_started_has_an_empty_queue(postfix: Postfix) -> None:
    postfix.running, postfix.broken = False, DIED
    spool(postfix, "maildrop", "deferred")
    assert postfix.call(postqueue_info)["totals"]["messages"] == 0


def test_mail_that_showq_cannot_list_is_an_error(postfix: Postfix) -> None:
    postfix.running, postfix.broken = False, DIED
    (spool(postfix, "maildrop") / "maildrop/AAAAA1").write_text("x")
    with pytest.raises(ConfigError, match="malformed showq server response"):
        postfix.call(postqueue_info)


def test_a_queue_that_is_whole_and_not_listed_is_an_error(postfix: Postfix) -> None:
    postfix.running, postfix.broken = False, DIED
    spool(postfix, "maildrop", "active", "incoming", "deferred", "hold")
    with pytest.raises(ConfigError, match="malformed showq server response"):
        postfix.call(postqueue_info)


def test_a_failure_of_a_running_instance_is_an_error(postfix: Postfix) -> None:
    postfix.broken = "postqueue: fatal: User nobody is not allowed to view the mail queue\n"
    with pytest.raises(ConfigError, match="postqueue: fatal: User nobody is not allowed"):
        postfix.call(postqueue_info)


def test_an_instance_that_is_not_there_is_an_error_and_in_check_mode_a_warning(postfix: Postfix) -> None:
    with pytest.raises(ConfigError, match=r"etc/postfix-relay/main\.cf: there is no such instance"):
        postfix.call(postqueue_info, name="postfix-relay")
    found = postfix.call(postqueue_info, name="postfix-relay", check_mode=True)
    assert (found["totals"]["messages"], found["running"], postfix.commands) == (0, False, [])
    assert "does not exist yet: its queue counts as empty" in postfix.warnings[0]


def test_the_null_sender_is_known_by_the_parameter_of_the_instance(postfix: Postfix) -> None:
    (postfix.config / "main.cf").write_text("empty_address_recipient = a@one.test\n")
    assert postfix.call(postqueue_info, senders=["<>"])["totals"]["messages"] == 3


@pytest.mark.parametrize(("name", "path"), [("postfix", "/etc/postfix"), ("postfix-mx", "/etc/postfix-mx")])
def test_an_instance_has_its_configuration_in_etc(name: str, path: str) -> None:
    assert str(_queue.directory(name)) == path


@pytest.mark.parametrize("name", ["", "../etc", "Postfix-mx", "postfix mx", "-x"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="an instance is named"):
        _queue.directory(name)
