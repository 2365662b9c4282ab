# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of this node as they are, those that run from generations and those that others made; changes nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from . import _commands, _files, _instance, _queue, _tables
from ._postfix import main_cf, master_cf, references, table
from ._postfix.instance import Before, Paths
from ._postfix.lines import ConfigError, words
from ._postfix.macros import expand
from ._postfix.references import Reference
from ._postfix.report import Node, TableFile, describe, row_marks

_MANAGED_UNIT = "mailcluster-postfix@"


def found(root: Path = Path("/")) -> list[str]:
    """Names of the instances on this node: those of generations, the default one and what it lists."""
    names = {path.parent.name for path in root.glob("etc/mailcluster/*/generations")}
    main = _files.read(root / "etc/postfix" / main_cf.FILE)
    if main is not None:
        names.add(_queue.DEFAULT)
        for word in words(main_cf.parameters(main).get("multi_instance_directories", "")):
            with contextlib.suppress(ConfigError):
                if str(_queue.directory(Path(word).name)) == word:
                    names.add(Path(word).name)
    return sorted(names)


def release(root: Path = Path("/")) -> str:
    """Major release of Debian (os-release(5))."""
    lines = (_files.read(root / "etc/os-release") or "").splitlines()
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_ID=")), "")


def packages(names: Iterable[str], root: Path = Path("/")) -> dict[str, str]:
    """Version by name of those Debian packages that are installed (deb-version(7)), read from the file of dpkg(1)."""
    wanted = set(names)
    versions: dict[str, str] = {}
    for stanza in (_files.read(root / "var/lib/dpkg/status") or "").split("\n\n") if wanted else ():
        fields = dict(line.partition(": ")[::2] for line in stanza.splitlines() if not line.startswith(" "))
        if fields.get("Package") in wanted and fields.get("Status", "").endswith(" installed"):
            versions[fields["Package"]] = fields.get("Version", "")
    return versions


def file_digests(paths: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the content, by path, empty where there is no such file."""
    return {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() if Path(path).is_file() else "" for path in paths}


def node_defaults() -> dict[str, str]:
    """What a parameter is that nobody sets; nothing where Postfix is not installed."""
    return main_cf.parameters(_commands.run("postconf", "-d").stdout)


def instance(name: str, *, all_defaults: Mapping[str, str], defaults: bool, content: bool, rows: int = 0, root: Path = Path("/")) -> dict[str, Any]:
    """Read one instance. Raises ConfigError."""
    config = _queue.directory(name, root)
    managed = name != _queue.DEFAULT and _of_generations(Paths(name, root))
    if managed:
        paths = Paths(name, root)
        before, generations, queue = _instance.read(paths, []), _instance.history(paths), paths.queue
    else:
        files = _read(config)
        main = {**all_defaults, "config_directory": str(config), **main_cf.parameters(files[main_cf.FILE])}
        generations, queue = [], Path(expand(main.get("queue_directory", ""), main))
        before = _foreign(config, files, queue, root)
    node = Node(
        config=str(config),
        managed=managed,
        evacuated=managed and Paths(name, root).evacuated.is_dir(),
        defaults=all_defaults,
        queues=_instance.queue_sizes(queue),
        tables=_table_files(references.of_files(before.files, directory=str(config), defaults=all_defaults), content=content, rows=rows),
    )
    return describe(name, before, generations, node, defaults=defaults, content=content)


def _of_generations(paths: Paths) -> bool:
    """Whether the instance was made of them, even if something else lies in its place now."""
    return paths.generations.exists() or paths.config.is_symlink() or not paths.config.exists()


def _read(config: Path) -> dict[str, str]:
    files = {name: _files.read(config / name) for name in (main_cf.FILE, master_cf.FILE)}
    if files[main_cf.FILE] is None:
        raise ConfigError("there is no such instance", file=str(config / main_cf.FILE))
    return {name: text or "" for name, text in files.items()}


def _foreign(config: Path, files: Mapping[str, str], queue: Path, root: Path) -> Before:
    """An instance of which nobody writes down what it loaded: that are the files if none is younger than qmgr(8)."""
    master = _instance.master_of(queue, lambda unit: not unit.startswith(_MANAGED_UNIT))
    # A load ends every daemon; of those that follow, this one does not end by itself.
    loaded = max((_started(child) for child in _instance.children(master, "qmgr")), default=0.0) if master else 0.0
    written = max(os.stat(config / name).st_ctime for name in files if (config / name).exists())
    return Before(
        running=master > 0,
        files=files,
        loaded_files=files if loaded >= written else None,
        enabled=(root / "etc/systemd/system/multi-user.target.wants/postfix.service").is_symlink(),
    )


def _started(process: int) -> float:
    """When a process began, in seconds since the epoch (proc(5)); 0 when it is gone."""
    fields = (_files.read(Path("/proc", str(process), "stat")) or "").rpartition(")")[2].split()
    uptime = float((_files.read(Path("/proc/uptime")) or "0").split()[0])
    return time.time() - uptime + int(fields[19]) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _table_files(found_references: Iterable[Reference], *, content: bool, rows: int) -> list[TableFile]:
    """Look at every table that the configuration names, and at those of a default that are there."""
    ordered = sorted(found_references, key=lambda entry: (entry.path, entry.kind))
    looked = (_look(list(group), content=content, most=rows) for _key, group in groupby(ordered, key=lambda entry: (entry.path, entry.kind)))
    return [entry for entry in looked if entry is not None]


def _look(same: list[Reference], *, content: bool, most: int) -> TableFile | None:
    path, kind = same[0].path, same[0].kind
    seen = _tables.look(path, kind)
    if not seen.access and not any(reference.own for reference in same):
        return None
    owner, group, mode = seen.access.get(path, ("", "", 0))
    rows = bool(seen.digest) and kind not in table.CONNECTED
    entries = _tables.rows_in(Path(path)) if rows else None
    return TableFile(
        references=same,
        entries=entries,
        digest=seen.digest,
        text=_files.read(Path(path)) if content else None,
        compiled=seen.compiled if kind in table.COMPILED and not any(reference.cache for reference in same) else None,
        owner=owner,
        group=group,
        mode=mode,
        rows=row_marks(_files.read(Path(path)) or "") if entries is not None and entries <= most else None,
    )
