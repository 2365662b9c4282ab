# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A roll: in which order nodes change, and the report of what became of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import unified_diff
from html import escape
from itertools import groupby, pairwise
from statistics import median
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils._cluster import TIERS, ClusterError, Member, Members, find_member, tiers_of
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import master_cf

PHASES = ("drain", "packages", "configure", "probe", "restore", "watch")
# What a record says of its node, and how that reads in a report.
OUTCOMES = {
    "done": "done",
    "back": "failed, put back and in service",
    "drained": "failed, still drained",
    "underway": "under way, or out of reach",
}
WAITING = "untouched"


@dataclass(frozen=True)
class Batch:
    """Nodes of one region and the same tiers that change at the same time."""

    hosts: tuple[str, ...]
    region: str
    tiers: tuple[str, ...]
    canary: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def batches(
    hosts: Sequence[str],
    of_tier: Members,
    *,
    regions: Sequence[str],
    canaries: Sequence[str] | None = None,
    size: int = 1,
    skip: Iterable[str] = (),
    fresh: Iterable[str] = (),
) -> list[Batch]:
    """Return the order of a roll over C(hosts): the canaries one by one, then region by region, in each the tiers that are called before
    those that call them. Nodes that are C(fresh) come last: whom they call has to know them by then.

    Without C(canaries), the first node of every tier in the first region is one. A batch never has all members of a tier that has
    more than one. Raises ClusterError for a canary that the roll does not have, and for a size below 1.
    """
    if size < 1:
        raise ClusterError(f"rollout_batch (site): must be 1 or more, it is {size}")
    if unknown := [name for name in canaries or () if name not in hosts]:
        raise ClusterError(f"rollout_canaries (site): {', '.join(unknown)}: not among the nodes of the roll")
    members = [find_member(of_tier, host) for host in hosts]

    def place(member: Member) -> tuple[int, tuple[int, ...]]:
        return regions.index(member.region), tuple(TIERS.index(tier) for tier in tiers_of(of_tier, member.name))

    new = [member for member in members if member.name in set(fresh)]
    ordered = sorted((member for member in members if member not in new), key=place)
    if canaries is None:
        canaries = [next(group).name for _place, group in groupby(ordered, key=place)]
        first = {member.name for member in ordered if member.region == ordered[0].region} if ordered else set()
        canaries = [name for name in canaries if name in first]
    left_out = set(skip)
    found = [
        Batch((member.name,), member.region, tiers_of(of_tier, member.name), canary=True)
        for member in sorted((member for member in members if member.name in canaries), key=place)
        if member.name not in left_out
    ]
    others = [member for member in ordered if member.name not in canaries and member.name not in left_out]
    for _place, group in groupby(others, key=place):
        same = list(group)
        tiers = tiers_of(of_tier, same[0].name)
        most = max(1, min(size, *(len(of_tier[tier]) - 1 for tier in tiers)))
        found += [Batch(tuple(member.name for member in same[at : at + most]), same[0].region, tiers) for at in range(0, len(same), most)]
    alone = (member for member in sorted(new, key=place) if member.name not in left_out and member.name not in canaries)
    return found + [Batch((member.name,), member.region, tiers_of(of_tier, member.name)) for member in alone]


def expected_seconds(order: Iterable[Mapping[str, Any]], records: Iterable[Mapping[str, Any]]) -> float | None:
    """Return how long a roll in C(order) takes by what nodes of the same tiers took in C(records), which are of earlier rolls.

    None where none was recorded. Tiers that never rolled take what all others took.
    """
    took: dict[tuple[str, ...], list[float]] = {}
    for record in records:
        if record.get("outcome") == "done":
            took.setdefault(tuple(record["tiers"]), []).append(sum(record["seconds"].values()))
    if not took:
        return None
    every = median(seconds for found in took.values() for seconds in found)
    return sum(median(took[tuple(batch["tiers"])]) if tuple(batch["tiers"]) in took else every for batch in order)


def phases(clock: Sequence[Sequence[Any]]) -> dict[str, float]:
    """Return the seconds of each phase from the times at which phases began, C([[name, seconds since the epoch], ...]); the last ends the others."""
    return {name: round(float(after[1]) - float(begun), 1) for (name, begun), after in pairwise(clock)}


def digests(info: Mapping[str, Any]) -> dict[str, str]:
    """Return the active generation of each instance in a result of C(postfix_info)."""
    return {instance["name"]: instance["active"] for instance in info.get("instances", ()) if instance["managed"]}


def configuration_diff(before: Mapping[str, Any], after: Mapping[str, Any], how: str = "after") -> str:
    """Return in what two results of C(postfix_info) of one node differ, as a unified diff of each instance; C(how) heads the second."""
    old, new = _texts(before), _texts(after)
    return "".join(_unified(name, old.get(name, ""), new.get(name, ""), how) for name in sorted({*old, *new}))


def files_diff(entries: Iterable[Mapping[str, str]], how: str = "after") -> str:
    """Return entries of Ansible's diffs as one unified diff; C(how) heads the second sides."""
    return "".join(_unified(entry["after_header"], entry["before"], entry["after"], how) for entry in entries)


def _texts(info: Mapping[str, Any]) -> dict[str, str]:
    return {instance["name"]: "\n".join(_lines(instance["variables"])) + "\n" for instance in info.get("instances", ())}


def _lines(variables: Mapping[str, Any]) -> Iterator[str]:
    for parameter, value in sorted({**variables["main"], **variables.get("local", {})}.items()):
        yield f"{parameter} = {value}"
    for entry in [*variables["services"], *variables.get("local_services", ())]:
        yield master_cf.render_service(master_cf.service(entry)).strip()
    for entry in variables.get("tables", ()):
        yield from (f"{entry['name']}: {line}" for line in entry["content"].splitlines())


def _unified(name: str, before: str, after: str, how: str) -> str:
    lines = unified_diff(before.splitlines(), after.splitlines(), f"before: {name}", f"{how}: {name}", lineterm="", n=1)
    return "".join(f"{line}\n" for line in lines)


# -- the report


@dataclass(frozen=True)
class Row:
    """A node in the report: cells of the table, then what there is to read about it."""

    host: str
    cells: tuple[str, ...]
    outcome: str
    error: str = ""
    diff: str = ""


HEADINGS = ("node", "region", "tiers", "outcome", "seconds", *PHASES, "generations", "deferred")


def rows(plan: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return a row for each node of the plan, in its order; those without a record have not been touched."""
    of_host = {record["host"]: record for record in records}
    return [_row(host, batch, of_host.get(host)) for batch in plan["batches"] for host in batch["hosts"]]


def _row(host: str, batch: Mapping[str, Any], record: Mapping[str, Any] | None) -> Row:
    name = f"{host} (canary)" if batch.get("canary") else host
    where = (name, batch["region"], " ".join(batch["tiers"]))
    if record is None:
        return Row(host, (*where, WAITING, *[""] * (len(HEADINGS) - len(where) - 1)), WAITING)
    seconds = record["seconds"]
    cells = (
        *where,
        OUTCOMES[record["outcome"]],
        f"{sum(seconds.values()):.1f}",
        *(f"{seconds[phase]:.1f}" if phase in seconds else "" for phase in PHASES),
        _generations(record.get("before", {}), record.get("after", {})),
        _deferred(record.get("deliveries") or {}),
    )
    withheld = f". Not put back: {', '.join(record['withheld'])}" if record.get("withheld") else ""
    return Row(host, cells, record["outcome"], record.get("error", "") + withheld, record.get("diff", ""))


def _generations(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    told = [
        f"{name} {old or 'none'} -> {new or 'none'}" if old != new else f"{name} {new}"
        for name in sorted({*before, *after})
        for old, new in [(before.get(name, ""), after.get(name, ""))]
    ]
    return "; ".join(told)


def _deferred(deliveries: Mapping[str, Any]) -> str:
    put_off = f"{deliveries['put_off']} put off" if deliveries.get("put_off") else ""
    deferred = f"{deliveries['deferred']} of {deliveries['attempts']}" if deliveries.get("attempts") else ""
    return ", ".join(filter(None, [deferred, put_off]))


def outcome(plan: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    """Return the roll in one sentence."""
    found = rows(plan, records)
    if not records:
        return f"planned: {len(found)} nodes in {len(plan['batches'])} steps"
    failed = [row.host for row in found if row.outcome in ("back", "drained")]
    done = sum(row.outcome == "done" for row in found)
    begun = [row.host for row in found if row.outcome == "underway"]
    if failed:
        return f"stopped at {', '.join(failed)}: {done} of {len(found)} nodes done, the others untouched"
    if done == len(found):
        return f"done: all {len(found)} nodes"
    at = f", at {', '.join(begun)}" if begun else ""
    return f"under way or interrupted: {done} of {len(found)} nodes done{at}"


def as_text(plan: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    """Return the report for a terminal."""
    found = rows(plan, records)
    table = [HEADINGS, *(row.cells for row in found)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    details = [f"{row.host}: {row.error}" for row in found if row.error]
    diffs = [f"{row.host}\n{row.diff}" for row in found if row.diff]
    return "\n".join([f"Roll {plan['run']}: {outcome(plan, records)}", "", *lines, *(["", *details] if details else []), *(["", *diffs] if diffs else []), ""])


_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { padding: .25em .7em; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; white-space: nowrap }
td:nth-child(n+5):nth-child(-n+11) { text-align: right; font-variant-numeric: tabular-nums }
tr.done td:nth-child(4) { color: #1a7f37 } tr.back td:nth-child(4), tr.drained td:nth-child(4) { color: #d1242f; font-weight: bold }
pre { padding: .7em; background: #8881; overflow-x: auto } ins { color: #1a7f37; text-decoration: none } del { color: #d1242f; text-decoration: none }
"""


def as_html(plan: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> str:
    """Return the report as one page without references to anything else."""
    found = rows(plan, records)
    body = "".join(f'<tr class="{row.outcome}">' + "".join(f"<td>{escape(cell)}</td>" for cell in row.cells) + "</tr>\n" for row in found)
    details = "".join(f"<h2>{escape(row.host)}</h2>\n{_detail(row)}" for row in found if row.error or row.diff)
    head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
    title = f"Roll {escape(plan['run'])}"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{escape(outcome(plan, records))}</p>\n"
        f"<table>\n<tr>{head}</tr>\n{body}</table>\n{details}</body>\n</html>\n"
    )


def _detail(row: Row) -> str:
    error = f"<p>{escape(row.error)}</p>\n" if row.error else ""
    return error + (f"<pre>{''.join(map(_marked, row.diff.splitlines()))}</pre>\n" if row.diff else "")


def _marked(line: str) -> str:
    tag = {"+": "ins", "-": "del"}.get(line[:1], "")
    return f"<{tag}>{escape(line)}</{tag}>\n" if tag else f"{escape(line)}\n"
