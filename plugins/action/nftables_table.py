# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module nftables_table: a table that the kernel has already is not loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils._firewall import REHEARSAL, TABLE_ARGUMENTS
from ansible_collections.mailcluster.postfix.plugins.plugin_utils._quick import Judge, QuickAction, words


class ActionModule(QuickAction):
    """Rehearse the file as the module does in check mode; the module loads what makes a difference."""

    spec = TABLE_ARGUMENTS

    def question(self, arguments: Mapping[str, Any]) -> tuple[str, Judge] | None:
        given = str(self._task.args["path"])
        return None if "~" in given or "$" in given else (script(arguments["name"], arguments["path"]), judge)


def script(name: str, path: str) -> str:
    """Return the question; a kernel or a host that does not answer makes it fail."""
    present = words(["nft", "-s", "list", "table", "inet", name])
    rehearsed = words(["unshare", "--net", "sh", "-c", REHEARSAL, name, path])
    return f'present=$({present} 2>/dev/null) && rehearsed=$({rehearsed} 2>/dev/null) && test "$present" = "$rehearsed" && echo same'


def judge(answer: str) -> dict[str, Any] | None:
    """Return the result for a table that is loaded, None for any other."""
    return {"changed": False, "loaded": True, "diff": []} if answer.strip() == "same" else None
