# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance runs, in plain data, and what is wrong across the nodes of a cluster. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from itertools import groupby
from typing import Any

from . import main_cf, master_cf, table
from .evacuation import OWNER as EVACUATION
from .generation import digests, local_files, shared_files
from .instance import Before
from .references import Reference

# The roles that run instances of the cluster.
PROFILES = ("mailcluster.postfix.mx", "mailcluster.postfix.relay", "mailcluster.postfix.submission")


@dataclass(frozen=True, kw_only=True)
class Node:
    """What only the node tells of an instance in the directory ``config``: what is in its queues, and its tables in files.

    ``defaults`` is C(postconf -d), empty where Postfix is not installed. ``managed`` says whether it runs from generations,
    ``evacuated`` whether another node has its mail.
    """

    config: str
    managed: bool = True
    evacuated: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, int] = field(default_factory=dict)
    tables: Sequence[TableFile] = ()


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A table in a file as it lies on the node; ``text`` is None without a source, and unless it is asked for."""

    references: Sequence[Reference]
    entries: int | None = None
    digest: str = ""
    text: str | None = None
    compiled: bool | None = None
    owner: str = ""
    group: str = ""
    mode: int = 0
    rows: Mapping[str, str] | None = None

    @property
    def path(self) -> str:
        return self.references[0].path

    @property
    def kind(self) -> str:
        return self.references[0].kind

    @property
    def cache(self) -> bool:
        return any(reference.cache for reference in self.references)

    @property
    def secret(self) -> bool:
        return self.kind in table.CONNECTED or not self.mode & 0o004


def describe(name: str, before: Before, generations: Sequence[str], node: Node, *, defaults: bool = False, content: bool = False) -> dict[str, Any]:
    """One instance as the module postfix_info returns it; all digests come from file content, never from a stored name."""
    shared, local = digests(before.files)
    loaded = digests(before.loaded_files) if before.loaded_files is not None else ("", "")
    tier, here = shared_files(before.files), local_files(before.files)
    main, own = (main_cf.parameters(files.get(main_cf.FILE, "")) for files in (tier, here))
    services, own_services = ([master_cf.as_dict(entry) for entry in master_cf.parse(files.get(master_cf.FILE, ""))] for files in (tier, here))
    changed = {parameter: value for parameter, value in {**main, **own}.items() if node.defaults.get(parameter) != value}
    return {
        "name": name,
        "owner": before.owner,
        "config_directory": node.config,
        "managed": node.managed,
        "evacuated": node.evacuated,
        "active": before.active,
        "loaded": before.loaded,
        "running": before.running,
        "enabled": before.enabled,
        "proven": bool(before.active) and not before.unproven,
        "shared": shared,
        "local": local,
        "loaded_shared": loaded[0],
        "loaded_local": loaded[1],
        "parameters": dict(sorted({**(node.defaults if defaults else {}), **changed}.items())),
        "queues": dict(node.queues),
        "tables": [_told_table(entry) for entry in node.tables],
        "generations": list(generations),
        "variables": {
            "main": main,
            "local": own,
            "services": services,
            "local_services": own_services,
            "tables": _policy_tables(before.files, node),
            "data": [_data_table(entry, content=content) for entry in node.tables if _is_data(entry, node)],
        },
    }


def _told_table(entry: TableFile) -> dict[str, Any]:
    return {
        "path": entry.path,
        "type": entry.kind,
        "parameters": list(dict.fromkeys(reference.place for reference in entry.references)),
        "cache": entry.cache,
        "entries": entry.entries,
        "digest": entry.digest,
        "compiled": entry.compiled,
        "rows": entry.rows,
    }


def row_marks(text: str) -> dict[str, str]:
    """Every key of a table source with a mark of its values, which tells them apart and does not tell them."""
    marks: dict[str, str] = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            key = line.split()[0]
            marks[key] = hashlib.sha256((marks.get(key, "") + line).encode(errors="surrogateescape")).hexdigest()[:6]
    return marks


def _policy_tables(files: Mapping[str, str], node: Node) -> list[dict[str, str]]:
    kinds = {entry.path: entry.kind for entry in node.tables}
    return [
        {"name": file, "type": kinds.get(f"{node.config}/{file}", table.TEXT[0]), "content": text}
        for file, text in sorted(files.items())
        if file not in (main_cf.FILE, master_cf.FILE)
    ]


def _is_data(entry: TableFile, node: Node) -> bool:
    policy = node.managed and entry.path.startswith(f"{node.config}/")
    return bool(entry.digest) and not entry.cache and not policy


def _data_table(entry: TableFile, *, content: bool) -> dict[str, Any]:
    """The table as an element of the option C(tables) of the module postmap, which takes the rows that lie there unless others are given."""
    return {
        "path": entry.path,
        "type": entry.kind,
        "aliases": any(reference.aliases for reference in entry.references),
        "owner": entry.owner,
        "group": entry.group,
        "mode": f"{entry.mode:04o}",
        "secret": entry.secret,
        **({"content": entry.text} if content and not entry.secret else {}),
    }


# Of what differs, so many lines are shown.
_SHOWN = 20


def compare(
    nodes: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, Sequence[str]],
    tiers: Mapping[str, Sequence[str]] | None = None,
    published: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, list[str]]:
    """Judge `{host: {release, instances, packages, files}}` of all nodes, which must have the instances that `wanted` names by host.

    What does not run from generations, such as the default instance, is its node's own affair. `tiers` names the tiers
    of a host, within which packages of a release have one version. The files are the same on all nodes. `published` is
    `{host: {edits}}`, as the module file_set_info has it.

    Returns errors (drift: a sentence with instance, host and digest, and behind it, indented, what differs) and
    differences (what two releases of one instance have in different form, which is allowed and shown).
    """
    rows = sorted(
        ((instance["name"], node["release"], host, instance) for host, node in nodes.items() for instance in node["instances"] if instance["managed"]),
        key=lambda row: row[:3],
    )
    errors = [*_missing(nodes, wanted), *_unclaimed(nodes, wanted), *_evacuated(nodes)]
    errors += [error for name, _release, host, instance in rows for error in _own_errors(f"{name} ({host})", instance)]
    differences: list[str] = []
    for name, of_name in groupby(rows, key=lambda row: row[0]):
        by_release: dict[str, Mapping[str, Any]] = {}
        everywhere: list[tuple[str, Mapping[str, Any]]] = []
        for release, of_release in groupby(of_name, key=lambda row: row[1]):
            members = [(host, instance) for _name, _release, host, instance in of_release]
            everywhere += members
            by_release[f"Debian {release}"] = members[0][1]
            errors += _drift(f"{name} on Debian {release}", members)
        differences += [f"{name}: {line}" for line in _parameter_differences(by_release)]
        errors += _table_drift(name, everywhere)
    errors += _package_drift(nodes, tiers or {})
    errors += _file_drift(nodes)
    errors += _edits(published or {})
    return {"errors": errors, "differences": differences}


def _missing(nodes: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]) -> list[str]:
    found = {host: {instance["name"] for instance in node["instances"] if instance["managed"]} for host, node in nodes.items()}
    return [f"{name} ({host}): the node lacks the instance" for host, names in sorted(wanted.items()) for name in names if name not in found.get(host, {name})]


def _unclaimed(nodes: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Name what a profile made and claims no more; an instance of a site's own role is its own affair."""
    return [
        f"{instance['name']} ({host}): no role claims the instance any more; -e mailcluster_prune=true removes it"
        for host, node in sorted(nodes.items())
        for instance in node["instances"]
        if host in wanted and instance["owner"] in PROFILES and instance["name"] not in wanted[host]
    ]


def _evacuated(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Name what delivers the mail of another node, and is there no longer than that takes."""
    return [
        f"{instance['name']} ({host}): holds {sum(instance['queues'].values())} evacuated messages; the playbook evacuate removes it once it is empty"
        for host, node in sorted(nodes.items())
        for instance in node["instances"]
        if instance["owner"] == EVACUATION
    ]


def _own_errors(subject: str, instance: Mapping[str, Any]) -> list[str]:
    made = f"{instance['shared']}-{instance['local']}"
    loaded = f"{instance['loaded_shared']}-{instance['loaded_local']}"
    if not instance["active"]:
        return [f"{subject}: no generation is active"]
    if instance["evacuated"]:
        return [f"{subject}: its mail was evacuated, and it does not serve until the playbook evacuate returns it"]
    return [
        *([f"{subject}: edited by hand: generation {instance['active']} now has the content {made}"] if made != instance["active"] else []),
        *([f"{subject}: master is not running"] if instance["enabled"] and not instance["running"] else []),
        *(
            [f"{subject}: master runs {instance['loaded'] or 'an unknown generation'}, not {instance['active']}"]
            if instance["running"] and loaded != made
            else []
        ),
        *([f"{subject}: no probe has seen generation {instance['active']} serving"] if not instance["proven"] else []),
    ]


def _holders(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Who has which value, of pairs of a host and a value; what most have comes first."""
    pairs = list(found)
    order = [value for value, _count in Counter(value for _host, value in pairs).most_common()]
    return {value: [host for host, held in pairs if held == value] for value in order}


def _listed(holders: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{value} on {', '.join(hosts)}" for value, hosts in holders.items())


def _drift(subject: str, members: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    holders = _holders((host, instance["shared"]) for host, instance in members)
    if len(holders) == 1:
        return []
    of_host = dict(members)
    samples = {", ".join(hosts): of_host[hosts[0]] for hosts in holders.values()}
    return [f"{subject}: the shared digest differs: {_listed(holders)}", *(f"  {line}" for line in _parameter_differences(samples))]


def _parameter_differences(samples: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What instances have in different form, each by the name under which it is told; the first is the one that others are held against."""
    lines = []
    by_kind = {label: _compared(instance["variables"]) for label, instance in samples.items()}
    for kind, word in (("main", ""), ("services", "service "), ("tables", "table ")):
        for subject in sorted({key for kinds in by_kind.values() for key in kinds[kind]}):
            found = {label: kinds[kind].get(subject) for label, kinds in by_kind.items()}
            if len(set(found.values())) > 1:
                told = (f"{label}: {_told(value, whole=kind != 'tables')}" for label, value in found.items())
                lines += [f"{word}{subject}: {'; '.join(told)}", *(_text_diff(found) if kind == "tables" else [])]
    return lines


def _text_diff(found: Mapping[str, str | None]) -> list[str]:
    (first, text), *others = found.items()
    lines = [
        line.rstrip("\n")
        for label, other in others
        for line in unified_diff((text or "").splitlines(), (other or "").splitlines(), first, label, lineterm="", n=0)
    ]
    return [f"  {line}" for line in _cut(lines)]


def _cut(lines: Sequence[str]) -> list[str]:
    return [*lines[:_SHOWN], *([f"and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else [])]


def _table_drift(name: str, members: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Data tables have no digest in common with a generation, and are the same on every release."""
    lines: list[str] = []
    for path in sorted({entry["path"] for _host, instance in members for entry in instance["tables"] if _counts(instance, entry)}):
        tables = {host: next((entry for entry in instance["tables"] if entry["path"] == path), None) for host, instance in members}
        digests_of = _holders((host, entry["digest"] if entry else "") for host, entry in tables.items())
        if len(digests_of) > 1:
            samples = {", ".join(hosts): tables[hosts[0]] for hosts in digests_of.values()}
            told = "; ".join(f"{entry['entries'] if entry and entry['digest'] else 'no'} rows on {label}" for label, entry in samples.items())
            lines += [f"{name}: data table {path} differs: {told}", *(f"  {line}" for line in _row_diff(samples))]
        stale = [host for host, entry in tables.items() if entry and entry["digest"] and entry["compiled"] is False]
        lines += [f"{name} ({host}): the compiled file of {path} is older than its source, or missing" for host in stale]
    return lines


def _counts(instance: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    return not entry["cache"] and not entry["path"].startswith(f"{instance['config_directory']}/")


def _row_diff(samples: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Keys in which tables differ, where they were asked for; of values only that they differ."""
    (first, model), *others = samples.items()
    lines = []
    for label, entry in others:
        before, after = ((one or {}).get("rows") for one in (model, entry))
        if before is not None and after is not None:
            lines += [f"{label} lacks {key}" for key in sorted(before.keys() - after.keys())]
            lines += [f"{label} alone has {key}" for key in sorted(after.keys() - before.keys())]
            lines += [f"{label} has another value of {key} than {first}" for key in sorted(before.keys() & after.keys()) if before[key] != after[key]]
    return _cut(lines)


def _package_drift(nodes: Mapping[str, Mapping[str, Any]], tiers: Mapping[str, Sequence[str]]) -> list[str]:
    lines = []
    groups = sorted({(tier, nodes[host]["release"]) for host, names in tiers.items() for tier in names if host in nodes})
    for tier, release in groups:
        versions = {host: node.get("packages", {}) for host, node in nodes.items() if tier in tiers.get(host, ()) and node["release"] == release}
        for package in sorted({name for found in versions.values() for name in found}):
            holders = _holders((host, found[package]) for host, found in sorted(versions.items()) if package in found)
            if len(holders) > 1:
                lines.append(f"{tier} on Debian {release}: package {package} differs: {_listed(holders)}")
    return lines


def _file_drift(nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for path in sorted({path for node in nodes.values() for path in node.get("files", {})}):
        holders = _holders((host, node.get("files", {}).get(path, "")[:12] or "none") for host, node in sorted(nodes.items()))
        if len(holders) > 1:
            lines.append(f"{path} differs: {_listed(holders)}")
    return lines


def _edits(published: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = sorted(((edit["path"], host, edit) for host, found in published.items() for edit in found["edits"]), key=lambda row: row[:2])
    return [
        line
        for path, host, edit in rows
        for line in (f"{path} ({host}): {_done_by_hand(edit['what'])}", *(f"  {line}" for line in _cut(edit["diff"].splitlines())))
    ]


def _done_by_hand(what: Sequence[str]) -> str:
    return "removed by hand" if "missing" in what else f"edited by hand: {', '.join(what)}"


def _compared(variables: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    """Every parameter, service and table as one text."""
    services = [master_cf.service(entry) for entry in variables["services"]]
    return {
        "main": variables["main"],
        "services": {entry.subject: master_cf.render_service(entry).strip() for entry in services},
        "tables": {entry["name"]: entry["content"] for entry in variables["tables"]},
    }


def _told(value: str | None, *, whole: bool) -> str:
    if value is None:
        return "not set"
    return value or "(empty)" if whole else f"{len(value.splitlines())} lines"
