# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: figures as medians, and as ratios to what was measured between them in the same run.

The floor is a play with one trivial module call. A target that is missed is a line of the table, not a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, TypeVar

import containers
import yaml
from fleet import STATE, Entry, Fleet, Play, Run, Task, address, fleet, playbook
from lab import ENVIRONMENT
from steps import ROOT, LabError, Steps

Sample = TypeVar("Sample")

MEASURED_PYTHON = "/lab/measured-python3"
ROUNDS = 5
# A round of these takes minutes.
SITE_ROUNDS = 3
PARAMETERS, SERVICES, TABLES, TABLE_ROWS = 150, 20, 10, 100
ROWS = 1_000_000
# In shares of bare postmap: what a sorted source takes, and what an unchanged one may.
SORTED, UNCHANGED = 0.7, 0.05
MEGABYTES = 150.0
# An instance that serves, takes no mail and asks nobody.
QUIET = {"smtpd_peername_lookup": "no", "smtpd_relay_restrictions": "reject", "mydestination": "", "alias_maps": "", "default_database_type": "lmdb"}
# Services that an instance can do without, of the 24 that the role has.
SPARE = ("virtual", "lmtp", "relay", "discard", "local")
# What is set to its default must not be what makes an instance, or be on its way out.
UNFIT = re.compile(r"compatibility_level|.*(_use_tls|_enforce_tls)|inet_.*|master_service_disable|.*_directory|smtpd_peername_lookup")

MAIN_TEMPLATE = "{% for name, value in bench.main | dictsort %}\n{{ name }} = {{ value }}\n{% endfor %}\n"
MASTER_TEMPLATE = """\
{% for s in bench.services %}
{{ s.service }} {{ s.type }} {{ s.private | default('-') }} {{ s.unpriv | default('-') }} n {{ s.wakeup | default('-') }} {{ s.maxproc | default('-') }} \
{{ s.command }}
{% endfor %}
"""
TABLE_TEMPLATE = "{{ item.content }}"


@dataclass(frozen=True)
class Figure:
    """A line of the table. The target is one for the ratio where there is something to compare with, else for the value."""

    what: str
    value: float
    unit: str = "s"
    against: str = ""
    base: float = 0.0
    target: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.base if self.against else None

    @property
    def met(self) -> bool | None:
        """None where there is no target."""
        judged = self.value if self.ratio is None else self.ratio
        return None if self.target is None else judged <= self.target

    def cells(self) -> tuple[str, ...]:
        ratio, against, target = "", "", ""
        if self.ratio is not None:
            against, ratio = f"{self.against}: {_number(self.base)} {self.unit}", _number(self.ratio)
        if self.target is not None:
            target = _number(self.target) if self.against else f"{_number(self.target)} {self.unit}"
        return self.what, f"{_number(self.value)} {self.unit}", against, ratio, target, {None: "", True: "met", False: "NOT MET"}[self.met]


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures: Iterable[Figure]) -> str:
    """The figures in Markdown, in columns."""
    rows = [("what", "median", "against", "ratio", "target", ""), *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("-" * max(width, 3) for width in widths) + " |", *lines[1:]])


def slope(points: Mapping[int, float]) -> float:
    """Seconds per node, of the straight line nearest to seconds by number of nodes (least squares)."""
    middle, height = sum(points) / len(points), sum(points.values()) / len(points)
    return sum((x - middle) * (y - height) for x, y in points.items()) / sum((x - middle) ** 2 for x in points)


def longest_gap(times: Sequence[float]) -> float:
    """The longest time between two of `times`, which ascend."""
    return max((after - before for before, after in pairwise(times)), default=0.0)


def calls_per_node(calls: Iterable[Entry]) -> dict[str, int]:
    """How many module calls each node got; those on the controller apart."""
    return dict(Counter(call.host for call in calls if call.host != "controller"))


def fit_parameters(text: str, count: int) -> dict[str, str]:
    """`count` of the lines of `postconf -d`, whose values are numbers, times and booleans, from all over the alphabet."""
    pairs = [line.split(" = ", 1) for line in text.splitlines() if " = " in line]
    found = {name: value for name, value in pairs if re.fullmatch(r"\d+[smhd]?|yes|no", value) and not UNFIT.fullmatch(name)}
    if len(found) < count:
        raise LabError(f"postconf -d has only {len(found)} fit parameters")
    names = sorted(found)
    return {name: found[name] for name in (names[len(names) * number // count] for number in range(count))}


def _play(*tasks: Task, **more: Any) -> Play:
    return {"name": "Bench", "hosts": "relay", "gather_facts": False, "tasks": list(tasks), **more}


def _trivial(calls: int = 1) -> Play:
    return _play(*({"name": f"Call a trivial module ({number})", "ansible.builtin.ping": {}} for number in range(1, calls + 1)))


def _base_services() -> list[dict[str, Any]]:
    known = yaml.safe_load((ROOT / "roles/postfix/vars/main.yml").read_text(encoding="utf-8"))["__postfix_base_services"]
    return [entry for entry in known if entry["service"] not in SPARE]


def _smtpd(port: int) -> dict[str, Any]:
    return {"service": str(port), "type": "inet", "private": "n", "command": "smtpd"}


@dataclass
class Bench:
    """Where the parts measure, and what they found."""

    steps: Steps
    rounds: int
    figures: list[Figure] = field(default_factory=list)

    def sample(self, subjects: Mapping[str, Callable[[], Sample]], *, rounds: int | None = None, warm: bool = True) -> dict[str, list[Sample]]:
        """Ask every subject in turn, `rounds` times; once before without counting it, which also brings about what is unchanged then."""
        found: dict[str, list[Sample]] = defaultdict(list)
        count = self.rounds if rounds is None else rounds
        for number in range(0 if warm else 1, count + 1):
            with self.steps.step(f"Round {number} of {count}: {', '.join(subjects)}" if number else f"Prepare: {', '.join(subjects)}"):
                for name, ask in subjects.items():
                    answer = ask()
                    if number:
                        found[name].append(answer)
        return found

    def report(self, *figures: Figure) -> None:
        self.figures += figures


def _seconds(runs: Iterable[Run]) -> float:
    return median(run.seconds for run in runs)


def _task_seconds(runs: Iterable[Run]) -> float:
    return median(run.task.seconds for run in runs)


# -- an instance that is as it shall be


def engine(bench: Bench, nodes: Fleet) -> None:
    """One task for a whole instance, against what people do without such a module."""
    rows = "".join(f"user{number:05d}@bench.test OK\n" for number in range(TABLE_ROWS))
    tables = [{"name": f"table{number}", "type": "lmdb", "content": rows} for number in range(TABLES)]
    content = {
        "main": fit_parameters(nodes.on(1, "postconf", "-d"), PARAMETERS - len(QUIET)) | QUIET,
        "services": [*_base_services(), _smtpd(2525)],
        # Half of them belong to the generation, half are data.
        "tables": tables[: TABLES // 2],
        "data": tables[TABLES // 2 :],
    }
    if len(content["services"]) != SERVICES:
        raise LabError(f"{len(content['services'])} services instead of {SERVICES}")
    variables = STATE / "engine-variables.json"
    variables.write_text(json.dumps({"bench": content}), encoding="utf-8")
    for name, text in (("main.cf", MAIN_TEMPLATE), ("master.cf", MASTER_TEMPLATE), ("table", TABLE_TEMPLATE)):
        (STATE / f"{name}.j2").write_text(text, encoding="utf-8")
    files = [{"name": name, "src": f"{STATE}/{name}.j2"} for name in ("main.cf", "master.cf")]
    nodes.on(1, "sh", "-c", "mkdir -p /etc/bench /etc/bench-edited; touch /etc/bench-edited/main.cf")

    whole = {name: f"{{{{ bench.{name} }}}}" for name in content}
    ours = _play({"name": "Run an instance", "mailcluster.postfix.postfix_instance": {"name": "postfix-bench", **whole}}, vars_files=[str(variables)])
    templates = _play(
        {
            "name": "Write the files",
            "ansible.builtin.template": {"src": "{{ item.src }}", "dest": "/etc/bench/{{ item.name }}", "mode": "0644"},
            "loop": files,
        },
        {
            "name": "Write the tables",
            "ansible.builtin.template": {"src": f"{STATE}/table.j2", "dest": "/etc/bench/{{ item.name }}", "mode": "0644"},
            "loop": "{{ bench.tables + bench.data }}",
            "loop_control": {"label": "{{ item.name }}"},
        },
        {
            "name": "Compile the tables",
            "ansible.builtin.command": "postmap lmdb:/etc/bench/{{ item.name }}",
            "loop": "{{ bench.tables + bench.data }}",
            "loop_control": {"label": "{{ item.name }}"},
            "changed_when": False,
        },
        vars_files=[str(variables)],
    )
    each = _play(
        {
            "name": "Set the parameters",
            "ansible.builtin.command": {"argv": ["postconf", "-c", "/etc/bench-edited", "-e", "{{ item.key }}={{ item.value }}"]},
            "loop": "{{ bench.main | dict2items }}",
            "changed_when": False,
        },
        vars_files=[str(variables)],
    )
    # The first runs bring about what the others find.
    nodes.play("engine-first", [ours], changes=True)
    nodes.play("templates-first", [templates], changes=True)
    found = bench.sample(
        {
            "a trivial call": lambda: nodes.play("floor", [_trivial()]),
            "postfix_instance": lambda: nodes.play("engine", [ours]),
            "template and postmap": lambda: nodes.play("templates", [templates]),
        },
        warm=False,
    )
    # It takes half a minute: once has to do.
    slow = bench.sample({"postconf -e": lambda: nodes.play("postconf", [each])}, rounds=1, warm=False)
    floor = _seconds(found["a trivial call"])
    what = f"{PARAMETERS} parameters, {SERVICES} services, {TABLES} tables, unchanged"
    bench.report(
        Figure(f"{what}: one task", _seconds(found["postfix_instance"]), against="a trivial call", base=floor, target=1.3),
        Figure(
            "the same, the task without the start of ansible-playbook",
            _task_seconds(found["postfix_instance"]),
            against="a trivial task",
            base=_task_seconds(found["a trivial call"]),
        ),
        Figure("the same content by template, and command: postmap per table", _seconds(found["template and postmap"]), against="a trivial call", base=floor),
        Figure("the same parameters by command: postconf -e each (one run)", _seconds(slow["postconf -e"]), against="a trivial call", base=floor),
    )


# -- a large table


@dataclass(frozen=True)
class _TableRun:
    """What a play cost; `node` is what its Python did there, `sent` bytes that the node received."""

    run: Run
    node: float
    megabytes: float
    sent: int


def rows(number: int, *, count: int = ROWS) -> str:
    """An unsorted source of `count` rows of 66 bytes; sources of different `number` differ in one row."""
    keys = list(range(count))
    random.Random(1).shuffle(keys)
    lines = [f"user{key:016d}@bench.test lmtp:[mailbox{key % 89:02d}.bench.test]:11024\n" for key in keys]
    lines[count // 2] = lines[count // 2].replace(":11024", f":{11025 + number}")
    return "".join(lines)


def large_table(bench: Bench, nodes: Fleet) -> None:
    """A table of a million rows from a file, by the module postmap, against postmap(1) alone."""
    sources = [STATE / "rows-0", STATE / "rows-1"]
    with bench.steps.step(f"Write a table of {ROWS} rows"):
        for number, source in enumerate(sources):
            source.write_text(rows(number), encoding="ascii")
    turn = 0

    def play(name: str, *tasks: Task, changes: bool = False) -> _TableRun:
        nodes.measured()
        before = nodes.received()
        done = nodes.play(name, [_play(*tasks)], interpreter=MEASURED_PYTHON, changes=changes)
        sent, there = nodes.received() - before, nodes.measured()
        return _TableRun(done, sum(entry["seconds"] for entry in there), max(entry["kilobytes"] for entry in there) / 1024, sent)

    def publish(*, changes: bool) -> _TableRun:
        nonlocal turn
        turn += changes
        wanted = {"path": "/etc/mailcluster/bench/rows", "type": "lmdb", "src": str(sources[turn % 2])}
        name = "table-changed" if changes else "table-unchanged"
        return play(name, {"name": "Publish the table", "mailcluster.postfix.postmap": {"tables": [wanted]}}, changes=changes)

    def bare() -> float:
        nodes.measured()
        nodes.on(1, "sh", "-c", "rm -f /var/tmp/rows.lmdb; python3 /lab/measure.py postmap lmdb:/var/tmp/rows")
        return nodes.measured()[0]["seconds"]

    nodes.send(sources[0], "/var/tmp/rows")
    times = bench.sample({"bare postmap": bare, "copy": lambda: nodes.send(sources[0], "/var/tmp/rows")})
    found = bench.sample(
        {
            "a trivial call": lambda: play("floor-measured", {"name": "Call a trivial module", "ansible.builtin.ping": {}}),
            "changed": lambda: publish(changes=True),
            "unchanged": lambda: publish(changes=False),
        }
    )
    alone, copy = median(times["bare postmap"]), median(times["copy"])
    changed, unchanged, floor = found["changed"], found["unchanged"], found["a trivial call"]
    size = sources[0].stat().st_size / 1e6
    over = _task_seconds(entry.run for entry in unchanged) - _task_seconds(entry.run for entry in floor)
    sent = [median(entry.sent for entry in entries) / 1e6 for entries in (unchanged, floor)]
    here = "of the largest process on the controller"
    bench.report(
        Figure(
            f"table of {ROWS} rows, changed: the task",
            _task_seconds(entry.run for entry in changed),
            against=f"{SORTED} bare postmap and the copy ({_number(alone)} and {_number(copy)} s)",
            base=SORTED * alone + copy,
            target=1.0,
        ),
        Figure(
            "the same, unchanged: the module on the node, above a trivial one",
            median(entry.node for entry in unchanged) - median(entry.node for entry in floor),
            against="bare postmap",
            base=alone,
            target=UNCHANGED,
        ),
        Figure("the same, with the controller's part: the task, above a trivial one", over, against="bare postmap", base=alone),
        Figure("the same, sent to the node above a trivial call", max(sent[0] - sent[1], 0.0), "MB", against="the source", base=size, target=0.01),
        Figure("the same, memory of the largest process on the node, changed", median(entry.megabytes for entry in changed), "MB", target=MEGABYTES),
        Figure(f"the same, {here}, changed", median(entry.run.megabytes for entry in changed), "MB", target=MEGABYTES),
        Figure(f"the same, {here}, unchanged", median(entry.run.megabytes for entry in unchanged), "MB", target=MEGABYTES),
        Figure(f"a trivial call, {here}", median(entry.run.megabytes for entry in floor), "MB"),
    )


# -- a tier


def _tier() -> Play:
    """A host with the relay tier and nothing else; its own role asks for the packages."""
    # The hosts as the playbooks have them: by a filter, so that all are loaded before workers are forked.
    hosts = "{{ groups | mailcluster.postfix.cluster_tiers | join(':') }}"
    play = _play(hosts=hosts, vars_files=[str(ROOT / "playbooks/vars/cluster.yml")], roles=["mailcluster.postfix.relay"])
    del play["tasks"]
    return play


def _four_tasks(*, facts: bool) -> Play:
    """What a small role for Postfix does: package, two lines of main.cf, service. Such a role reads the facts of its host.

    Without them package and service would each ask the host what it has, so there the modules are named that those choose.
    """
    package, service = ("ansible.builtin.package", "ansible.builtin.service") if facts else ("ansible.builtin.apt", "ansible.builtin.systemd_service")
    lines = {"inet_interfaces": "loopback-only", "inet_protocols": "ipv4"}
    return _play(
        {"name": "Install Postfix", package: {"name": "postfix", "state": "present"}},
        *(
            {
                "name": f"Set {name}",
                "ansible.builtin.lineinfile": {"path": "/etc/postfix/main.cf", "regexp": f"^{name} =", "line": f"{name} = {value}"},
            }
            for name, value in lines.items()
        ),
        {"name": "Run Postfix", service: {"name": "postfix", "state": "started", "enabled": True}},
        gather_facts=facts,
    )


def peer(bench: Bench, nodes: Fleet) -> None:
    """A host with one tier, run again, against the shortest role that others have."""
    for count in (1, 8):
        plays = {
            "a trivial call": _trivial(),
            "the relay tier": _tier(),
            "four tasks": _four_tasks(facts=True),
            "four tasks without facts": _four_tasks(facts=False),
        }
        for name, play in plays.items():
            # What is there already of an earlier part may change nothing.
            _first(nodes, f"peer-{name}-first", play, count)
        found = bench.sample({name: _again(nodes, f"peer-{name}", play, count) for name, play in plays.items()}, warm=False)
        medians = {name: _seconds(runs) for name, runs in found.items()}
        where = f"at {count} node{'s' if count > 1 else ''}"
        floor = medians["a trivial call"]
        bench.report(
            Figure(f"relay tier, run again, {where}", medians["the relay tier"], against="a role of four tasks", base=medians["four tasks"], target=1.0),
            Figure("the same", medians["the relay tier"], against="four tasks without facts", base=medians["four tasks without facts"]),
            Figure("the same", medians["the relay tier"], against="a trivial call", base=floor),
            Figure(f"a role of four tasks, {where}", medians["four tasks"], against="a trivial call", base=floor),
        )


def _first(nodes: Fleet, name: str, play: Play, count: int) -> None:
    path_safe = name.replace(" ", "-")
    try:
        nodes.play(path_safe, [play], nodes=count, changes=True)
    except LabError as error:
        if "nothing changed" not in str(error):
            raise


def _again(nodes: Fleet, name: str, play: Play, count: int) -> Callable[[], Run]:
    return lambda: nodes.play(name.replace(" ", "-"), [play], nodes=count)


def added_node(bench: Bench, nodes: Fleet) -> None:
    """What one more node of a tier costs."""
    names = ("a trivial call", "trivial calls", "the relay tier")
    points: dict[str, dict[int, float]] = {name: {} for name in names}
    calls = 0
    for count in (4, 8, 16):
        _first(nodes, "slope-first", _tier(), count)
        calls = max(calls_per_node(nodes.play("slope-count", [_tier()], nodes=count).calls).values())
        plays = dict(zip(names, (_trivial(), _trivial(calls), _tier()), strict=True))
        found = bench.sample({name: _again(nodes, f"slope-{name}", play, count) for name, play in plays.items()}, warm=False)
        for name, runs in found.items():
            points[name][count] = _seconds(runs)
    slopes = {name: slope(found) for name, found in points.items()}
    what = "an added node of the relay tier, run again, of 4, 8 and 16"
    bench.report(
        Figure(what, slopes["the relay tier"], against=f"as many trivial calls ({calls})", base=slopes["trivial calls"], target=1.0),
        Figure("the same", slopes["the relay tier"], against="one trivial call", base=slopes["a trivial call"]),
    )


# -- activation


class Watch:
    """A client that talks to a listener again and again; `answers` has when a conversation ended and how it was greeted."""

    def __init__(self, place: tuple[str, int]) -> None:
        self.place = place
        self.answers: list[tuple[float, str]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            try:
                greeting = _converse(self.place)
            except OSError:
                continue
            if greeting:
                self.answers.append((time.time(), greeting))


def _converse(place: tuple[str, int]) -> str:
    """The greeting of a listener that then answers up to RCPT, and refuses for good or not at all; else nothing."""
    with socket.create_connection(place, timeout=10) as connection, connection.makefile("rwb") as stream:

        def reply() -> str:
            line = b"   -"
            while line[3:4] == b"-":
                line = stream.readline()
            return line.decode("ascii", "replace")

        greeting = reply()
        for command in ("EHLO watch.invalid", "MAIL FROM:<>", "RCPT TO:<watch@bench.test>"):
            stream.write(f"{command}\r\n".encode())
            stream.flush()
            said = reply()
            if said[:1] not in ("2", "5"):
                return ""
        return greeting


def activation(bench: Bench, nodes: Fleet) -> None:
    """Seconds until a change serves, and without service when a change has to be taken back."""
    services = [*_base_services(), _smtpd(2526)]
    # Nothing that a file says is wrong; but no smtpd(8) starts without a server for logins.
    broken = {"smtpd_sasl_auth_enable": True, "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth"}
    turn = 0

    def play(more: Mapping[str, Any], *, fails: bool = False, **options: Any) -> tuple[Run, Watch]:
        wanted = {"main": {**QUIET, "smtpd_banner": f"watched ESMTP {turn}.", **more}, "services": services, **options}
        return run("refused" if fails else "activated", wanted, fails=fails)

    def run(name: str, wanted: Mapping[str, Any], *, fails: bool = False) -> tuple[Run, Watch]:
        task = {"name": "Run an instance", "mailcluster.postfix.postfix_instance": {"name": "postfix-watched", **wanted}}
        with Watch((address(1), 2526)) as watch:
            done = nodes.play(name, [_play(task)], changes=True, fails=fails)
            # The client has to see what comes after the end, too.
            time.sleep(0.2)
        return done, watch

    def activated() -> float:
        nonlocal turn
        turn += 1
        done, watch = play({})
        served = [when for when, greeting in watch.answers if f" {turn}." in greeting]
        if not served:
            raise LabError("nobody was greeted by the new generation")
        return served[0] - done.task.begun

    def rolled_back(*, after: Mapping[str, Any]) -> float:
        """From a generation with other parameters, which may be one that Postfix chokes on, to the one before."""
        nonlocal turn
        turn += 1
        play({})
        # It is active without a probe, as one is that choked later.
        play(after, validate=False, probe=False)
        done, watch = run("rolled-back", {"generation": "previous"})
        served = [when for when, greeting in watch.answers if f" {turn}." in greeting and when > done.task.begun]
        if not served:
            raise LabError("nobody was greeted by the generation before")
        return served[0] - done.task.begun

    def refused() -> tuple[float, float]:
        done, watch = play(broken, fails=True)
        back = re.search(r"is back and serves, after ([\d.]+) s", done.output)
        if not back:
            raise LabError(f"the refused generation was not put back: {done.output[-500:]}")
        return longest_gap([when for when, _greeting in watch.answers]), float(back[1])

    changed = bench.sample(
        {
            "a changed parameter": activated,
            "a rollback": lambda: rolled_back(after={"smtpd_banner": "another ESMTP"}),
            "a rollback from what chokes": lambda: rolled_back(after=broken),
        }
    )
    outages = bench.sample({"a generation that only the probe refuses": refused})["a generation that only the probe refuses"]
    bench.report(
        Figure("from the start of the task with a changed parameter to the new generation serving", median(changed["a changed parameter"]), target=1.0),
        Figure("from the start of the task to the generation before serving again", median(changed["a rollback"]), target=2.0),
        Figure("the same, from a generation that Postfix chokes on", median(changed["a rollback from what chokes"]), target=2.0),
        Figure("a generation that only the probe refuses: outage a client sees, until the old one serves", median(gap for gap, _back in outages), target=2.0),
        Figure("the same, the way back alone", median(back for _gap, back in outages)),
    )


# -- a running demo


def site(bench: Bench, name: str) -> None:
    """The whole of site.yml on a provisioned lab that is up, against as many trivial tasks on every node."""
    if containers.site_of_present() != name:
        raise LabError(f"no demo of SITE={name} is up: make demo SITE={name}")
    STATE.mkdir(parents=True, exist_ok=True)
    inventory = ROOT / "inventories" / name
    rounds = min(bench.rounds, SITE_ROUNDS)

    def run_site() -> Run:
        done = playbook(["mailcluster.postfix.site", "-i", inventory], name="site")
        if changed := [task.task for task in done.tasks if task.changed]:
            raise LabError(f"site.yml changes something: {', '.join(dict.fromkeys(changed))}")
        return done

    with bench.steps.step("Run site.yml without counting it"):
        counts = calls_per_node(run_site().calls)
    trivial = _play(
        *({"name": f"Call a trivial module ({number})", "ansible.builtin.ping": {}, "when": f"calls > {number}"} for number in range(max(counts.values()))),
        hosts=",".join(sorted(counts)),
        vars={"calls": "{{ counts[inventory_hostname] }}", "counts": counts},
    )
    path = STATE / "site-floor.json"
    path.write_text(json.dumps([trivial]), encoding="utf-8")
    found = bench.sample(
        {"site.yml": run_site, "as many trivial tasks": lambda: playbook(["-i", inventory, path], name="site-floor")}, rounds=rounds, warm=False
    )
    last = found["site.yml"][-1]
    most = max(counts.values())
    bench.report(
        Figure(
            f"site.yml, changed=0, {len(counts)} nodes (median of {rounds})",
            _seconds(found["site.yml"]),
            against=f"as many trivial tasks a node ({sum(counts.values())} in all)",
            base=_seconds(found["as many trivial tasks"]),
            target=1.25,
        ),
        Figure(f"module calls on a node, at most ({', '.join(node for node in counts if counts[node] == most)})", most, "calls", target=20),
    )
    print(f"\n{where_calls_go(last, len(counts))}")


def where_calls_go(run: Run, nodes: int) -> str:
    """Module calls by role and task, those that took longest first; a second may be one of several nodes at once."""
    spent: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for call in run.calls:
        spent[call.role, call.task, "controller" if call.host == "controller" else "nodes"].append(call)
    lines = ["calls  per node  seconds a call  role: task"]
    for (role, task, where), calls in sorted(spent.items(), key=lambda item: -sum(call.seconds for call in item[1])):
        mean = sum(call.seconds for call in calls) / len(calls)
        note = " (on the controller)" if where == "controller" else ""
        lines.append(f"{len(calls):5d} {len(calls) / nodes:9.2f} {mean:15.2f}  {role or '-'}: {task}{note}")
    return "\n".join(lines)


# -- the command

# What can be measured alone, with the nodes it needs.
PARTS: dict[str, tuple[int, Callable[[Bench, Fleet], None]]] = {
    "engine": (1, engine),
    "activation": (1, activation),
    "peer": (8, peer),
    "slope": (16, added_node),
    "table": (1, large_table),
}


def measure(bench: Bench, names: Sequence[str]) -> None:
    """Measure the parts, each as far as it gets."""
    STATE.mkdir(parents=True, exist_ok=True)
    with fleet(bench.steps, max(PARTS[name][0] for name in names)) as nodes:
        for name in names:
            with bench.steps.counted():
                PARTS[name][1](bench, nodes)


def _interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"one of {', '.join(PARTS)}; all unless said")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each thing is measured")
    parser.add_argument("--site", default="", help="measure site.yml on the running demo of this site, and nothing else")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no part {min(unknown)}; there are {', '.join(PARTS)}")
    os.environ.update(ENVIRONMENT)
    signal.signal(signal.SIGTERM, _interrupted)
    bench = Bench(Steps(), options.rounds)
    interrupted = False
    try:
        with bench.steps.counted():
            if options.site:
                site(bench, options.site)
            else:
                measure(bench, options.parts or list(PARTS))
    except KeyboardInterrupt:
        interrupted = True
        bench.steps.failures.append("interrupted")
    text = table(bench.figures)
    Path(STATE, "figures.md").write_text(text + "\n", encoding="utf-8")
    missed = sum(figure.met is False for figure in bench.figures)
    print(f"\n{text}\n\nMedians of {options.rounds} rounds unless said; {missed} of {sum(f.met is not None for f in bench.figures)} targets not met.")
    for failure in bench.steps.failures:
        print(f"bench: {failure}", file=sys.stderr)
    return 130 if interrupted else 1 if bench.steps.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
