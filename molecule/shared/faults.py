# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster is put through, under load: nodes and daemons killed or frozen, networks cut, a region lost, changes rolled.

    make faults                               the whole matrix
    make faults CASES="kill-east-mx1 cut-regions"    these cases; a name may be a pattern

Each case: the lab is whole, the load runs, the fault comes at a known time, it is healed, the lab is whole again, every message is reckoned.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import containers
import host
import inventory
import lab
import ledger
import load
from client import CONTAINER_PREFIX, ProbeError, look_at, podman_exec, run_python
from ledger import MAILBOX, QUEUE, Sighting, Transaction
from steps import CACHE, ROOT, LabError, Steps
from testing import STRANGER, Node, Site, ansible, the_site

REPORT = CACHE / "faults" / "report.md"
PLAYBOOK_SECONDS = 900
# What a case may take, in seconds, one that rolls several nodes, the one that rolls all of them twice, and ten failovers.
LONGEST, OF_ROLLS, OF_ALL, OF_FAILOVERS = 120.0, 300.0, 600.0, 240.0
PROBER = Path(__file__).parent / "prober.py"
HEALTH = Path(__file__).parent / "health.py"
TIMES, PACE = 10, 0.1
# A node needs longer to be back than a daemon.
KNOCKING = {"failover-node": 20.0}
CUT = "mailcluster_cut"
# Seconds before a fault, between it and the heal, and after the lab is whole.
CALM, HOLD, AFTER = 5.0, 8.0, 3.0
WARM_UP = 15.0
PATIENCE = 3.0
# What a container has unless told otherwise (podman-run(1)).
CPU_SHARES = 1024
WHOLE_SECONDS = 120.0
TIERS = ("edge", "mx", "submission", "relay", "filter", "mailbox")
WORKERS = 8
Item = TypeVar("Item")


# -- the lab


def together(work: Callable[[Item], Any], names: Iterable[Item]) -> list[Any]:
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return list(pool.map(work, names))


def on_node(node: str, function: str) -> Any:
    """A function of health.py, there."""
    return run_python(node, HEALTH.read_text(), function, seconds=20)


def health(names: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """Node -> what is wrong with it, and its addresses."""
    found = look_at(names, HEALTH.read_text(), "status")
    return {name: {"problems": [str(said).splitlines()[-1][:200]], "addresses": []} if isinstance(said, ProbeError) else said for name, said in found.items()}


def problems(site: Site) -> list[str]:
    """What keeps the lab from being whole; every VIP has one owner, too."""
    states = health([node.name for node in site.nodes])
    wrong = [f"{name}: {text}" for name, state in states.items() for text in state["problems"]]
    for entrance in site.entrances:
        owners = [name for name, state in states.items() if entrance.address in state["addresses"]]
        if len(owners) != 1:
            wrong.append(f"{entrance}: owned by {' and '.join(owners) or 'nobody'}")
    return wrong


def whole(site: Site, seconds: float = WHOLE_SECONDS) -> float:
    """Wait until nothing is wrong; how many seconds that took. LabError when something stays wrong."""
    start = time.monotonic()
    while wrong := problems(site):
        if time.monotonic() - start > seconds:
            raise LabError(f"the lab does not become whole: {'; '.join(wrong[:5])}")
        time.sleep(0.5)
    return time.monotonic() - start


def owner(site: Site, region: str) -> str:
    """The edge node that has the region's first VIP."""
    vip = next(entrance.address for entrance in site.entrances if entrance.region == region)
    edges = health([node.name for node in site.tier("edge") if node.region == region])
    return next(name for name, state in edges.items() if vip in state["addresses"])


def podman(action: str, *names: str) -> None:
    together(lambda name: host.podman(*action.split(), CONTAINER_PREFIX + name), names)


def kill(*names: str) -> float:
    """SIGKILL to all of them in the same moment, which it returns: a mail exchanger that died later could still take a message with it."""
    held = [CONTAINER_PREFIX + name for name in names]
    pids = [int(pid) for pid in host.podman("inspect", "--format={{.State.Pid}}", *held).split()]
    # That of a container which is dead is 0.
    if 0 in pids:
        raise LabError(f"{', '.join(names)}: what shall be killed is dead")
    struck = time.time()
    for name, pid in zip(names, pids, strict=True):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError as error:
            raise LabError(f"{name}: died before it was killed") from error
    host.podman("wait", *held)
    return struck


def revive(*names: str) -> None:
    """Start what is dead; a node that was just killed may still be on its way down."""
    for attempt in range(20):
        dead = [name for name in names if state_of(name) != "running"]
        if not dead:
            return
        with contextlib.suppress(LabError):
            podman("start", *dead)
        time.sleep(0.2 if attempt else 0.0)
    raise LabError(f"{', '.join(names)}: podman start does not help")


def revive_all(site: Site, names: Sequence[str], *, shares: int = CPU_SHARES) -> None:
    """Start nodes one after another; a region that was dead as a whole has got a new bridge.

    With fewer C(shares) of the CPU, nodes that boot do not take it from the others, which would have hosts of their own.
    """
    kept = set()
    for name in names:
        revive(name)
        if shares != CPU_SHARES:
            give_shares(shares, name)
        region = next(node.region for node in site.nodes if node.name == name)
        if region not in kept:
            # Before the others know the bridge by an address that it loses.
            host.keep_bridge_address(CONTAINER_PREFIX + region)
            kept.add(region)


def give_shares(shares: int, *names: str) -> None:
    """Of the CPU, to running containers; a start forgets it."""
    podman(f"update --cpu-shares={shares}", *names)


def state_of(name: str) -> str:
    return host.podman("inspect", "--format={{.State.Status}}", CONTAINER_PREFIX + name).strip()


def kill_daemons(node: str, *daemons: str) -> float:
    """SIGKILL to every process of these daemons; returns when that was. ProbeError when one of them does not run."""
    return float(podman_exec(node, "sh", "-ec", f"date +%s.%N; {'; '.join(f'pkill -KILL -x {daemon}' for daemon in daemons)}"))


def expect_daemons(node: str, *daemons: str) -> None:
    """LabError unless these daemons have come back by themselves: to start them would hide that they do not."""
    states = podman_exec(node, "sh", "-c", f"systemctl is-active {' '.join(daemons)} || true").split()
    if dead := [f"{daemon} is {state}" for daemon, state in zip(daemons, states, strict=True) if state != "active"]:
        raise LabError(f"{node}: after a SIGKILL nobody has started again what shall come back by itself: {', '.join(dead)}")


def start_daemons(node: Node) -> None:
    """As an administrator does; one that runs stays as it is, and a node that is booting does it itself."""
    with contextlib.suppress(ProbeError):
        podman_exec(node.name, "systemctl", "start", "haproxy", *(["keepalived"] if "edge" in node.tiers else []))


def cut(here: Sequence[Node], there: Sequence[str]) -> None:
    """Drop everything between these nodes and those addresses or networks."""
    rules = "".join(
        f"add rule inet {CUT} {hook} {family} {field} {{ {', '.join(members)} }} drop\n"
        for family, members in (("ip", [a for a in there if ":" not in a]), ("ip6", [a for a in there if ":" in a]))
        if members
        for hook, field in (("incoming", "saddr"), ("outgoing", "daddr"))
    )
    table = (
        f"add table inet {CUT}\ndelete table inet {CUT}\nadd table inet {CUT}\n"
        f"add chain inet {CUT} incoming {{ type filter hook input priority -300; }}\n"
        f"add chain inet {CUT} outgoing {{ type filter hook output priority -300; }}\n"
    )
    together(lambda name: podman_exec(name, "nft", "-f", "-", data=table + rules), [node.name for node in here])


def mend(*names: str) -> None:
    together(lambda name: podman_exec(name, "nft", "-f", "-", data=f"add table inet {CUT}\ndelete table inet {CUT}\n"), names)


def clean(site: Site) -> None:
    """Thaw, start, mend and restore everything: after a run that was interrupted, too."""
    names = [node.name for node in site.nodes]
    states = dict(zip(names, together(state_of, names), strict=True))
    podman("unpause", *(name for name, state in states.items() if state == "paused"))
    revive_all(site, [name for name, state in states.items() if state not in ("paused", "running")])
    give_shares(CPU_SHARES, *names)
    mend(*names)
    together(start_daemons, site.nodes)
    together(restore, names)


def restore(name: str) -> None:
    """Take a node back into service; one that is booting does it itself."""
    with contextlib.suppress(ProbeError):
        on_node(name, "restore")


def flush(site: Site) -> None:
    """Let every queue try again now, instead of after minutes."""
    command = "for c in /etc/postfix-*/; do postqueue -c ${c%/} -f; done; postqueue -f 2>/dev/null; true"
    together(lambda name: podman_exec(name, "sh", "-c", command), [node.name for node in site.nodes if node.tiers & {"mx", "submission", "relay"}])


# -- cases


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault and the way back. ``homes`` are the recipients whose mailbox it takes away; ``needs`` is a playbook without which it means nothing."""

    name: str
    # Returns when it struck, unless that was when it was called.
    fault: Callable[[], float | None]
    heal: Callable[[], object] = lambda: None
    homes: frozenset[str] = frozenset()
    # Run when all is whole again.
    settle: Callable[[], object] = lambda: None
    calm: float = CALM
    hold: float = HOLD
    after: float = AFTER
    needs: str = ""
    longest: float = LONGEST
    # How many seconds a later message may wait longer than any before.
    patience: float = PATIENCE
    # Another case does all of it: the whole matrix is without it.
    by_name_only: bool = False

    @property
    def missing(self) -> bool:
        return bool(self.needs) and not (ROOT / "playbooks" / f"{self.needs}.yml").exists()


def shortened(case: Case, *, calm: float, hold: float, after: float) -> Case:
    """The same in less time."""
    return replace(case, calm=calm, hold=min(case.hold, hold), after=after)


def of_accounts(site: Site, *nodes: Node) -> frozenset[str]:
    """The recipients at home on these nodes."""
    accounts = (site.state / "accounts").read_text().splitlines()
    rows = [line.split(":") for line in accounts if line and not line.startswith("#")]
    return frozenset(row[0] for row in rows if row[1] in {node.name for node in nodes})


def cases(site: Site) -> list[Case]:
    """The matrix, in the order in which it runs."""
    return [*deaths(site), *freezes(site), *deaths_of_daemons(site), *cuts(site), *changes(site), *regions(site), *everything(site)]


def by_tier(node: Node) -> int:
    return min(TIERS.index(tier) for tier in node.tiers)


def deaths(site: Site) -> Iterator[Case]:
    """SIGKILL of each node of every tier."""
    for node in sorted(site.nodes, key=by_tier):
        yield Case(name=f"kill-{node}", fault=partial(kill, node.name), heal=partial(revive, node.name), homes=of_accounts(site, node))


def freezes(site: Site) -> Iterator[Case]:
    """One node of each tier, and the one with valkey's primary."""
    primary = site.variables[site.nodes[0].name].get("valkey_primary")
    for node in sorted(site.nodes, key=by_tier):
        if node.name == primary or any(node == site.tier(tier)[0] for tier in node.tiers):
            yield Case(
                name=f"freeze-{node}", fault=partial(podman, "pause", node.name), heal=partial(podman, "unpause", node.name), homes=of_accounts(site, node)
            )


def deaths_of_daemons(site: Site) -> Iterator[Case]:
    """SIGKILL of keepalived, of haproxy, of both, where the VIPs are; and of the balancer of a mail exchanger."""
    edge = site.tier("edge")[0]
    for daemons in (("keepalived",), ("haproxy",), ("keepalived", "haproxy")):
        yield Case(name=f"{'-and-'.join(daemons)}-{edge}", fault=partial(kill_daemons, edge.name, *daemons), heal=partial(expect_daemons, edge.name, *daemons))
    exchanger = site.tier("mx")[0].name
    yield Case(name=f"haproxy-{exchanger}", fault=partial(kill_daemons, exchanger, "haproxy"), heal=partial(expect_daemons, exchanger, "haproxy"))


def cuts(site: Site) -> Iterator[Case]:
    """The network between edges, between tiers and between regions; mail for the other side of the last one waits."""
    region = site.entrances[0].region

    def here(tier: str) -> list[Node]:
        return [node for node in site.tier(tier) if node.region == region]

    def between(name: str, some: Sequence[Node], others: Sequence[Node], homes: frozenset[str] = frozenset()) -> Case:
        addresses = [address for node in others for address in node.addresses]
        return Case(name=name, fault=partial(cut, some, addresses), heal=partial(mend, *(node.name for node in some)), homes=homes)

    edges = here("edge")
    yield between("cut-edge-from-edge", edges[:1], edges[1:])
    yield between("cut-edge-from-mx", edges, here("mx"))
    yield between("cut-mx-from-filter", here("mx"), here("filter"))
    yield between("cut-submission-from-relay", here("submission"), here("relay"))
    yield between("cut-mx-from-mailbox", here("mx"), here("mailbox"), of_accounts(site, *here("mailbox")))
    inside = [node for node in site.nodes if node.region == region]
    yield between("cut-region-from-region", inside, [node for node in site.nodes if node.region != region], of_accounts(site, *site.nodes))


def regions(site: Site) -> Iterator[Case]:
    """A whole region lost and returned; a client waits for an address that is no more as long as it chooses to, and a second."""
    for region in sorted({node.region for node in site.nodes}):
        nodes = [node for node in site.nodes if node.region == region]
        names = [node.name for node in nodes]
        yield Case(
            name=f"lose-{region}",
            fault=partial(kill, *names),
            heal=partial(revive_all, site, names, shares=CPU_SHARES // 8),
            settle=partial(give_shares, CPU_SHARES, *names),
            homes=of_accounts(site, *nodes),
            hold=25.0,
            patience=PATIENCE + load.TIMEOUT + 1,
        )


def everything(site: Site) -> Iterator[Case]:
    """All nodes killed, and started in random order; nothing is promised but that nothing is lost."""
    names = [node.name for node in site.nodes]
    order = random.sample(names, len(names))
    homes = of_accounts(site, *site.nodes)
    yield Case(name="cold-start", fault=partial(kill, *names), heal=partial(revive_all, site, order), homes=homes, hold=2.0, patience=float("inf"))


# -- changes


def playbook(site: Site, name: str, *words: str, fails: bool = False) -> None:
    """Run a playbook of the collection; LabError when it ends otherwise than it should."""
    done = ansible("ansible-playbook", f"mailcluster.postfix.{name}", "-i", site.inventory, *words, seconds=PLAYBOOK_SECONDS)
    folder = CACHE / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "playbooks.log").open("a") as log:
        log.write(f"# {name} {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}\n")
    if bool(done.returncode) != fails:
        told = next((line for line in done.stdout.splitlines() if line.startswith(("fatal:", "[ERROR]"))), done.stderr.strip()[-200:])
        raise LabError(f"{name} {'succeeded' if fails else 'failed'}, see .cache/faults/playbooks.log: {told[:300]}")


def rollout(site: Site, nodes: str, more: Mapping[str, Any] | None = None, *, fails: bool = False) -> None:
    """Roll the nodes of a pattern; the inventory of the lab has who gets the probes' mail."""
    words = {"rollout_hosts": nodes, "rollout_canary_watch": 3, **(more or {})}
    playbook(site, "rollout", "-e", json.dumps(words), fails=fails)


def refused(site: Site, name: str, more: Mapping[str, Any]) -> None:
    """Roll a change that only real mail shows to be bad; LabError unless the first node is back where it was, and no other was touched."""
    before = active(site)
    rollout(site, "mx", more, fails=True)
    records = {path.name: json.loads(path.read_text()) for path in (site.state / "rollouts").glob("*.node.*.json")}
    if not records:
        raise LabError("the roll has left no record")
    last = max(path.partition(".")[0] for path in records)
    told = {record["host"]: record["outcome"] for path, record in records.items() if path.startswith(f"{last}.")}
    if told != {name: "back"} or active(site) != before:
        raise LabError(f"a change that real mail shows to be bad: {told}, before {before}, after {active(site)}")


def active(site: Site) -> dict[str, str]:
    """The generation of every mail exchanger."""
    return {node.name: podman_exec(node.name, "readlink", "/etc/postfix-mx").strip() for node in site.tier("mx")}


def changes(site: Site) -> Iterator[Case]:
    """What is rolled, and back: a parameter, a certificate, packages; what must be stopped; a rollback; accounts; the queue of a dead node."""
    exchanger = site.tier("mx")[0].name
    parameter = {f"{tier}_main": {"smtpd_timeout": "299s"} for tier in ("mx", "submission", "relay")}
    roll = partial(rollout, site)
    # Mailboxes wait while their node is drained.
    everybody = of_accounts(site, *site.nodes)
    every = partial(roll, "all:!world", parameter)
    yield Case(name="roll-parameter", needs="rollout", fault=every, heal=partial(roll, "mx:submission:relay"), homes=everybody, hold=0.0, longest=OF_ALL)
    yield Case(name="roll-canary", needs="rollout", fault=partial(roll, exchanger, parameter), heal=partial(roll, exchanger), hold=0.0, by_name_only=True)
    yield Case(name="roll-certificate", needs="rollout", fault=partial(roll, "mx:submission", {"certificates_renew_before": 366}), hold=0.0, longest=OF_ROLLS)
    yield Case(name="roll-packages", needs="rollout", fault=partial(roll, "mx:edge", {"rollout_upgrade": True}), hold=0.0, longest=OF_ROLLS)
    bad = {"mx_main": {"message_size_limit": 200}}
    yield Case(name="bad-change", needs="rollout", fault=partial(refused, site, exchanger, bad), hold=2.0)
    yield Case(name="rollback", needs="rollback", fault=partial(roll_back, site, exchanger), heal=partial(roll, exchanger), hold=2.0)
    yield Case(name="accounts", fault=partial(publish, site, 1000), heal=partial(publish, site, 0), hold=2.0)
    taken = partial(evacuate, site, exchanger)
    yield Case(name="evacuate", needs="evacuate", fault=taken, heal=partial(bring_back, site, exchanger), homes=everybody)


def roll_back(site: Site, name: str) -> None:
    """Change a node, put it back to what it had before, and forth to the change by its name. Raises LabError when it serves another generation."""

    def serving() -> str:
        return Path(podman_exec(name, "readlink", "/etc/postfix-mx").strip()).name

    before = serving()
    rollout(site, name, {"mx_main": {"smtpd_timeout": "298s"}})
    changed = serving()
    playbook(site, "rollback", "--limit", name)
    back = serving()
    playbook(site, "rollback", "--limit", name, "-e", f"rollback_generation={changed}")
    if (back, serving()) != (before, changed) or before == changed:
        raise LabError(f"{name} had {before}, then {changed}; it was put back to {back}, and forth to {serving()}")


def publish(site: Site, more: int) -> None:
    """The lab's accounts, and so many beside them."""
    present = (site.state / "accounts").read_text()
    home, password = next(line.split(":", 2)[1:] for line in present.splitlines() if not line.startswith("#"))
    file = site.state / "accounts-of-faults"
    file.touch(mode=0o600)
    file.write_text(present + "".join(f"new{number}@{site.domain}:{home}:{password}\n" for number in range(more)))
    playbook(site, "data", "-e", f"mailcluster_accounts={file}")


def evacuate(site: Site, name: str) -> None:
    """Let mail gather in the queue of a node, kill it, and have the queue delivered from its disk."""
    node = next(node for node in site.nodes if node.name == name)
    cut([node], [address for home in site.tier("mailbox") for address in home.addresses])
    time.sleep(5)
    kill(name)
    root = host.podman("mount", CONTAINER_PREFIX + name).strip()
    told = {"evacuate_node": name, "evacuate_source_host": "localhost", "evacuate_source_root": root, "evacuate_fenced": "true"}
    playbook(site, "evacuate", *(word for key, value in told.items() for word in ("-e", f"{key}={value}")))


def bring_back(site: Site, name: str) -> None:
    """Start the node whose mail was taken elsewhere, and let it serve again."""
    host.podman("umount", CONTAINER_PREFIX + name)
    revive(name)
    node = next(node for node in site.nodes if node.name == name)
    containers.wait([(name, node.addresses[0], 22, b"SSH-")])
    playbook(site, "evacuate", "-e", f"evacuate_node={name}", "-e", "evacuate_return=true")
    playbook(site, "site", "--limit", name)
    restore(name)


# -- a run


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one case showed. ``whole`` is the time from the heal until nothing was wrong, ``flushed`` what had to be freed from a queue by hand."""

    name: str
    account: load.Account = field(default_factory=load.Account)
    seconds: float = 0.0
    whole: float = 0.0
    flushed: int = 0
    failures: tuple[str, ...] = ()
    skipped: str = ""
    patience: float = PATIENCE

    @property
    def problems(self) -> list[str]:
        return [*self.failures, *self.account.problems(self.patience)]

    @property
    def mark(self) -> str:
        return "skipped" if self.skipped else "FAILED" if self.problems else "ok"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """When a case began, when its fault came, how long the fault lasted and the lab took to be whole again, what went wrong."""

    case: Case
    begun: float
    fault: float
    seconds: float
    whole: float
    failures: tuple[str, ...]


def suffer(site: Site, case: Case) -> Mark:
    """The fault and the way back, load or not; what breaks is told, and the lab is cleaned."""
    begun = fault = time.time()
    seconds, took, failures = 0.0, 0.0, list[str]()
    try:
        whole(site)
        time.sleep(case.calm)
        fault = time.time()
        try:
            fault = case.fault() or fault
            time.sleep(max(0.0, fault + case.hold - time.time()))
        finally:
            seconds = time.time() - fault
            case.heal()
        took = whole(site)
        case.settle()
        time.sleep(case.after)
    except (LabError, ProbeError, subprocess.SubprocessError) as error:
        failures.append(str(error))
        clean(site)
    return Mark(case=case, begun=begun, fault=fault, seconds=seconds, whole=took, failures=tuple(failures))


def run(site: Site, chosen: Sequence[Case]) -> list[Row]:
    """Cases one after another under one load; every message counts for the case in which it began."""
    with load.Load(site) as running:
        marks = [suffer(site, case) for case in chosen]
    running.settle(8)
    waiting = {one.id for one in running.sightings if one.where == QUEUE} - {one.id for one in running.sightings if one.where == MAILBOX}
    if waiting:
        flush(site)
        running.settle(20)
    rows = []
    for mark, following in itertools.zip_longest(marks, marks[1:]):
        end = following.begun if following else float("inf")
        entries = [entry for entry in running.entries if (mark is marks[0] or entry.first >= mark.begun) and entry.first < end]
        seen = load.account(entries, running.sightings, mark.fault, homes=mark.case.homes)
        keep(mark, entries, running.sightings)
        rows.append(
            Row(
                name=mark.case.name,
                account=seen,
                seconds=mark.seconds,
                whole=mark.whole,
                flushed=len(waiting & {entry.id for entry in entries}),
                failures=mark.failures,
                patience=mark.case.patience,
            )
        )
    return rows


def warm_up(site: Site) -> None:
    """Load that nobody reckons: postscreen lets whoever comes for the first time wait, which would make a first case look slow."""
    whole(site)
    with load.Load(site):
        time.sleep(WARM_UP)


def keep(mark: Mark, entries: Sequence[Transaction], found: Sequence[Sighting]) -> None:
    """The ledger and what was found, for whoever wants to know more."""
    folder = CACHE / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    held = {"fault": mark.fault, "entries": [asdict(entry) for entry in entries], "sightings": [asdict(one) for one in found]}
    (folder / f"{mark.case.name}.json").write_text(json.dumps(held))


# -- the way of a VIP


@dataclass(frozen=True, kw_only=True)
class Failover:
    """What a client saw of an address that moved, so many times. Seconds; ``back`` is the longest outage when the owner returned."""

    name: str
    outages: tuple[float, ...] = ()
    back: float = 0.0
    failed: int = 0
    messages: int = 0
    problems: tuple[str, ...] = ()


def outage(knocks: Sequence[tuple[float, bool]], begin: float, end: float = float("inf")) -> float:
    """From ``begin`` until a client is greeted that comes after the last failure before ``end``; 0 when none failed."""
    failures = [when for when, greeted in knocks if not greeted and begin <= when < end]
    if not failures:
        return 0.0
    after = [when for when, greeted in knocks if greeted and when > failures[-1]]
    return (min(after) if after else knocks[-1][0]) - begin


def failover(site: Site, name: str) -> Failover:
    """Kill what the name says where the VIPs of a region are, ten times in turn in each region, a client knocking all the time, under load."""
    entrances = [entrance for entrance in site.entrances if entrance.family == 4]
    begun, outages, back = time.time(), list[float](), list[float]()
    with load.Load(site) as running:
        for number in range(TIMES):
            whole(site)
            entrance = entrances[number % len(entrances)]
            edge = owner(site, entrance.region)
            found: list[tuple[float, bool]] = []
            with ThreadPoolExecutor(max_workers=1) as pool:
                knocking = pool.submit(run_python, STRANGER, PROBER.read_text(), "knocks", entrance.address, 587, KNOCKING.get(name, 10.0), PACE)
                time.sleep(2)
                fault = time.time()
                fault = FAILOVERS[name](edge) or fault
                time.sleep(max(0.0, fault + 5 - time.time()))
                healed = time.time()
                revive(edge)
                if name != "failover-node":
                    expect_daemons(edge, "haproxy", "keepalived")
                found = knocking.result()
            outages.append(outage(found, fault, healed))
            back.append(outage(found, healed))
            print(f"        {name} {number + 1}: {edge} gone for {outages[-1]:.1f} s, on return for {back[-1]:.1f} s", flush=True)
    running.settle(10)
    seen = load.account(running.entries, running.sightings, begun)
    problems = [text for text in seen.problems() if "waited" not in text]
    problems += [f"the addresses were away for {max(outages):.1f} s"] if max(outages) > PATIENCE else []
    return Failover(name=name, outages=tuple(outages), back=max(back), failed=seen.unanswered + seen.again, messages=seen.messages, problems=tuple(problems))


FAILOVERS: Mapping[str, Callable[[str], float | None]] = {
    "failover-node": kill,
    "failover-haproxy": lambda edge: kill_daemons(edge, "haproxy"),
    "failover-keepalived": lambda edge: kill_daemons(edge, "keepalived"),
}


def failover_line(one: Failover) -> str:
    """A row of the table for docs/availability.md."""
    spread = ledger.spread(one.outages)
    cells = (one.name, len(one.outages), f"{spread.median:.1f}", f"{spread.worst:.1f}", f"{one.back:.1f}", f"{one.failed / max(1, len(one.outages)):.1f}")
    return f"| {' | '.join(map(str, cells))} | {'; '.join(one.problems) or 'met'} |\n"


FAILOVER_HEAD = (
    "| killed where the VIPs are | times | median outage | worst | worst on return | transactions failed per event | verdict |\n" + "| --- " * 7 + "|\n"
)


# -- the report


def told(row: Row) -> str:
    """A case for people."""
    a = row.account
    if row.skipped:
        return f"{row.mark:8}{row.name}: {row.skipped}"
    lines = [
        f"{row.mark:8}{row.name}: {a.messages} messages, lost {len(a.lost)}, twice {a.twice} of {a.in_flight} in flight",
        f"        {a.again} asked to try again, {a.unanswered} unanswered",
        f"        worst wait {a.before:.1f} s before, {a.later:.1f} s later" + (f", {a.home:.1f} s for mailboxes that were away" if a.home else ""),
        f"        failures for {a.troubled:.1f} s, no acknowledgement for {a.silence:.1f} s, whole {row.whole:.1f} s after the heal",
        *([f"        {row.flushed} freed from a queue by hand"] if row.flushed else []),
        *(f"        WRONG: {text}" for text in row.problems),
        *(f"        {count:4} x {text}" for text, count in a.answers.items()),
    ]
    return "\n".join(lines)


COLUMNS = (
    "case",
    "messages",
    "lost",
    "twice (in flight)",
    "asked again",
    "unanswered",
    "worst wait before",
    "later",
    "mailbox away",
    "failures for",
    "whole after",
    "verdict",
)


def markdown(rows: Sequence[Row]) -> str:
    """The table for docs/availability.md; times in seconds."""

    def cells(row: Row) -> Sequence[object]:
        a = row.account
        if row.skipped:
            return (row.name, *[""] * (len(COLUMNS) - 2), row.skipped)
        times = (f"{a.before:.1f}", f"{a.later:.1f}", f"{a.home:.1f}" if a.home else "", f"{a.troubled:.1f}", f"{row.whole:.1f}")
        return (row.name, a.messages, len(a.lost), f"{a.twice} ({a.in_flight})", a.again, a.unanswered, *times, "; ".join(row.problems) or "met")

    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(cells, rows)]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


@contextlib.contextmanager
def cleaned(site: Site) -> Iterator[None]:
    """Whatever happens inside, nothing stays dead, frozen or cut. A node weighs as much on the CPU as a process of Ansible, which has a host of its own."""
    clean(site)
    try:
        with host.weighed_containers(len(site.variables)):
            yield
    finally:
        clean(site)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="names or patterns; all unless given")
    parser.add_argument("--list", action="store_true", help="only name the cases")
    parser.add_argument("--minutes", type=float, default=60.0, help="no case begins that could end later (default: 60)")
    options = parser.parse_args(arguments)
    # Whoever ends this ends it as Ctrl-C does: what is dead is started first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    os.environ.update(lab.ENVIRONMENT)
    try:
        if options.list:
            print("\n".join([*(case.name for case in cases(the_site())), *FAILOVERS]))
            return 0
        ensure()
        site = the_site()
        patterns = options.cases or ["*"]
        chosen = [case for case in cases(site) if any(fnmatch.fnmatch(case.name, pattern) for pattern in patterns) and (options.cases or not case.by_name_only)]
        end_by = began + 60 * options.minutes
        rows: list[Row] = []
        moved: list[Failover] = []
        left_out: list[str] = []
        with cleaned(site):
            warm_up(site)
            for case in chosen:
                late = time.monotonic() > end_by - case.longest
                left_out += [case.name] if late else []
                skipped = f"no playbook {case.needs}" if case.missing else "no time left" if late else ""
                rows += [Row(name=case.name, skipped=skipped)] if skipped else run(site, [case])
                print(told(rows[-1]), flush=True)
                report(rows, moved)
            for name in [name for name in FAILOVERS if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]:
                if time.monotonic() > end_by - OF_FAILOVERS:
                    left_out.append(name)
                    print(f"skipped {name}: no time left", flush=True)
                    continue
                moved.append(failover(site, name))
                print(failover_line(moved[-1]), end="", flush=True)
                report(rows, moved)
    except (LabError, ProbeError) as error:
        print(f"faults: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nfaults: interrupted; the lab was cleaned", file=sys.stderr)
        return 130
    marks = [row.mark for row in rows]
    took = (time.monotonic() - began) / 60
    print(f"\n{marks.count('ok')} ok, {marks.count('FAILED')} failed, {marks.count('skipped')} skipped in {took:.0f} minutes; {REPORT.relative_to(ROOT)}")
    return 1 if "FAILED" in marks or left_out or any(one.problems for one in moved) else 0


def ensure() -> None:
    """The lab is up, by the same way as make demo has it."""
    if containers.site_of_present() == "lab":
        return
    lab.provision(Steps(), inventory.load("lab"))


def report(rows: Sequence[Row], moved: Sequence[Failover]) -> None:
    """Written after each case, so that an interrupted run leaves one."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(markdown(rows) + "\n" + FAILOVER_HEAD + "".join(map(failover_line, moved)))
    REPORT.with_suffix(".txt").write_text("\n".join(map(told, rows)) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
