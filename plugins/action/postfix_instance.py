# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module postfix_instance: an instance that runs its generation is recognised by the generation's name and digests."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils import _instance
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import generation
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import UNIT, InstancePlan, Paths, Wanted, result
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.modules.postfix_instance import ARGUMENTS
from ansible_collections.mailcluster.postfix.plugins.plugin_utils._quick import Judge, QuickAction


class ActionModule(QuickAction):
    """Build the generation on the controller; the module works where another one is active, loaded, edited or unproven."""

    spec = ARGUMENTS

    def question(self, arguments: Mapping[str, Any]) -> tuple[str, Judge] | None:
        # What lies on the node only, and instances that shall not run, are the module's.
        if arguments["state"] != "present" or arguments["generation"] or arguments["data"]:
            return None
        try:
            paths = Paths(arguments["name"])
            _made, wanted = _instance.desired(arguments, paths)
        except ConfigError:
            return None
        return script(paths, wanted.target), partial(judge, arguments, paths, wanted)


def script(paths: Paths, target: str) -> str:
    """Return the question; it fails where something else than C(target) is active or loaded, or the instance does not run."""
    name, directory = shlex.quote(target), f"{paths.generations}/{target}"
    parts = [
        f'test "$(basename "$(readlink {paths.config})")" = {name}',
        f'test "$(basename "$(cat {paths.loaded})")" = {name}',
        f"test ! -e {paths.journal} && test -L {paths.enabled} && test ! -L {paths.mask} && test ! -e {paths.evacuated}",
        f"pid=$(tr -d ' ' <{paths.queue}/pid/master.pid)",
        'test "$(cat /proc/$pid/comm)" = master',
        # The owner's file may be missing.
        f"{{ cat {paths.owner} 2>/dev/null || echo; }}",
        f"sha256sum <{paths.unit}",
        f"{{ base64 -w 0 {paths.default_main} 2>/dev/null; echo; }}",
        f"sha256sum -- {shlex.quote(directory)}/*",
        "echo",
        'cat "/proc/$pid/cgroup"',
    ]
    return " && ".join(parts)


def judge(parameters: Mapping[str, Any], paths: Paths, wanted: Wanted, answer: str) -> dict[str, Any] | None:
    """Return the result for an unchanged instance, None when something is to do. Raises ValueError or LookupError."""
    head, separator, cgroup = answer.replace("\r\n", "\n").partition("\n\n")
    owner, unit, default, *sums = head.split("\n")
    digests = {line[66:].rpartition("/")[2]: line[:64] for line in sums}
    main = base64.b64decode(default, validate=True).decode("utf-8", "surrogateescape")
    units = {line.rpartition("/")[2] for line in cgroup.splitlines() if line.endswith(".service")}
    as_wanted = (
        bool(separator)
        and (not owner or not wanted.owner or owner == wanted.owner)
        and unit[:64] == _digest(UNIT)
        and (not default or _instance.is_registered(paths, main))
        and {name: digests[name] for name in generation.own_files(digests)} == {name: _digest(text) for name, text in wanted.files.items()}
        and (not units or paths.service in units)
    )
    if not as_wanted:
        return None
    return {**result(parameters, wanted, wanted.target, InstancePlan()), "deprecated": [], "seconds": 0.0, "unvalidated": []}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
