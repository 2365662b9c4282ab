# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judgements of `verify` over all nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.report import compare


def postfix_report(
    nodes: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, Sequence[str]] | None = None,
    tiers: Mapping[str, Sequence[str]] | None = None,
    published: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, list[str]]:
    """Compare the results of C(postfix_info) of all nodes, by host name; nodes without a result are left out.

    C(wanted) names the instances that each host must have, C(tiers) its tiers, C(published) the results of C(file_set_info).
    """
    told = {host: found for host, found in (published or {}).items() if "edits" in found}
    return compare({host: node for host, node in nodes.items() if "instances" in node}, wanted or {}, tiers, told)


def certificate_days(lines: Iterable[str], now: datetime | None = None) -> dict[str, int]:
    """Return the whole days that are left, by file: each line is a file and what C(openssl x509 -enddate -dateopt iso_8601) says of it."""
    today = now or datetime.now(UTC)
    try:
        ends = {file: datetime.strptime(end, "notAfter=%Y-%m-%d %H:%M:%S%z") for file, _blank, end in (line.partition(" ") for line in lines)}
    except ValueError as error:
        raise AnsibleFilterError(f"certificate_days: {error}") from error
    return {file: (end - today).days for file, end in ends.items()}


class FilterModule:
    """Filters for verify."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"postfix_report": postfix_report, "certificate_days": certificate_days}
