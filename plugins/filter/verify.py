# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judgements of `verify` over all nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.report import compare


def postfix_report(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Compare the results of C(postfix_info) of all nodes, by host name; nodes without a result are left out."""
    return compare({host: node for host, node in nodes.items() if "instances" in node})


class FilterModule:
    """Filters for verify."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"postfix_report": postfix_report}
