# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release of Debian as a fact, by one command; setup where the command does not tell."""

from __future__ import annotations

import contextlib
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mailcluster.postfix.plugins.plugin_utils._quick import ask

_QUESTION = '. /etc/os-release && echo "$ID $VERSION_ID"'


class ActionModule(ActionBase):
    """Learn the one fact that the collection reads."""

    _requires_connection = True
    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        del tmp
        self.validate_argument_spec({})
        with contextlib.suppress(ValueError):
            system, _blank, version = ask(self, _QUESTION).strip().partition(" ")
            if system == "debian" and version.isdecimal():
                return {"changed": False, "ansible_facts": {"distribution_major_version": version}}
        arguments = {"gather_subset": ["!all", "!min", "distribution"]}
        facts: dict[str, Any] = self._execute_module(module_name="ansible.builtin.setup", module_args=arguments, task_vars=task_vars)
        return facts
