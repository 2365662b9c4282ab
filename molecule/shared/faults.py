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
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import host
import load
from client import CONTAINER_PREFIX, ProbeError, podman_exec, run_python
from ledger import QUEUE
from steps import CACHE, LabError
from testing import Node, Site, the_site

CUT = "mailcluster_cut"
CALM, HOLD, AFTER = 6.0, 12.0, 4.0
WHOLE_SECONDS = 120.0
TIERS = ("edge", "mx", "submission", "relay", "filter", "mailbox")
WORKERS = 8


# -- the lab


def together(work: Callable[[str], Any], names: Iterable[str]) -> list[Any]:
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return list(pool.map(work, names))


def on_node(node: str, function: str) -> Any:
    """A function of health.py, there."""
    return run_python(node, (Path(__file__).parent / "health.py").read_text(), function, seconds=20)


def health(node: str) -> dict[str, list[str]]:
    try:
        found: dict[str, list[str]] = on_node(node, "status")
    except (ProbeError, ValueError) as error:
        return {"problems": [str(error)[:200]], "addresses": []}
    return found


def problems(site: Site) -> list[str]:
    """What keeps the lab from being whole; every VIP has one owner, too."""
    names = [node.name for node in site.nodes]
    states = dict(zip(names, together(health, names), strict=True))
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
    edges = [node.name for node in site.tier("edge") if node.region == region]
    return next(name for name in edges if vip in health(name)["addresses"])


def podman(action: str, *names: str) -> None:
    together(lambda name: host.podman(*action.split(), CONTAINER_PREFIX + name), names)


def kill(*names: str) -> None:
    podman("kill --signal=KILL", *names)


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


def state_of(name: str) -> str:
    return host.podman("inspect", "--format={{.State.Status}}", CONTAINER_PREFIX + name).strip()


def kill_daemon(*daemons: str) -> Callable[[str], None]:
    """SIGKILL to every process of these daemons."""
    return lambda node: void(podman_exec(node, "sh", "-c", " ".join(f"pkill -KILL -x {daemon};" for daemon in daemons)))


def void(_value: object) -> None:
    """What is said is of no interest."""


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
    for region in {node.region for node in site.nodes}:
        # A region that was dead as a whole got a new bridge.
        host.keep_bridge_address(CONTAINER_PREFIX + region)
    podman("unpause", *(name for name, state in states.items() if state == "paused"))
    revive(*(name for name, state in states.items() if state not in ("paused", "running")))
    mend(*names)

    def restore(name: str) -> None:
        # A node that is booting restores itself.
        with contextlib.suppress(ProbeError):
            on_node(name, "restore")

    together(restore, names)


def flush(site: Site) -> None:
    """Let every queue try again now, instead of after minutes."""
    command = "for c in /etc/postfix-*/; do postqueue -c ${c%/} -f; done; postqueue -f 2>/dev/null; true"
    together(lambda name: podman_exec(name, "sh", "-c", command), [node.name for node in site.nodes if node.tiers & {"mx", "submission", "relay"}])


# -- cases


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault and the way back. ``homes`` are the recipients whose mailbox it takes away."""

    name: str
    fault: Callable[[], object]
    heal: Callable[[], object] = lambda: None
    homes: frozenset[str] = frozenset()
    hold: float = HOLD
    # What must be there for the case to have a meaning.
    needs: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one case showed. ``whole`` is the time from the heal until nothing was wrong, ``flushed`` what had to be freed from a queue by hand."""

    name: str
    account: load.Account
    whole: float = 0.0
    flushed: int = 0
    note: str = ""
    failures: tuple[str, ...] = field(default=())

    @property
    def problems(self) -> list[str]:
        stuck = [f"{self.flushed} would have waited in a queue for minutes"] if self.flushed else []
        return [*self.failures, *self.account.problems(), *stuck]


def of_accounts(site: Site, node: Node) -> frozenset[str]:
    """The recipients at home on a node."""
    accounts = (site.state / "accounts").read_text().splitlines()
    rows = [line.split(":") for line in accounts if line and not line.startswith("#")]
    return frozenset(row[0] for row in rows if row[1] == node.name)


def cases(site: Site) -> list[Case]:
    """The matrix, in the order in which it runs."""
    found: list[Case] = []
    for node in sorted(site.nodes, key=lambda node: [TIERS.index(tier) for tier in TIERS if tier in node.tiers]):
        name, homes = node.name, of_accounts(site, node)
        found.append(Case(name=f"kill-{name}", fault=partial(kill, name), heal=partial(revive, name), homes=homes))
    for tier in TIERS:
        node = site.tier(tier)[0]
        name, homes = node.name, of_accounts(site, node)
        found.append(Case(name=f"freeze-{name}", fault=partial(podman, "pause", name), heal=partial(podman, "unpause", name), homes=homes))
    return found


def run(site: Site, case: Case) -> Row:
    """One case from a whole lab to a whole lab; what broke the harness itself is a failure of the row, and the lab is cleaned."""
    whole(site)
    running = load.Load(site).start()
    failures: list[str] = []
    took, fault = 0.0, time.time()
    try:
        time.sleep(CALM)
        fault = time.time()
        try:
            case.fault()
            time.sleep(max(0.0, fault + case.hold - time.time()))
        finally:
            case.heal()
        took = whole(site)
        time.sleep(AFTER)
    except (LabError, ProbeError, subprocess.SubprocessError) as error:
        failures.append(str(error))
        clean(site)
    finally:
        running.stop()
    running.settle(8)
    stuck = sum(one.where == QUEUE for one in running.sightings)
    if stuck:
        flush(site)
        running.settle(20)
    seen = load.account(running.entries, running.sightings, fault, homes=case.homes)
    keep(case, running, fault)
    return Row(name=case.name, account=seen, whole=took, flushed=stuck, failures=tuple(failures))


def keep(case: Case, running: load.Load, fault: float) -> None:
    """The ledger and what was found, for whoever wants to know more."""
    folder = CACHE / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    held = {"fault": fault, "entries": [asdict(entry) for entry in running.entries], "sightings": [asdict(one) for one in running.sightings]}
    (folder / f"{case.name}.json").write_text(json.dumps(held))


# -- the report


def line(row: Row) -> str:
    a = row.account
    return (
        f"{'ok' if not row.problems else 'FAILED':7}{row.name:26}{a.messages:5} messages, lost {len(a.lost)}, twice {a.twice} of {a.in_flight} in flight, "
        f"again {a.again}, unanswered {a.unanswered}; worst wait before {a.before:.1f}, later {a.later:.1f}"
        + (f", of its own mailboxes {a.home:.1f}" if a.home else "")
        + f"; trouble for {a.troubled:.1f} s, silence {a.silence:.1f} s, whole {row.whole:.1f} s after the heal"
        + "".join(f"\n         {text}" for text in row.problems)
        + "".join(f"\n         {count:4} x {text}" for text, count in a.answers.items())
    )


@contextlib.contextmanager
def cleaned(site: Site) -> Iterator[None]:
    """Whatever happens inside, nothing stays dead, frozen or cut."""
    clean(site)
    try:
        yield
    finally:
        clean(site)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=["*"], help="names or patterns")
    options = parser.parse_args(arguments)
    site = the_site()
    chosen = [case for case in cases(site) if any(fnmatch.fnmatch(case.name, pattern) for pattern in options.cases)]
    rows = []
    # Whoever ends this ends it as Ctrl-C does: what is dead is started first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with cleaned(site):
        for case in chosen:
            row = run(site, case)
            rows.append(row)
            print(line(row), flush=True)
    return 1 if any(row.problems for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
