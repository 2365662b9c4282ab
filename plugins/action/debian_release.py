# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one fact that the roles read, without the cost of gathering facts."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Implements M(mailcluster.postfix.debian_release)."""

    _supports_check_mode = True
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        answer = self._low_level_execute_command('. /etc/os-release && echo "$ID $VERSION_ID"')
        words = str(answer["stdout"]).split()
        if answer["rc"] or len(words) != 2 or not words[1].isdecimal():
            raise AnsibleActionFail(f"/etc/os-release tells no release of Debian: {' '.join((answer['stdout'] + answer['stderr']).split())[:200]}")
        if words[0] != "debian":
            raise AnsibleActionFail(f"the node runs {words[0]}, the collection is for Debian 12 and 13")
        return {**result, "changed": False, "ansible_facts": {"distribution_major_version": words[1]}}
