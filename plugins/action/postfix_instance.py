# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module postfix_instance: an instance that runs its generation is recognised by the generation's name and digests."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.mailcluster.postfix.plugins.module_utils import _instance
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import generation
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import UNIT, DataTable, InstancePlan, Paths, Wanted, result
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.table import COMPILED, compiled_name
from ansible_collections.mailcluster.postfix.plugins.modules.postfix_instance import ARGUMENTS
from ansible_collections.mailcluster.postfix.plugins.plugin_utils._quick import Judge, QuickAction, words


class ActionModule(QuickAction):
    """Build the generation on the controller; the module works where another one is active, loaded, edited or unproven."""

    spec = ARGUMENTS

    def question(self, arguments: Mapping[str, Any]) -> tuple[str, Judge] | None:
        # What lies on the node only, and instances that shall not run, are the module's.
        if arguments["state"] != "present" or arguments["generation"] or not all(map(_is_plain, arguments["data"])):
            return None
        try:
            paths = Paths(arguments["name"])
            _made, wanted = _instance.desired(arguments, paths)
        except ConfigError:
            return None
        return script(paths, wanted.target, wanted.data), partial(judge, arguments, paths, wanted)


def _is_plain(entry: Mapping[str, Any]) -> bool:
    """Whether the controller knows the text of a data table, and its digest tells nothing."""
    return entry["state"] == "present" and entry["content"] is not None and not entry["src"] and not entry["secret"]


def script(paths: Paths, target: str, data: Sequence[DataTable] = ()) -> str:
    """Return the question; it fails where something else than C(target) is active or loaded, a data table is not built, or the instance does not run."""
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
        *_of_data(paths, data),
        "echo",
        'cat "/proc/$pid/cgroup"',
    ]
    return " && ".join(parts)


def _of_data(paths: Paths, data: Sequence[DataTable]) -> list[str]:
    """Return what asks for data tables; each has one compiled file, of its type and not older than its source."""
    if not data:
        return []
    sources = {str(paths.data / entry.table.name): compiled_name(str(paths.data / entry.table.name), entry.table.kind) for entry in data}
    others = {source + suffix for source in sources for suffix in COMPILED.values()} - set(sources.values())
    products = {product: source for source, product in sources.items() if product}
    return [
        f"sha256sum -- {words(sources)}",
        f"stat --format='mode %a %n' -- {words([*sources, *products])}",
        *(f"test ! {shlex.quote(product)} -ot {shlex.quote(source)}" for product, source in products.items()),
        *(f"test ! -e {shlex.quote(other)}" for other in sorted(others)),
    ]


def judge(parameters: Mapping[str, Any], paths: Paths, wanted: Wanted, answer: str) -> dict[str, Any] | None:
    """Return the result for an unchanged instance, None when something is to do. Raises ValueError or LookupError."""
    head, separator, cgroup = answer.replace("\r\n", "\n").partition("\n\n")
    owner, unit, default, *lines = head.split("\n")
    sums = {line[66:]: line[:64] for line in lines if not line.startswith("mode ")}
    modes = {path: mode for _word, mode, path in (line.split(" ", 2) for line in lines if line.startswith("mode "))}
    tables = {str(paths.data / entry.table.name): entry for entry in wanted.data}
    digests = {path.rpartition("/")[2]: digest for path, digest in sums.items() if path not in tables}
    main = base64.b64decode(default, validate=True).decode("utf-8", "surrogateescape")
    units = {line.rpartition("/")[2] for line in cgroup.splitlines() if line.endswith(".service")}
    as_wanted = (
        bool(separator)
        and (not owner or not wanted.owner or owner == wanted.owner)
        and unit[:64] == _digest(UNIT)
        and (not default or _instance.is_registered(paths, main))
        and {name: digests[name] for name in generation.own_files(digests)} == {name: _digest(text) for name, text in wanted.files.items()}
        and (not units or paths.service in units)
        and all(sums[path] == _digest(entry.table.text) for path, entry in tables.items())
        and all(int(modes[name], 8) == entry.mode for path, entry in tables.items() for name in (path, compiled_name(path, entry.table.kind)) if name)
    )
    if not as_wanted:
        return None
    return {**result(parameters, wanted, wanted.target, InstancePlan()), "deprecated": [], "seconds": 0.0, "unvalidated": []}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
