# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over a queue that is played: postqueue and postsuper move entries of a dictionary."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.mailcluster.postfix.plugins.doc_fragments.queue_selection import ModuleDocFragment
from ansible_collections.mailcluster.postfix.plugins.module_utils import _commands, _queue
from ansible_collections.mailcluster.postfix.plugins.module_utils._commands import Outcome
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import queue
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.modules import postqueue, postqueue_info

DOWN = "postqueue: warning: Mail system is down -- accessing queue directly (Connect to the Postfix showq service: No such file or directory)\n"
WORDS = {effect.option: (effect.target, effect.report) for effect in queue.ACTIONS.values()}


class Postfix:
    """An instance whose queue is ``queues``: id and the name of the queue."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "etc/postfix-mx"
        self.config.mkdir(parents=True)
        (self.config / "main.cf").write_text("myhostname = mx.test\n")
        self.queues = {f"AAAAA{number}": "deferred" for number in range(1, 4)} | {"AAAAA4": "hold"}
        self.running = True
        self.broken = ""
        self.commands: list[tuple[str, ...]] = []
        self.warnings: list[str] = []
        self.before_action: Callable[[], object] = lambda: None

    def run(self, *command: str, timeout: float = 0.0) -> Outcome:
        self.commands.append(command)
        if command[0] == "postconf":
            return Outcome(0, f"{self.root / 'spool'}\n", "")
        if command[-1] == "-j":
            return Outcome(69 if self.broken else 0, "" if self.broken else self.listing(), ("" if self.running else DOWN) + self.broken)
        return Outcome(0, "", "") if self.running else Outcome(69, "", "postqueue: fatal: Cannot flush mail queue - mail system is down\n")

    def listing(self) -> str:
        line = '{"queue_name": "%s", "queue_id": "%s", "arrival_time": 1, "message_size": 100, "forced_expire": false, "sender": "%s", "recipients": []}\n'
        return "".join(line % (name, entry, "MAILER-DAEMON" if entry == "AAAAA3" else "a@one.test") for entry, name in self.queues.items())

    def feed(self, command: tuple[str, ...], text: str) -> Outcome:
        self.commands.append(command)
        self.before_action()
        option, _dash, *sources = command[3:]
        target, word = WORDS[option]
        said = ""
        for number, entry in enumerate(text.splitlines()):
            if self.broken and number:
                return Outcome(1, "", said + self.broken)
            if self.queues.get(entry) in sources:
                said += f"postsuper: {entry}: {word}\n"
                del self.queues[entry]
                self.queues |= {entry: target} if target else {}
        return Outcome(0, "", said)

    def call(self, module: Any, *, check_mode: bool = False, **parameters: Any) -> Any:
        defaults = {name: option.get("default") for name, option in module.ARGUMENTS.items()}
        given = {**defaults, "name": "postfix-mx", **parameters}
        played = SimpleNamespace(params=given, check_mode=check_mode, warn=self.warnings.append)
        return (module.answer if module is postqueue_info else module.act)(played)

    def act(self, action: str, **parameters: Any) -> dict[str, Any]:
        result, self.problem = self.call(postqueue, action=action, **parameters)
        assert isinstance(result, dict)
        return result


@pytest.fixture
def postfix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Postfix:
    made = Postfix(tmp_path)
    monkeypatch.setattr(_commands, "run", made.run)
    monkeypatch.setattr(_queue, "_feed", made.feed)
    inside = _queue.directory
    monkeypatch.setattr(_queue, "directory", lambda name: inside(name, tmp_path))
    return made


@pytest.mark.parametrize("module", [postqueue, postqueue_info])
def test_every_option_is_documented_with_its_type_default_and_choices(module: Any) -> None:
    options = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"] | yaml.safe_load(module.DOCUMENTATION)["options"]
    facts = ("type", "elements", "default", "choices", "required")
    documented = {name: {fact: option[fact] for fact in facts if fact in option} for name, option in options.items()}
    assert documented == {name: {fact: option[fact] for fact in facts if fact in option} for name, option in module.ARGUMENTS.items()}


@pytest.mark.parametrize("module", [postqueue, postqueue_info])
def test_every_example_has_known_options_and_names_the_instance(module: Any) -> None:
    for task in yaml.safe_load(module.EXAMPLES):
        options = task[f"mailcluster.postfix.{module.__name__.rpartition('.')[2]}"]
        assert set(options) <= set(module.ARGUMENTS)
        assert "name" in options


@pytest.mark.parametrize(
    ("action", "changed", "target"),
    [("hold", "123", "hold"), ("release", "4", "deferred"), ("requeue", "1234", "maildrop"), ("delete", "1234", None)],
)
def test_an_action_moves_the_queue_and_tells_the_ids(postfix: Postfix, action: str, changed: str, target: str | None) -> None:
    result = postfix.act(action, all=True)
    assert (result["changed"], "".join(entry[-1] for entry in result["queue_ids"])) == (True, changed)
    assert {postfix.queues.get(entry) for entry in result["queue_ids"]} == {target}


@pytest.mark.parametrize("action", ["hold", "release", "delete"])
def test_a_second_run_changes_nothing_and_runs_nothing(postfix: Postfix, action: str) -> None:
    postfix.act(action, all=True)
    postfix.commands.clear()
    second = postfix.act(action, all=True)
    assert (second["changed"], second["queue_ids"], len(postfix.commands)) == (False, [], 1)


@pytest.mark.parametrize("action", queue.ACTIONS)
def test_check_mode_tells_the_same_and_moves_nothing(postfix: Postfix, action: str) -> None:
    before = dict(postfix.queues)
    dry = postfix.act(action, all=True, check_mode=True)
    assert (postfix.queues, len(postfix.commands)) == (before, 1)
    assert dry == postfix.act(action, all=True)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_selection_beyond_the_limit_moves_nothing(postfix: Postfix, check_mode: bool) -> None:
    before = dict(postfix.queues)
    with pytest.raises(ConfigError, match="would delete 4 messages, and the limit is 3"):
        postfix.act("delete", all=True, limit=3, check_mode=check_mode)
    assert postfix.queues == before


def test_a_message_that_left_between_listing_and_action_is_gone_and_no_error(postfix: Postfix) -> None:
    postfix.before_action = lambda: postfix.queues.pop("AAAAA2")
    result = postfix.act("hold", senders=["a@*"])
    assert (result["queue_ids"], result["gone"], result["unaffected"]) == (["AAAAA1"], ["AAAAA2"], ["AAAAA4"])
    assert postfix.problem == ""


def test_when_all_of_them_left_nothing_has_changed(postfix: Postfix) -> None:
    postfix.before_action = postfix.queues.clear
    result = postfix.act("delete", senders=["<>"])
    assert (result["changed"], result["gone"], result["diff"]) == (False, ["AAAAA3"], {"before": "", "after": ""})


def test_a_message_that_moved_out_of_the_selected_queue_is_left_alone(postfix: Postfix) -> None:
    postfix.before_action = lambda: postfix.queues.update(AAAAA4="deferred")
    assert postfix.act("delete", queues=["hold"])["gone"] == ["AAAAA4"]
    assert postfix.queues["AAAAA4"] == "deferred"


def test_an_action_that_fails_half_way_tells_what_was_done(postfix: Postfix) -> None:
    listing = postfix.listing()
    postfix.before_action = lambda: setattr(postfix, "broken", "postsuper: fatal: rename file: No space left on device\n")
    result = postfix.act("hold", all=True)
    assert (result["changed"], result["queue_ids"]) == (True, ["AAAAA1"])
    assert "No space left on device" in postfix.problem
    assert postfix.listing() != listing


def test_flush_names_each_deferred_message(postfix: Postfix) -> None:
    result = postfix.act("flush", senders=["a@*"])
    assert (result["changed"], result["queue_ids"], result["unaffected"]) == (True, ["AAAAA1", "AAAAA2"], ["AAAAA4"])
    assert [command[-1] for command in postfix.commands[1:]] == ["AAAAA1", "AAAAA2"]


def test_flush_of_everything_is_one_command(postfix: Postfix) -> None:
    assert postfix.act("flush", all=True)["queue_ids"] == ["AAAAA1", "AAAAA2", "AAAAA3"]
    assert [command[3:] for command in postfix.commands[1:]] == [("-f",)]


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_stopped_instance_cannot_be_flushed(postfix: Postfix, check_mode: bool) -> None:
    postfix.running = False
    with pytest.raises(ConfigError, match="postfix-mx: the instance does not run, so nothing can be flushed"):
        postfix.act("flush", all=True, check_mode=check_mode)


def test_nothing_to_flush_needs_no_running_instance(postfix: Postfix) -> None:
    postfix.running = False
    assert not postfix.act("flush", queues=["hold"])["changed"]


def test_an_instance_that_stops_in_between_flushes_only_what_it_took(postfix: Postfix, monkeypatch: pytest.MonkeyPatch) -> None:
    run = postfix.run

    def dying(*command: str, timeout: float = 0.0) -> Outcome:
        postfix.running = command[-1] != "AAAAA2"
        return run(*command, timeout=timeout)

    monkeypatch.setattr(_commands, "run", dying)
    result = postfix.act("flush", senders=["*"])
    assert (result["queue_ids"], postfix.problem) == (["AAAAA1"], "postqueue: fatal: Cannot flush mail queue - mail system is down")


def test_held_mail_of_a_stopped_instance_is_released(postfix: Postfix) -> None:
    postfix.running = False
    result = postfix.act("release", all=True)
    assert (result["running"], result["queue_ids"]) == (False, ["AAAAA4"])


def test_ids_are_read_and_not_named_for_one_could_be_a_word_of_postsuper() -> None:
    outcome = _queue._feed(("sh", "-c", 'cat >&2; echo "$#$MAIL_CONFIG"'), "ALL\n")
    assert (outcome.rc, outcome.stdout, outcome.stderr) == (0, "0\n", "ALL\n")


def test_the_environment_names_no_other_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "MAIL_CONFIG", "/etc/postfix-other")
    assert _queue._feed(("sh", "-c", 'cat; echo "$MAIL_CONFIG"'), "").stdout == "\n"


def test_a_program_that_is_not_there_is_an_outcome() -> None:
    assert _queue._feed(("no-such-postsuper",), "x\n") == Outcome(127, "", "no-such-postsuper is not installed")


def test_a_program_that_takes_too_long_keeps_what_it_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_queue, "_TIMEOUT", 0.3)
    outcome = _queue._feed(("sh", "-c", "echo postsuper: AAAAA1: removed >&2; exec sleep 5"), "")
    assert (outcome.rc, outcome.stderr.splitlines()) == (124, ["postsuper: AAAAA1: removed", "sh did not end within 0 s"])
