# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a node: dpkg-query(1) says whether all of them are there, and apt is only called where one is not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.plugin_utils._quick import Judge, QuickAction, words

ARGUMENTS: dict[str, dict[str, Any]] = {"name": {"type": "list", "elements": "str", "required": True}}
# Names of packages (deb-control(5)); a version, a release or a pattern is apt's.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


class ActionModule(QuickAction):
    """Install what is missing; what is there stays as it is."""

    spec = ARGUMENTS
    module = "ansible.builtin.apt"

    def question(self, arguments: Mapping[str, Any]) -> tuple[str, Judge] | None:
        names = arguments["name"]
        return (script(names), partial(judge, names)) if names and all(map(_NAME.fullmatch, names)) else None

    def module_arguments(self) -> dict[str, Any]:
        _validation, arguments = self.validate_argument_spec(self.spec)
        return {
            "name": arguments["name"],
            "state": "present",
            "install_recommends": False,
            "update_cache": True,
            "cache_valid_time": 86400,
            # No daemon serves with its package's configuration: the roles start each of them.
            "policy_rc_d": 101,
        }


def script(names: Sequence[str]) -> str:
    """Return the question; it fails where dpkg has never heard of one of the packages."""
    asked = words(["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Eflag} ${db:Status-Status}\\n", "--", *names])
    # What came along with another package goes with it, unless apt is told that it is wanted (apt-mark(8)).
    ours = words(["grep", "-xF", *(word for name in names for word in ("-e", f"Package: {name}"))])
    return f"{asked} 2>/dev/null && {{ grep -sx -B2 'Auto-Installed: 1' /var/lib/apt/extended_states | {ours}; true; }}"


def judge(names: Sequence[str], answer: str) -> dict[str, Any] | None:
    """Return the result where every package is installed, None elsewhere."""
    lines = answer.splitlines()
    there = {line.split(" ")[0] for line in lines if line.endswith(" ok installed")}
    automatic = any(line.startswith("Package: ") for line in lines)
    return {"changed": False} if there >= set(names) and not automatic else None
