# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data tables of a node: what is wanted, what is there, what has to be done (pure), and the doing."""

from __future__ import annotations

import base64
import contextlib
import grp
import hashlib
import json
import os
import pwd
import re
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ._commands import Outcome, build_table, run
from ._files import locked, read, settle, sync_directory, write
from ._plan import Difference
from ._postfix import main_cf, master_cf, references
from ._postfix.lines import ConfigError
from ._postfix.source import PLAIN, TYPES, count, ends, normal
from ._postfix.table import COMPILED, CONNECTED, compiled_name

LOCK = Path("/run/mailcluster/postmap.lock")
_ASIDE = ".publish-"
_SHOWN = 10
# Any key makes Postfix parse a table of patterns and connect to a server.
_PROBE = "postmaster@localhost"
_CREDENTIALS = ("password", "bind_pw", "uri")

TABLE_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "type": {"type": "str", "default": "lmdb", "choices": list(TYPES)},
    "content": {"type": "str", "no_log": True},
    "src": {"type": "path"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str"},
    "mode": {"type": "str"},
    "aliases": {"type": "bool", "default": False},
    "probe": {"type": "str", "default": _PROBE},
    "secret": {"type": "bool", "default": False, "no_log": False},
}
ACCOUNTS_OPTIONS: dict[str, dict[str, Any]] = {
    "accounts": {"type": "path", "required": True},
    "aliases": {"type": "str", "default": ""},
    "domains": {"type": "list", "elements": "str", "required": True},
    "members": {"type": "dict", "required": True},
    "ports": {"type": "dict", "required": True},
    "node": {"type": "str", "required": True},
    "tiers": {"type": "list", "elements": "str", "required": True},
    "publish": {"type": "list", "elements": "str"},
    "directories": {"type": "dict", "default": {}},
}
MIGRATE_OPTIONS: dict[str, dict[str, Any]] = {
    "config_directory": {"type": "path", "default": "/etc/postfix"},
    "type": {"type": "str", "default": "lmdb", "choices": ["lmdb", "cdb"]},
    "unit": {"type": "str"},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "tables": {"type": "list", "elements": "dict", "default": [], "options": TABLE_OPTIONS},
    "accounts": {"type": "dict", "options": ACCOUNTS_OPTIONS},
    "migrate": {"type": "dict", "options": MIGRATE_OPTIONS},
    "bundle": {"type": "str", "no_log": True},
    "bundle_path": {"type": "path"},
    "wanted": {"type": "list", "elements": "dict", "default": []},
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A table as it shall be, without its content.

    C(digest) is the SHA-256 of the source in UTF-8, empty for a source that shall stay as it lies on the node.
    """

    path: str
    type: str
    digest: str
    entries: int
    owner: str
    group: str
    mode: int
    secret: bool
    aliases: bool = False
    probe: str = _PROBE

    @property
    def compiled(self) -> str | None:
        return compiled_name(self.path, self.type)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A table as it is. C(access) maps each of its files to owner, group and mode."""

    text: str | None
    digest: str
    compiled: bool
    access: Mapping[str, tuple[str, str, int]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What has to be done for one table."""

    wanted: Wanted
    found: Found
    content: bool
    compile: bool
    access: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return bool(self.content or self.compile or self.access)


def digest(text: str) -> str:
    """SHA-256 of the text in UTF-8, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def mode_of(mode: str | None, *, secret: bool) -> int:
    """Octal string to number; 0600 for secret tables and 0640 for others when absent. Raises ConfigError."""
    try:
        number = int(mode or ("0600" if secret else "0640"), 8)
    except ValueError:
        number = -1
    if not 0 <= number <= 0o777:
        raise ConfigError(f"mode must be an octal string such as '0640', not {mode!r}", subject="postmap")
    return number


def pack(contents: Mapping[str, str]) -> bytes:
    """Compress the contents (path to text) for their way to the node."""
    return zlib.compress(json.dumps(dict(contents)).encode(), level=1)


def unpack(data: bytes) -> dict[str, str]:
    """Reverse L(pack)."""
    contents: dict[str, str] = json.loads(zlib.decompress(data))
    return contents


def plan(wanted: Sequence[Wanted], found: Mapping[str, Found]) -> list[Step]:
    """Compare and return one step a table, also for those that are as they shall be."""
    return [_step(table, found[table.path]) for table in wanted]


def _step(wanted: Wanted, found: Found) -> Step:
    content = found.text is None or found.digest != wanted.digest
    access = (wanted.owner, wanted.group, wanted.mode)
    return Step(
        wanted=wanted,
        found=found,
        content=content,
        compile=bool(wanted.compiled) and (content or not found.compiled),
        access=tuple(sorted(path for path, present in found.access.items() if present != access)),
    )


def difference(step: Step, after: str) -> Difference:
    """Say how many rows there are, and show the first of those that come or go, unless they are secret."""
    wanted, found = step.wanted, step.found
    before_text = found.text or ""
    access = f"{wanted.owner}:{wanted.group} {wanted.mode:04o}"
    present = next((found.access[path] for path in step.access), None)
    before_access = f"{present[0]}:{present[1]} {present[2]:04o}" if present else access
    old, new = (set() if wanted.secret else set(text.splitlines()) for text in (before_text, after))
    hidden = ["(the rows are secret)"] if wanted.secret else []

    def shown(text: str, here: set[str], there: set[str], how: str) -> str:
        differing = sorted(here - there)
        more = [f"... and {len(differing) - _SHOWN} more"] if len(differing) > _SHOWN else []
        return "\n".join([f"{count(text)} rows, {how}", *hidden, *differing[:_SHOWN], *more, ""])

    return Difference(
        before_header=wanted.path if found.text is not None else f"{wanted.path} (absent)",
        after_header=wanted.path,
        before=shown(before_text, old, new, before_access) if found.text is not None else "",
        after=shown(after, new, old, access + (", to be published" if step.content else ", to be compiled" if step.compile else "")),
    )


def look(name: str, kind: str) -> Found:
    """Read what is there of a table."""
    source = Path(name)
    text = read(source)
    compiled = compiled_name(name, kind)
    files = [source, *([Path(compiled)] if compiled else [])]
    states = {str(path): os.stat(path) for path in files if path.is_file()}
    fresh = compiled is not None and compiled in states and text is not None
    return Found(
        text=text,
        digest=digest(text) if text is not None else "",
        compiled=fresh and states[str(compiled)].st_mtime >= states[name].st_mtime,
        access={path: (_user(state.st_uid), _group(state.st_gid), state.st_mode & 0o7777) for path, state in states.items()},
    )


def _user(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _group(gid: int) -> str:
    with contextlib.suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)


def publish(steps: Sequence[Step], contents: Mapping[str, str]) -> None:
    """Do the steps; each table changes by rename. Raises ConfigError, before anything of that table changed."""
    with locked(LOCK):
        for step in steps:
            if step.content or step.compile:
                _replace(step.wanted, contents[step.wanted.path] if step.content else str(step.found.text))
            elif step.access:
                for path in step.access:
                    give(Path(path), step.wanted)


def _replace(wanted: Wanted, text: str) -> None:
    target = Path(wanted.path)
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with aside_of(target.parent) as aside:
        source = aside / target.name
        if wanted.type == PLAIN:
            write(source, text, mode=0o600)
            _later(source, target)
        else:
            build(aside, wanted, text)
        compiled = aside / f"{source.name}{COMPILED.get(wanted.type, '')}"
        # The compiled file first: killed in between, the source still differs and the next run publishes again.
        for product in dict.fromkeys([compiled, source]):
            give(product, wanted)
            product.rename(target.parent / product.name)
        for product in former(wanted.path, wanted.type):
            product.unlink(missing_ok=True)
    sync_directory(target.parent)


def former(path: str, kind: str, root: Path = Path("/")) -> list[Path]:
    """The compiled files of other types beside a table, without those that a configuration on this node names."""
    present = [Path(path + suffix) for suffix in sorted(set(COMPILED.values()) - {COMPILED.get(kind)}) if os.path.lexists(path + suffix)]
    try:
        named = _named(root) if present else set()
    except ConfigError:
        # A configuration that cannot be read may name any of them.
        return []
    return [product for product in present if str(product) not in named]


def _named(root: Path) -> set[str | None]:
    defaults = main_cf.parameters(run("postconf", "-d").stdout)
    found: set[str | None] = set()
    for main in sorted((root / "etc").glob(f"*/{main_cf.FILE}")):
        files = {name: read(main.with_name(name)) or "" for name in (main_cf.FILE, master_cf.FILE)}
        found |= {compiled_name(entry.path, entry.kind) for entry in references.of_files(files, directory=str(main.parent), defaults=defaults)}
    return found


@contextlib.contextmanager
def aside_of(directory: Path) -> Iterator[Path]:
    """Provide a directory for candidates on the same file system; those of killed runs go first."""
    for leftover in directory.glob(f"{_ASIDE}*"):
        _remove(leftover)
    aside = Path(tempfile.mkdtemp(dir=directory, prefix=_ASIDE))
    try:
        yield aside
    finally:
        _remove(aside)


def _remove(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    directory.rmdir()


def build(aside: Path, wanted: Wanted, text: str) -> None:
    """Compile and ask the result, with a configuration of its own: the default instance may have none yet."""
    name, kind = Path(wanted.path).name, wanted.type
    if kind in CONNECTED:
        normal(text, kind=kind, file=wanted.path)
    configuration = aside / "configuration"
    configuration.mkdir()
    write(configuration / "main.cf", "compatibility_level = 3.6\n")
    settle(configuration / "main.cf")
    warnings = build_table(aside, name, kind, text, mode=0o600, config=str(configuration), aliases=wanted.aliases)
    if warnings:
        raise ConfigError(" ".join(warnings), file=name, subject=kind)
    for key, value in [] if wanted.aliases else _samples(text, kind, probe=wanted.probe, file=name):
        answer = run("postmap", "-c", str(configuration), "-q", key, f"{kind}:{aside / name}")
        problem = _wrong(answer, key, value)
        if problem:
            raise ConfigError(_concealed(problem, text, kind).replace(str(aside), str(aside.parent)), file=name, subject=kind)


def _samples(text: str, kind: str, *, probe: str, file: str) -> list[tuple[str, str | None]]:
    """First and last row of a table of keys; a table of patterns or a server is asked for anything, to have it parsed and reached."""
    if kind not in (*COMPILED, "texthash"):
        return [(probe, None)]
    return [(row.key, row.value) for row in ends(text, file=file)]


def _wrong(answer: Outcome, key: str, value: str | None) -> str | None:
    if answer.stderr.strip():
        return answer.text
    if value is None:
        return None if answer.rc in (0, 1) else answer.text
    # postmap(1) keeps the blanks with which a continuation line begins.
    return None if answer.rc == 0 and answer.stdout.split() == value.split() else f"the compiled table does not say of {key} what its source says"


def _concealed(said: str, text: str, kind: str) -> str:
    """What a program says, without the credentials of the source that it read."""
    if kind in CONNECTED:
        settings = main_cf.parameters(text)
        for value in (settings[name] for name in _CREDENTIALS if settings.get(name)):
            said = said.replace(value, "(secret)")
    return re.sub(r"://[^@/\s]*@", "://(secret)@", said)


def _later(source: Path, target: Path) -> None:
    """Dovecot reads a passwd-file again when its size or its time in whole seconds differs."""
    with contextlib.suppress(FileNotFoundError):
        before, now = os.stat(target).st_mtime, os.stat(source).st_mtime
        if int(now) <= int(before):
            os.utime(source, (before + 1, before + 1))


def give(path: Path, wanted: Wanted) -> None:
    try:
        uid, gid = pwd.getpwnam(wanted.owner).pw_uid, grp.getgrnam(wanted.group).gr_gid
    except KeyError as error:
        raise ConfigError(f"owner {wanted.owner}, group {wanted.group}: {error.args[0]}", file=wanted.path) from error
    os.chown(path, uid, gid)
    os.chmod(path, wanted.mode)


def run_module(parameters: Mapping[str, Any], *, check_mode: bool, diff: bool) -> dict[str, Any]:
    """Answer the action plugin: what content of tables is missing, or what was done."""
    wanted = [Wanted(**table) for table in parameters["wanted"]]
    found = {table.path: look(table.path, table.type) for table in wanted}
    steps = plan([_lying(table, found[table.path]) for table in wanted], found)
    contents = _contents(parameters)
    missing = [step.wanted.path for step in steps if step.content and step.wanted.path not in contents]
    if missing:
        return {"changed": False, "missing": missing}
    if not check_mode:
        publish(steps, contents)
    return {
        "changed": any(step.changed for step in steps),
        "tables": [{"path": step.wanted.path, "changed": step.changed, "entries": step.wanted.entries, "digest": step.wanted.digest} for step in steps],
        "diff": [difference(step, contents.get(step.wanted.path, step.found.text or "")) for step in steps if step.changed] if diff else [],
    }


def _lying(wanted: Wanted, found: Found) -> Wanted:
    """A table whose rows are those that lie on the node, if that is what is wanted."""
    if wanted.digest:
        return wanted
    if found.text is None:
        raise ConfigError("there is no such file on the node, and neither content nor src to make it of", file=wanted.path)
    return replace(wanted, digest=found.digest, entries=count(found.text))


def _contents(parameters: Mapping[str, Any]) -> dict[str, str]:
    if parameters["bundle_path"]:
        return unpack(Path(parameters["bundle_path"]).read_bytes())
    return unpack(base64.b64decode(parameters["bundle"])) if parameters["bundle"] else {}
