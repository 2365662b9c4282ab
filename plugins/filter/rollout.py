# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a roll, and its report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils import _cluster, _rollout


def rollout_batches(
    hosts: Sequence[str],
    members: Mapping[str, Sequence[Mapping[str, Any]]],
    regions: Sequence[Mapping[str, Any]],
    canaries: Sequence[str] | None = None,
    size: int = 1,
    skip: Iterable[str] = (),
    fresh: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Return the batches of a roll, in their order."""
    try:
        found = _rollout.batches(
            hosts,
            _cluster.members_from_dicts(members),
            regions=[region["name"] for region in regions],
            canaries=canaries,
            size=int(size),
            skip=skip,
            fresh=fresh,
        )
    except _cluster.ClusterError as error:
        raise AnsibleFilterError(f"rollout_batches: {error}") from error
    return [batch.as_dict() for batch in found]


def rollout_record(
    clock: Sequence[Sequence[Any]],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    files: Iterable[Mapping[str, str]] = (),
    tried: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a record says of the work on its node: seconds by phase, generations before and after, and what was changed or tried."""
    # What was tried may not have been readable.
    shown, how = (tried, "tried") if tried and "instances" in tried else (after, "after")
    return {
        "seconds": _rollout.phases(clock),
        "before": _rollout.digests(before),
        "after": _rollout.digests(after),
        "diff": _rollout.configuration_diff(before, shown, how) + _rollout.files_diff(files, how),
    }


def rollout_report(records: Sequence[Mapping[str, Any]], plan: Mapping[str, Any], form: str = "text") -> str:
    """Return the report of a roll as C(text) or C(html)."""
    if form not in ("text", "html"):
        raise AnsibleFilterError(f"rollout_report: {form} is no form of the report; there are text and html")
    return (_rollout.as_html if form == "html" else _rollout.as_text)(plan, records)


def rollout_seconds(order: Iterable[Mapping[str, Any]], records: Iterable[Mapping[str, Any]]) -> float | None:
    """Return how long a roll takes by the records of earlier ones, None without any."""
    return _rollout.expected_seconds(order, records)


class FilterModule:
    """Filters of a roll."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {
            "rollout_batches": rollout_batches,
            "rollout_record": rollout_record,
            "rollout_report": rollout_report,
            "rollout_seconds": rollout_seconds,
        }
