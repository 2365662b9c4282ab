# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the node: ends runs of the module at every step and at random moments, and says what was wrong afterwards."""

import contextlib
import json
import os
import random
import sys
import time

from node import Instance, Server, Traffic, call

SYSTEMD = "subprocess.Popen systemctl"


class Ring:
    """Kills on the way from one configuration to another; a target has a name and the module's parameters."""

    def __init__(self, instance, targets, *, serving=True, whole=True):
        self.instance, self.targets, self.serving, self.whole = instance, targets, serving, whole
        self.problems, self.kills, self.moment, self.states = [], 0, "", set()
        self.seconds, self.slowest, self.reference, self.events = {}, 0.0, {}, {}

    def learn(self, *names):
        """Go through the targets undisturbed and keep what each leaves behind."""
        for name in names:
            done = call(self.targets[name])
            self.check(not done.get("failed"), f"undisturbed, {name}: {done.get('msg')} {done.get('traceback', '')}")
            self.seconds[name], self.events[name] = done["seconds"], done.get("events", [])
            self.reference[name] = self.instance.state() if name != "absent" else None

    def check(self, good, what):
        if not good:
            self.problems.append(f"{self.moment}{what}"[:600])

    def kill(self, target, **how):
        """End a run; Postfix must serve, from a generation that is whole."""
        event = self.events[target][how["at"] - 1] if "at" in how else f"{how['after']:.3f} s"
        self.moment = f"{target}, {'during' if how.get('during') else 'before'} {event}: "
        killed = call(self.targets[target], **how)
        self.kills += killed["killed"]
        if self.serving:
            seen = self.instance.serves()
            # The letter of the active configuration and those of its parts.
            self.states.add(" ".join([self.instance.letter(), *(seen.get(part) or "-" for part in self.instance.PARTS)]))
            self.slowest = max(self.slowest, seen["after"])
            self.check(not seen["error"], f"does not serve: {seen['error']}; the log says {self.instance.log(3)}" if seen["error"] else "")
        if self.whole:
            lacks = self.instance.complete()
            self.check(not lacks, lacks)

    def converge(self, target):
        """The next run must finish the work, and the one after it find nothing to do."""
        self.moment = f"the run after {self.moment.removeprefix('the run after ')}"
        done = call(self.targets[target])
        self.check(not done.get("failed"), f"{done.get('msg')} {done.get('traceback', '')}")
        if target == "absent":
            self.check(not self.instance.present(), f"left behind: {self.instance.present()}")
            return
        state, wanted = self.instance.state(), self.reference[target]
        self.check(state == wanted, f"differs: {_differing(state, wanted)}")
        seen, letter = self.instance.served(), self.instance.letter()
        loaded = {seen.get(part) for part in self.instance.PARTS}
        self.check(not seen["error"] and loaded <= {letter}, f"serves {seen}, not {letter}")
        again = call(self.targets[target])
        self.check(again.get("changed") is False, f"a second one does {again.get('steps')}")


def _differing(state, wanted):
    """What of a state is not as it should be; of lists only what is in one of them."""
    told = {}
    for name, value in state.items():
        if value != wanted[name]:
            lists = isinstance(value, list)
            told[name] = [one for one in (*value, *wanted[name]) if (one in value) != (one in wanted[name])] if lists else [value, wanted[name]]
    return told


def moments(events, *, first="", stride=1):
    """Every step, or those from the first one of that name on, as arguments of :func:`call`; a program is ended before it starts and while it runs."""
    begin = [event.startswith(first) for event in events].index(True)
    for at in range(begin + 1, len(events) + 1, stride):
        yield {"at": at}
        if events[at - 1].startswith("subprocess.Popen"):
            yield {"at": at, "during": True}


def to_and_fro(ring, names, hows):
    """Kill on the way to each of two configurations in turn."""
    ring.learn(*names, *names)
    for number, how in enumerate(hows(ring)):
        name = names[number % 2]
        # The way there and the way back may differ by a step.
        ring.kill(name, **{**how, **({"at": min(how["at"], len(ring.events[name]))} if "at" in how else {})})
        ring.converge(name)


def by_reload(base, question):
    """Parameters, a service, policy tables and a data table change."""
    instance = Instance("faults-a", 2600, base)
    ring = Ring(instance, {letter: instance.parameters(letter) for letter in "AB"})
    with observed(ring) as seen:
        to_and_fro(ring, "AB", lambda ring: moments(ring.events["A"], stride=question["stride"]))
    return seen


def at_random(base, question):
    """The same, at moments that nobody chose."""
    instance = Instance("faults-a", 2600, base)
    ring, chance = Ring(instance, {letter: instance.parameters(letter) for letter in "AB"}), random.Random(question["seed"])

    def hows(ring):
        span = 1.1 * max(ring.seconds.values())
        return [{"after": chance.uniform(0, span)} for _number in range(question["kills"])]

    with observed(ring) as seen:
        to_and_fro(ring, "AB", hows)
    return seen


def by_restart(base, question):
    """A change that master(8) reads only when it starts."""
    instance = Instance("faults-a", 2600, base)
    ring = Ring(instance, {"A": instance.parameters("A"), "R": instance.parameters("R", main={"inet_protocols": "all"})})
    with observed(ring) as seen:
        to_and_fro(ring, "AR", lambda ring: moments(ring.events["A"], first=SYSTEMD))
    return seen


def of_tables(base, question):
    """A table changes its type, another one is no longer looked up and goes."""
    instance = Instance("faults-a", 2600, base)
    here = {"name": "aliases", "content": "alias@sink.test ledger@sink.test\n"}
    with_table = instance.parameters("A", data=[here], main={"virtual_alias_maps": f"lmdb:{instance.paths.data}/aliases"})
    without = instance.parameters("C", kind="cdb", data=[{"name": "aliases", "state": "absent"}])
    ring = Ring(instance, {"A": with_table, "C": without})
    with observed(ring) as seen:
        to_and_fro(ring, "AC", lambda ring: moments(ring.events["C"], first="fcntl.flock", stride=question["stride"]))
    return seen


def of_an_edit(base, question):
    """Somebody has edited the active generation; it is repaired."""
    instance = Instance("faults-a", 2600, base)
    ring = Ring(instance, {"A": instance.parameters("A")}, whole=False)
    with observed(ring) as seen:
        ring.learn("A")
        _edit(instance)
        ring.learn("A")
        for how in moments(ring.events["A"], first="fcntl.flock", stride=question["stride"]):
            _edit(instance)
            ring.kill("A", **how)
            ring.converge("A")
    return seen


def _edit(instance):
    path = instance.paths.config / "main.cf"
    aside = path.with_name("main.cf.edited")
    aside.write_text(path.read_text() + "smtpd_banner = $myhostname ESMTP edited\n")
    # Postfix trusts a main.cf only when it is 2 s old.
    os.utime(aside, (time.time() - 60,) * 2)
    aside.rename(path)
    (path.parent / "stray").write_text("x")


def of_a_return(base, question):
    """A configuration that no check refuses and that does not serve is taken back; the run is ended meanwhile."""
    instance = Instance("faults-b", 2610, base)
    bad = instance.parameters("X", main={"smtpd_tls_security_level": "mya"}, validate=False)
    ring = Ring(instance, {"A": instance.parameters("A"), "bad": bad}, serving=False)
    ring.learn("A", "A")
    with observed(ring) as seen:
        refused = call(bad)
        ring.check(refused.get("failed") and "is back and serves" in refused["msg"], f"undisturbed: {refused.get('msg')} {refused.get('traceback', '')}")
        ring.events["bad"], ring.seconds["bad"] = refused["events"], refused["seconds"]
        # Each takes seconds.
        for how in moments(ring.events["bad"], first=SYSTEMD, stride=max(1, question["stride"] // 4)):
            ring.kill("bad", **how)
            ring.converge("A")
    return seen


def of_a_beginning(base, question):
    """An instance is made where there was none."""
    instance = Instance("faults-c", 2620, base)
    ring = Ring(instance, {"A": instance.parameters("A"), "absent": instance.absent()}, serving=False, whole=False)
    ring.learn("A", "absent", "A", "absent")
    with observed(ring, traffic=False) as seen:
        for how in moments(ring.events["A"], first="fcntl.flock", stride=question["stride"]):
            ring.kill("A", **how)
            ring.converge("A")
            call(ring.targets["absent"])
    return seen


def of_an_end(base, question):
    """An instance is removed."""
    instance = Instance("faults-c", 2620, base)
    ring = Ring(instance, {"A": instance.parameters("A"), "absent": instance.absent()}, serving=False, whole=False)
    ring.learn("A", "absent")
    with observed(ring, traffic=False) as seen:
        for how in moments(ring.events["absent"], stride=question["stride"]):
            call(ring.targets["A"])
            ring.kill("absent", **how)
            ring.converge("absent")
    return seen


def of_a_migration(_base, question):
    """The tables of a configuration that others own leave Berkeley DB."""
    server = Server(2690)
    ring = Ring(server, {"lmdb": server.migration()})
    with observed(ring, traffic=False) as seen:
        server.before()
        ring.learn("lmdb")
        # Each takes seconds.
        for how in moments(ring.events["lmdb"], first="fcntl.flock", stride=question["stride"]):
            server.before()
            ring.kill("lmdb", **how)
            ring.converge("lmdb")
    server.leave()
    return seen


@contextlib.contextmanager
def observed(ring, *, traffic=True):
    """Fill in what is to be told at the end; mail flows and tables are looked up meanwhile."""
    seen, started = {}, time.monotonic()
    if traffic:
        ring.learn(*list(ring.targets)[:1])
    running = Traffic(ring.instance) if traffic else None
    yield seen
    seen.update(running.end() if running else {})
    seen.update(kills=ring.kills, problems=ring.problems, states=sorted(ring.states), slowest=ring.slowest, seconds=round(time.monotonic() - started, 1))


RINGS = {found.__name__: found for found in (by_reload, at_random, by_restart, of_tables, of_an_edit, of_a_return, of_a_beginning, of_an_end, of_a_migration)}

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump(RINGS[asked["ring"]](asked["base"], asked), sys.stdout)
