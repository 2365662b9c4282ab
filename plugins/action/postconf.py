# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module postconf: an unchanged configuration is planned from its texts."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils._postconf import ARGUMENTS, PENDING, Before, plan
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf, master_cf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.plugin_utils._quick import Judge, QuickAction

FILES = (main_cf.FILE, master_cf.FILE)


class ActionModule(QuickAction):
    """Plan on the controller; the module works when the plan has steps."""

    spec = ARGUMENTS

    def question(self, arguments: Mapping[str, Any]) -> tuple[str, Judge] | None:
        # Defaults of lists and the node's home directories are known to the node only.
        given = str(self._task.args.get("config_directory"))
        if arguments["append"] or arguments["remove"] or "~" in given or "$" in given:
            return None
        return script(arguments["config_directory"], arguments["unit"]), partial(judge, arguments)


def script(directory: str, unit: str | None) -> str:
    """Return the question; a unit that does not run with what is there makes it fail."""
    parts = [f"base64 -w 0 -- {shlex.quote(f'{directory}/{name}')} && echo" for name in FILES]
    if unit:
        name = shlex.quote(unit)
        serving = f"postfix -c {shlex.quote(directory)} status"
        parts += [
            f"test ! -e {PENDING}/{name}",
            *(f"{command} >/dev/null 2>&1" for command in (f"systemctl is-enabled {name}", f"systemctl is-active {name}", serving)),
        ]
    return " && ".join(parts)


def judge(parameters: Mapping[str, Any], answer: str) -> dict[str, Any] | None:
    """Return the result for an unchanged configuration, None when something is to do. Raises ValueError or LookupError."""
    texts = [base64.b64decode(line, validate=True).decode("utf-8", "surrogateescape") for line in answer.splitlines()]
    try:
        steps, _changed = plan(Before(files=dict(zip(FILES, texts, strict=True)), defaults={}), parameters)
    except ConfigError:
        return None
    return None if steps.changed else {"changed": False, "steps": [], "diff": []}
