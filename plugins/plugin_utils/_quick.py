# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions that recognise an unchanged node by one command, and start the module of their name on every other."""

from __future__ import annotations

import shlex
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

# What reads the node's answer: the result of an unchanged node, None when the module has to look.
Judge = Callable[[str], dict[str, Any] | None]


class QuickAction(ActionBase):
    """Ask the node, and do without the module if the answer says that nothing is to do."""

    TRANSFERS_FILES = False
    _supports_async = True
    _supports_check_mode = True
    _supports_diff = True

    # The arguments, and the module if it has not the action's name.
    spec: Mapping[str, Any]
    module: str | None = None

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        del tmp
        result = None if self._task.async_val else self._unchanged()
        if result is not None:
            return result
        wrap_async = self._task.async_val and not self._connection.has_native_async
        answer: dict[str, Any] = self._execute_module(module_name=self.module, module_args=self.module_arguments(), task_vars=task_vars, wrap_async=wrap_async)
        return answer

    def module_arguments(self) -> dict[str, Any] | None:
        """Return the arguments of the module; None for those of the task."""
        return None

    @abstractmethod
    def question(self, arguments: Mapping[str, Any]) -> tuple[str, Judge] | None:
        """Return a script for sh(1) that changes nothing and shows no secret, and its judge; None leaves it to the module."""

    def _unchanged(self) -> dict[str, Any] | None:
        try:
            _validation, arguments = self.validate_argument_spec(self.spec)
            asked = self.question(arguments)
        except (AnsibleError, ValueError):
            # The module says better what is wrong with its arguments.
            return None
        if asked is None:
            return None
        script, judge = asked
        try:
            return judge(ask(self, script))
        except (ValueError, LookupError):
            return None


def ask(action: ActionBase, script: str) -> str:
    """Return what a script for sh(1) says on the node. Raises ValueError when it fails.

    It comes on standard input: without, ssh(1) would give it a terminal, and what is called out to all terminals would be in the answer.
    """
    told = f"{script}\n".encode("utf-8", "surrogateescape")
    # Of a login shell the globs are not known, nor its decimal point.
    answer = action._low_level_execute_command("LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin /bin/sh", in_data=told, encoding_errors="surrogateescape")
    if answer["rc"]:
        raise ValueError(answer["stderr"])
    return str(answer["stdout"])


def words(arguments: Iterable[str]) -> str:
    """Return the arguments quoted for sh(1)."""
    return " ".join(map(shlex.quote, arguments))
