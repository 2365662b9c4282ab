# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one JSON line for every task of every host, and for every call of a module wherever it runs."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: Records tasks and module calls with their seconds
description:
  - Appends to the file that the environment variable MAILCLUSTER_BENCH_RECORD names.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"

    def __init__(self):
        super().__init__()
        # The workers, which are forks, append too.
        self._file = os.open(os.environ["MAILCLUSTER_BENCH_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._begun = {}
        self._count_calls()

    def _write(self, task, **entry):
        role = task._role.get_name() if task._role else ""
        os.write(self._file, (json.dumps({"task": task.get_name().removeprefix(f"{role} : "), "role": role, **entry}) + "\n").encode())

    def _count_calls(self):
        # An action may call several modules or none, and tells nobody.
        execute, command = ActionBase._execute_module, ActionBase._low_level_execute_command
        run, cleanup = ActionBase.run, ActionBase.cleanup

        def recorded(action, *args, **options):
            # The commands of a call are its own.
            action._called, begun = True, time.time()
            try:
                return execute(action, *args, **options)
            finally:
                module = options.get("module_name") or (args[0] if args else None) or action._task.action
                self._write_call(action, options.get("task_vars"), module, begun, time.time())

        # A task that reaches its node by commands alone makes a round trip as a call does, and counts as one call.
        def asked(action, *args, **options):
            begun = time.time()
            try:
                return command(action, *args, **options)
            finally:
                action._asked = getattr(action, "_asked", (begun,))[0], time.time()

        def begin(action, tmp=None, task_vars=None):
            action._known = task_vars
            return run(action, tmp, task_vars)

        def ended(action, *args, **options):
            if hasattr(action, "_asked") and not hasattr(action, "_called"):
                self._write_call(action, getattr(action, "_known", None), action._task.action, *action._asked)
            return cleanup(action, *args, **options)

        ActionBase._execute_module, ActionBase._low_level_execute_command = recorded, asked
        ActionBase.run, ActionBase.cleanup = begin, ended

    def _write_call(self, action, variables, module, begun, ended):
        known = variables or action._task.vars
        host = known.get("inventory_hostname", action._play_context.remote_addr)
        on_node = action._connection.transport != "local" and not action._task.delegate_to
        self._write(action._task, kind="call", host=host if on_node else "controller", module=module, begun=begun, seconds=ended - begun)

    def v2_runner_on_start(self, host, task):
        self._begun[host.get_name(), task._uuid] = time.time()

    def _ended(self, result, *, changed):
        host, task = result._host.get_name(), result._task
        begun = self._begun.pop((host, task._uuid), time.time())
        self._write(task, kind="task", host=host, module=task.action, begun=begun, seconds=time.time() - begun, changed=changed)

    def v2_runner_on_ok(self, result):
        self._ended(result, changed=bool(result._result.get("changed")))

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._ended(result, changed=True)
