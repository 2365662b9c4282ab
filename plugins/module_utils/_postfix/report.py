# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance runs, in plain data, and what is wrong across the nodes of a cluster. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from . import main_cf, master_cf
from .generation import digests, shared_files
from .instance import Before

# The roles that run instances of the cluster.
PROFILES = ("mailcluster.postfix.mx", "mailcluster.postfix.relay", "mailcluster.postfix.submission")


def describe(name: str, before: Before, generations: Sequence[str]) -> dict[str, Any]:
    """One instance as the module postfix_info returns it; both digests come from file content, never from a stored name."""
    shared, local = digests(before.files)
    loaded = digests(before.loaded_files) if before.loaded_files is not None else ("", "")
    tier = shared_files(before.files)
    return {
        "name": name,
        "owner": before.owner,
        "active": before.active,
        "loaded": before.loaded,
        "running": before.running,
        "enabled": before.enabled,
        "proven": not before.unproven,
        "shared": shared,
        "local": local,
        "loaded_shared": loaded[0],
        "loaded_local": loaded[1],
        "main": main_cf.parameters(tier.get(main_cf.FILE, "")),
        "services": {entry.subject: master_cf.render([entry]).strip() for entry in master_cf.parse(tier.get(master_cf.FILE, ""))},
        "tables": {file: text for file, text in sorted(before.files.items()) if file not in (main_cf.FILE, master_cf.FILE)},
        "generations": list(generations),
    }


def compare(nodes: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Judge `{host: {release, instances}}` of all nodes, which must have the instances that `wanted` names by host.

    Returns errors (drift: a sentence with instance, host and digest) and differences (what two releases of one
    instance have in different form, which is allowed and shown).
    """
    rows = sorted(
        ((instance["name"], node["release"], host, instance) for host, node in nodes.items() for instance in node["instances"]),
        key=lambda row: row[:3],
    )
    errors = [*_missing(nodes, wanted), *_unclaimed(nodes, wanted)]
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
    found = {host: {instance["name"] for instance in node["instances"]} for host, node in nodes.items()}
    return [f"{name} ({host}): the node lacks the instance" for host, names in sorted(wanted.items()) for name in names if name not in found.get(host, {name})]


def _unclaimed(nodes: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Sequence[str]]) -> list[str]:
    """Name what a profile made and claims no more; an instance of a site's own role is its own affair."""
    return [
        f"{instance['name']} ({host}): no role claims the instance any more; -e mailcluster_prune=true removes it"
        for host, node in sorted(nodes.items())
        for instance in node["instances"]
        if host in wanted and instance["owner"] in PROFILES and instance["name"] not in wanted[host]
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
    for kind, label in (("main", ""), ("services", "service "), ("tables", "table ")):
        for subject in sorted({key for instance in by_release.values() for key in instance[kind]}):
            found = {release: instance[kind].get(subject) for release, instance in by_release.items()}
            if len(set(found.values())) > 1:
                told = (f"Debian {release}: {_told(value, whole=kind != 'tables')}" for release, value in found.items())
                lines.append(f"{name}: {label}{subject}: {'; '.join(told)}")
    return lines


def _told(value: str | None, *, whole: bool) -> str:
    if value is None:
        return "not set"
    return value or "(empty)" if whole else f"{len(value.splitlines())} lines"
