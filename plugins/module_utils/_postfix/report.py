# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance runs, in plain data, and what is wrong across the nodes of a cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

    ``defaults`` is C(postconf -d), empty where Postfix is not installed. ``managed`` says whether it runs from generations.
    """

    config: str
    managed: bool = True
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
    }


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


def compare(nodes: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Judge `{host: {release, instances}}` of all nodes, which must have the instances that `wanted` names by host.

    What does not run from generations, such as the default instance, is its node's own affair.

    Returns errors (drift: a sentence with instance, host and digest) and differences (what two releases of one
    instance have in different form, which is allowed and shown).
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
        for release, of_release in groupby(of_name, key=lambda row: row[1]):
            members = [(host, instance) for _name, _release, host, instance in of_release]
            by_release[release] = members[0][1]
            errors += _drift(f"{name} on Debian {release}", members)
        differences += _release_differences(name, by_release)
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


def _drift(subject: str, members: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    holders: dict[str, list[str]] = {}
    for host, instance in members:
        holders.setdefault(instance["shared"], []).append(host)
    if len(holders) == 1:
        return []
    return [f"{subject}: the shared digest differs: " + "; ".join(f"{digest} on {', '.join(hosts)}" for digest, hosts in holders.items())]


def _release_differences(name: str, by_release: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    by_kind = {release: _compared(instance["variables"]) for release, instance in by_release.items()}
    for kind, label in (("main", ""), ("services", "service "), ("tables", "table ")):
        for subject in sorted({key for kinds in by_kind.values() for key in kinds[kind]}):
            found = {release: kinds[kind].get(subject) for release, kinds in by_kind.items()}
            if len(set(found.values())) > 1:
                told = (f"Debian {release}: {_told(value, whole=kind != 'tables')}" for release, value in found.items())
                lines.append(f"{name}: {label}{subject}: {'; '.join(told)}")
    return lines


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
