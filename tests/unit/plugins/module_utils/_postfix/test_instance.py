# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import generation, instance, master_cf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.generation import Table
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import Before, DataTable, Paths, Published, Wanted, plan
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

PATHS = Paths("postfix-mx")


def made(**main: Any) -> generation.Generation:
    return generation.build(main=main, local={}, services=master_cf.parse("10025 inet n - n - - smtpd\n"))


OLD, NEW = made(relayhost="a"), made(relayhost="b")
RUNNING = Before(active=OLD.name, loaded=OLD.name, running=True, files=OLD.files, loaded_files=OLD.files, unit=instance.UNIT, enabled=True)


def wanted(of: generation.Generation, **changes: Any) -> Wanted:
    return Wanted(of.name, of.files, **changes)


@pytest.mark.parametrize("name", ["postfix", "", "Postfix-mx", "a/b", "..", "-a", "a b", "a@b"])
def test_a_name_that_would_lead_astray_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        Paths(name)


def test_nothing_differs_nothing_is_done() -> None:
    steps = plan(PATHS, RUNNING, wanted(OLD))
    assert (steps.steps, steps.diff, steps.prove) == ((), (), False)


def test_a_virgin_host_gets_everything_in_order() -> None:
    steps = plan(PATHS, Before(registered=False), wanted(OLD))
    assert steps.steps == (
        "install mailcluster-postfix@.service",
        "enable mailcluster-postfix@postfix-mx.service",
        "list /etc/postfix-mx in alternate_config_directories",
        f"activate generation {OLD.name}",
        "start: it is not running",
    )
    assert steps.prove


@pytest.mark.parametrize(
    ("before", "interrupts"),
    [
        pytest.param(RUNNING, False, id="a reload"),
        pytest.param(replace(RUNNING, running=False), False, id="a start"),
        pytest.param(replace(RUNNING, loaded="", loaded_files=None), False, id="a restart because nobody knows what it runs"),
        pytest.param(replace(RUNNING, unproven=True, unseen=OLD.name), False, id="a restart because it may have died"),
        pytest.param(replace(RUNNING, loaded_files=made(inet_protocols="ipv4").files), True, id="a restart that the change asks for"),
    ],
)
def test_only_a_restart_that_the_change_asks_for_interrupts_what_serves(before: Before, interrupts: bool) -> None:
    assert plan(PATHS, before, wanted(NEW)).interrupts is interrupts


@pytest.mark.parametrize(
    ("before", "load"),
    [
        (RUNNING, "reload"),
        (replace(RUNNING, running=False), "start"),
        (replace(RUNNING, loaded="", loaded_files=None), "restart"),
        (replace(RUNNING, unproven=True, unseen=OLD.name), "restart"),
        (replace(RUNNING, active=NEW.name, files=NEW.files, unseen=OLD.name), "restart"),
        (replace(RUNNING, unseen=NEW.name), "reload"),
        (replace(RUNNING, loaded_files=made(inet_protocols="ipv4").files), "restart"),
    ],
    ids=[
        "it runs the old one",
        "it does not run",
        "nobody knows what it runs",
        "it may have died of what it runs",
        "it still runs what was taken back",
        "it never ran what was not seen",
        "it runs what no reload can change",
    ],
)
def test_a_new_generation_is_loaded_in_the_gentlest_way_that_works(before: Before, load: str) -> None:
    assert plan(PATHS, before, wanted(NEW)).load == load


def test_a_reload_names_what_changed() -> None:
    assert plan(PATHS, RUNNING, wanted(NEW)).reasons == ("changed: relayhost",)


@pytest.mark.parametrize(
    ("before", "load"),
    [
        (replace(RUNNING, active=NEW.name, files=NEW.files, unproven=True), "reload"),
        (replace(RUNNING, active=NEW.name, files=NEW.files, loaded=NEW.name, loaded_files=NEW.files, unproven=True), ""),
    ],
    ids=["before it was loaded", "before it was probed"],
)
def test_a_killed_run_is_finished(before: Before, load: str) -> None:
    steps = plan(PATHS, before, wanted(NEW))
    assert (steps.activate, steps.load, steps.prove) == (False, load, True)


def test_going_back_to_what_is_still_loaded_reloads_all_the_same() -> None:
    before = replace(RUNNING, active=NEW.name, files=NEW.files, unproven=True, previous=OLD.name)
    assert plan(PATHS, before, wanted(OLD)).load == "reload"


def test_an_edit_by_hand_is_repaired_and_loaded() -> None:
    edited = {**OLD.files, "main.cf": OLD.files["main.cf"].replace("relayhost = a", "relayhost = evil")}
    steps = plan(PATHS, replace(RUNNING, files=edited), wanted(OLD))
    assert steps.steps == (f"repair generation {OLD.name}", "reload: files were edited by hand: relayhost")


def test_a_stopped_instance_is_stopped_and_disabled_and_not_probed() -> None:
    steps = plan(PATHS, RUNNING, wanted(OLD, started=False))
    assert (steps.load, steps.enable, steps.prove) == ("stop", True, False)


def test_a_second_claimant_is_refused() -> None:
    with pytest.raises(ConfigError, match="postfix-mx: belongs to mx on this host, relay cannot claim it too"):
        plan(PATHS, replace(RUNNING, owner="mx"), wanted(OLD, owner="relay"))


@pytest.mark.parametrize(
    ("published", "present", "stale"),
    [
        (None, True, True),
        (Published("a b\n", 0o600, built=True), True, False),
        (Published("a c\n", 0o600, built=True), True, True),
        (Published("a b\n", 0o644, built=True), True, True),
        (Published("a b\n", 0o600, built=False), True, True),
        (Published("a b\n", 0o600, built=True), False, True),
        (None, False, False),
    ],
)
def test_a_data_table_is_published_when_it_differs(published: Published | None, present: bool, stale: bool) -> None:
    entry = DataTable(Table("t", "lmdb", "a b\n"), mode=0o600, secret=True, present=present)
    assert instance.stale(entry, published) is stale


def test_a_repair_that_was_killed_is_finished_by_a_restart() -> None:
    edited = replace(RUNNING, loaded="", loaded_files=None, files=NEW.files)
    assert plan(PATHS, edited, wanted(OLD)).reasons == ("what it has loaded is unknown",)


def test_a_data_table_alone_loads_nothing() -> None:
    steps = plan(PATHS, RUNNING, wanted(OLD, data=[DataTable(Table("t", "lmdb", "a b\n"))]))
    assert (steps.steps, steps.load) == (("publish data table t",), "")


def test_the_diff_of_a_large_table_says_how_large_it_is_and_shows_a_few_rows() -> None:
    old = "".join(f"user{number:06} a\n" for number in range(20_000))
    new = old.replace("user000007 a", "user000007 b") + "".join(f"new{number:02} a\n" for number in range(12))
    before = replace(RUNNING, data={"t": Published(old, 0o644, built=True)})
    (shown,) = plan(PATHS, before, wanted(OLD, data=[DataTable(Table("t", "lmdb", new))])).diff
    assert shown["before"] == "20000 rows\nuser000007 a\n"
    assert shown["after"].splitlines() == ["20012 rows", *(f"new{number:02} a" for number in range(10)), "... and 3 more"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_secret_is_not_in_the_diff_whatever_mode_it_had(mode: int) -> None:
    before = replace(RUNNING, data={"t": Published("user old-password\n", mode, built=True)})
    steps = plan(PATHS, before, wanted(OLD, data=[DataTable(Table("t", "lmdb", "user new-password\n"), mode=0o600, secret=True)]))
    assert steps.diff
    assert "password" not in str(steps.diff)


def test_a_table_that_was_secret_is_not_shown_when_it_goes() -> None:
    before = replace(RUNNING, data={"t": Published("user old-password\n", 0o600, built=True)})
    steps = plan(PATHS, before, wanted(OLD, data=[DataTable(Table("t", "lmdb", ""), present=False)]))
    assert "password" not in str(steps.diff)
