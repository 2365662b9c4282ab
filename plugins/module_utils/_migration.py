# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of Berkeley DB under a running Postfix become tables of another type: compiled beside, named, loaded, and then the old ones go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import _postconf
from ._commands import run
from ._files import locked, read, sync_directory, write
from ._postfix import main_cf, master_cf, references
from ._postfix.lines import ConfigError
from ._postfix.references import Migration, Reference
from ._postfix.table import COMPILED, compiled_name
from ._tables import LOCK, Wanted, aside_of, build, former, give, look

# postalias(1) adds these to the rows of the source.
_ADDED = ("@\t", "YP_LAST_MODIFIED\t", "YP_MASTER_NAME\t")


def run_module(parameters: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    """Read, plan, apply, answer. Raises ConfigError."""
    directory, to, unit = (parameters[name] for name in ("config_directory", "type", "unit"))
    config = Path(directory)
    if config.is_symlink():
        raise ConfigError("runs from generations: give its variables another type", subject=directory)
    files = {name: text for name in (main_cf.FILE, master_cf.FILE) if (text := read(config / name)) is not None}
    defaults = main_cf.parameters(run("postconf", "-d").stdout)
    steps = references.migration(files, directory=directory, defaults=defaults, to=to, present=_present)
    texts = {entry.path: _source(entry) for entry in steps.tables}
    edit = {"config_directory": directory, "main": steps.main, "append": {}, "remove": {}, "services": _edits(steps), "unit": unit}
    # A master that has not loaded the files since they changed may know of nothing but what lies there still.
    load = bool(unit and _left(files, directory, defaults))
    edited = _postconf.run_module(edit, check_mode=True, load=load)
    gone = dict.fromkeys([*_left(files, directory, defaults), *_leaving(steps)] if unit else [])
    if not check_mode:
        with locked(LOCK):
            for entry in steps.tables:
                _compile(entry, to, texts[entry.path])
        _postconf.run_module(edit, check_mode=False, load=load)
        if unit:
            after = {name: read(config / name) or "" for name in files}
            for product in _left(after, directory, defaults):
                product.unlink(missing_ok=True)
    said = [
        *(f"compile {to}:{entry.path}" for entry in steps.tables),
        *(f"start the cache {entry.path} anew" for entry in steps.caches),
        *edited["steps"],
        *(f"remove {product}" for product in gone),
    ]
    return {"changed": bool(said), "steps": said, "diff": edited["diff"]}


def _edits(steps: Migration) -> list[dict[str, Any]]:
    return [{"state": "enabled", **entry} for entry in steps.services]


def _present(entry: Reference) -> bool:
    return any(os.path.lexists(path) for path in (entry.path, compiled_name(entry.path, entry.kind)) if path)


def _source(entry: Reference) -> str:
    text = read(Path(entry.path))
    if text is None:
        raise ConfigError("the table has no source to compile it of; postmap -s prints the rows of what is compiled", file=entry.path, subject=entry.place)
    return text


def _compile(entry: Reference, to: str, text: str) -> None:
    """Compile a table beside the one that serves, which must say the same of each of its keys; the source stays as it is."""
    serving = Path(str(compiled_name(entry.path, entry.kind)))
    seen = look(entry.path, entry.kind)
    owner, group, mode = seen.access.get(str(serving), seen.access[entry.path])
    target = Path(entry.path)
    wanted = Wanted(path=entry.path, type=to, digest=seen.digest, entries=0, owner=owner, group=group, mode=mode, secret=True, aliases=entry.aliases)
    with aside_of(target.parent) as aside:
        write(aside / target.name, text, mode=0o600)
        build(aside, wanted)
        product = Path(str(compiled_name(str(aside / target.name), to)))
        if serving.exists():
            _same(f"{entry.kind}:{entry.path}", f"{to}:{aside / target.name}", file=entry.path)
        give(product, wanted)
        product.rename(target.with_name(product.name))
    sync_directory(target.parent)


def _same(old: str, new: str, *, file: str) -> None:
    """Look up every row of ``old`` in ``new``."""
    listed = run("postmap", "-s", old, timeout=600.0)
    if listed.rc:
        raise ConfigError(listed.text, file=file)
    rows = [line for line in listed.stdout.splitlines() if not line.startswith(_ADDED)]
    answer = run("postmap", "-q", "-", new, timeout=600.0, stdin="".join(row.partition("\t")[0] + "\n" for row in rows))
    differing = set(rows) ^ set(answer.stdout.splitlines())
    if differing:
        keys = {row.partition("\t")[0] for row in differing}
        raise ConfigError(f"the source says something else of {len(keys)} keys than the compiled table, which is older: compile it first", file=file)


def _left(files: Mapping[str, str], directory: str, defaults: Mapping[str, str]) -> list[Path]:
    """What is left of other types beside the tables that a configuration names, and no configuration on this node does."""
    named = references.of_files(files, directory=directory, defaults=defaults)
    tables = dict.fromkeys((entry.path, entry.kind) for entry in named if entry.kind in COMPILED and entry.kind not in references.FORMER)
    return [product for path, kind in tables for product in former(path, kind)]


def _leaving(steps: Migration) -> list[Path]:
    """What will be left once the configuration names the new tables."""
    compiled = [Path(str(compiled_name(entry.path, entry.kind))) for entry in (*steps.tables, *steps.caches)]
    return [path for path in compiled if path.exists()]
