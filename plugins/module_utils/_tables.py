# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data tables of a node: what is wanted, what is there, what has to be done (pure), and the doing."""

from __future__ import annotations

import base64
import contextlib
import grp
import gzip
import hashlib
import heapq
import io
import json
import os
import pwd
import re
import shutil
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from ._commands import Feed, Outcome, ahead, compile_table, ends, feeding, in_order, installed, look_up, pieces, run
from ._files import locked, read, settle, sync, sync_directory, write
from ._plan import Difference
from ._postfix import source
from ._postfix.lines import ConfigError
from ._postfix.source import PLAIN, TYPES, normal
from ._postfix.table import COMPILED, CONNECTED, compiled_name

if TYPE_CHECKING:
    from concurrent.futures import Future

LOCK = Path("/run/mailcluster/postmap.lock")
# Which file of the controller a table was made of.
ORIGINS = Path("/var/cache/mailcluster/postmap.json")
# Types whose rows may come from the controller as they lie there, to be put in order on the node.
RAW = (*COMPILED, PLAIN)
# The default of lmdb_map_size, and how much larger than its source a table of the shortest rows is.
_MAP_SIZE, _OVERHEAD = 16 << 20, 12
_ASIDE = ".publish-"
_SHOWN = 10
# Pieces of a file that are compressed at a time.
_PACKED_AHEAD = 8
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

    C(digest) is the SHA-256 of the source in UTF-8, empty for a source that shall stay as it lies on the node. It is empty, too, for a
    large file of the controller, C(src), whose SHA-256 is C(origin): the node makes the source of it.
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
    origin: str = ""
    src: str = ""

    @property
    def compiled(self) -> str | None:
        return compiled_name(self.path, self.type)

    @property
    def made_of(self) -> dict[str, Any]:
        """What decides its source, as it is remembered."""
        return {name: getattr(self, name) for name in ("origin", "type", "aliases", "digest", "entries")}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A table as it is; C(digest) is empty without a source. C(access) maps each of its files to owner, group and mode."""

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


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pack(contents: Mapping[str, str | Path], stream: IO[bytes]) -> dict[str, str]:
    """Compress contents, by the path of the table, for their way to the node; return the SHA-256 of each that is a file."""
    # Only the controller packs.
    from concurrent.futures import ThreadPoolExecutor

    digests = {}
    # By a thread for each processor: less time than the bytes saved take on their way.
    with zipfile.ZipFile(stream, "w") as archive, ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, content in contents.items():
            summed, size = hashlib.sha256(), 0
            with _opened(content) as file, archive.open(path, "w", force_zip64=True) as member:
                waiting: deque[Future[bytes]] = deque()
                for piece in pieces(file):
                    waiting.append(pool.submit(gzip.compress, piece, 1, mtime=0))
                    if len(waiting) > _PACKED_AHEAD:
                        member.write(waiting.popleft().result())
                    summed.update(piece)
                    size += len(piece)
                for packed in waiting:
                    member.write(packed.result())
            archive.getinfo(path).comment = str(size).encode()
            if isinstance(content, Path):
                digests[path] = summed.hexdigest()
    return digests


def _opened(content: str | Path) -> IO[bytes]:
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content.encode("utf-8", "surrogateescape"))


class Contents:
    """What L(pack) made, on the node."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._paths = frozenset(archive.namelist())

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        with self._archive.open(path) as member, gzip.GzipFile(fileobj=member) as stream:
            yield cast("IO[bytes]", stream)

    def lines(self, path: str) -> Iterator[bytes]:
        with self.open(path) as stream:
            yield from stream

    def size(self, path: str) -> int:
        return int(self._archive.getinfo(path).comment)

    def text(self, path: str) -> str:
        with self.open(path) as stream:
            return stream.read().decode("utf-8", "surrogateescape")


def plan(wanted: Sequence[Wanted], found: Mapping[str, Found]) -> list[Step]:
    """Compare and return one step a table, also for those that are as they shall be."""
    return [_step(table, found[table.path]) for table in wanted]


def _step(wanted: Wanted, found: Found) -> Step:
    content = found.digest != wanted.digest
    access = (wanted.owner, wanted.group, wanted.mode)
    return Step(
        wanted=wanted,
        found=found,
        content=content,
        compile=bool(wanted.compiled) and (content or not found.compiled),
        access=tuple(sorted(path for path, present in found.access.items() if present != access)),
    )


def difference(step: Step, before: Callable[[], Iterable[bytes]], after: Callable[[], Iterable[bytes]]) -> Difference:
    """Say how many rows there are, and show the first of those that come or go, unless they are secret; the lines of both are read twice."""
    wanted, found = step.wanted, step.found
    access = f"{wanted.owner}:{wanted.group} {wanted.mode:04o}"
    present = next((found.access[path] for path in step.access), None)
    before_access = f"{present[0]}:{present[1]} {present[2]:04o}" if present else access

    def shown(here: Callable[[], Iterable[bytes]], there: Callable[[], Iterable[bytes]], how: str) -> str:
        differing = _Differing(here, there)
        hidden = "(the rows are secret)"
        rows = [hidden] if wanted.secret else [line.decode(errors="replace") for line in differing.first]
        more = differing.number - _SHOWN
        return "\n".join([f"{differing.rows} rows, {how}", *rows, *([f"... and {more} more"] if more > 0 and not wanted.secret else []), ""])

    return Difference(
        before_header=wanted.path if found.digest else f"{wanted.path} (absent)",
        after_header=wanted.path,
        before=shown(before, after, before_access) if found.digest else "",
        after=shown(after, before, access + (", to be published" if step.content else ", to be compiled" if step.compile else "")),
    )


class _Differing:
    """Lines that are here and not there: their number and the first of them. Of lines there, only hashes are kept."""

    def __init__(self, here: Callable[[], Iterable[bytes]], there: Callable[[], Iterable[bytes]]) -> None:
        known = {hash(line.rstrip(b"\n")) for line in there()}
        self.rows = self.number = 0
        self.first = heapq.nsmallest(_SHOWN, self._others(here(), known))

    def _others(self, lines: Iterable[bytes], known: set[int]) -> Iterator[bytes]:
        for line in lines:
            self.rows += line[:1] not in b" \t\v\f\r\n#"
            if hash(bare := line.rstrip(b"\n")) not in known:
                self.number += 1
                yield bare


def lines_of(path: Path) -> Callable[[], Iterable[bytes]]:
    """The lines of a file, if there is one, as often as they are asked for."""

    def lines() -> Iterator[bytes]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as stream:
            yield from stream

    return lines


def look(name: str, kind: str) -> Found:
    """Read what is there of a table."""
    source_file = Path(name)
    compiled = compiled_name(name, kind)
    files = [source_file, *([Path(compiled)] if compiled else [])]
    states = {str(path): os.stat(path) for path in files if path.is_file()}
    fresh = compiled is not None and compiled in states and name in states
    return Found(
        digest=digest_of(source_file) if name in states else "",
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


def publish(step: Step, put: Callable[[Path], object]) -> None:
    """Do a step; a table changes by rename. ``put`` puts its source in a place. Raises ConfigError, before anything of that table changed."""
    if step.content or step.compile:
        _replace(step.wanted, put)
    elif step.access:
        for path in step.access:
            give(Path(path), step.wanted)


def _replace(wanted: Wanted, put: Callable[[Path], object]) -> None:
    target = Path(wanted.path)
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with aside_of(target.parent) as aside:
        new = aside / target.name
        put(new)
        if wanted.type == PLAIN:
            _later(new, target)
        else:
            build(aside, wanted)
        compiled = _compiled(new, wanted.type)
        # The compiled file first: killed in between, the source still differs and the next run publishes again.
        for product in dict.fromkeys([compiled, new]):
            give(product, wanted)
            product.rename(target.parent / product.name)
        for product in former(wanted.path, wanted.type):
            product.unlink(missing_ok=True)
    sync_directory(target.parent)


def arrange(wanted: Wanted, raw: Callable[[], contextlib.AbstractContextManager[IO[bytes]]], target: Path, *, feed: Feed | None = None) -> Wanted:
    """Write the source of a table that comes as it lies on the controller, and tell its digest and number of rows.

    At most some 40 MB of it are in memory at a time. C(feed) gets its rows, too. Raises ConfigError.
    """
    file, aliases, told = wanted.src, wanted.aliases, source.Sorted(0, set())
    summed = hashlib.sha256()

    def cut() -> Iterator[bytes]:
        with raw() as stream:
            yield from source.cut(pieces(stream))

    def rows() -> Iterable[bytes]:
        if wanted.type == PLAIN:
            return cut()
        lines = source.sortable(cut(), file=file, aliases=aliases)
        return source.sorted_rows(in_order(lines, scratch=target.parent), told, aliases=aliases)

    with target.open("xb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        for piece in ahead(rows()):
            summed.update(piece)
            stream.write(piece)
            if feed:
                feed.write(piece)
        stream.flush()
        os.fsync(stream.fileno())
    if told.twice:
        raise source.twice(cut(), told.twice, file=file, aliases=aliases)
    return replace(wanted, digest=summed.hexdigest(), entries=rows_in(target) if wanted.type == PLAIN else told.entries)


def rows_in(path: Path) -> int:
    """Number of rows of a source."""
    with path.open("rb") as stream:
        return source.count_rows(pieces(stream))


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
    # Seldom needed, and a tenth of a second to read.
    from ._postfix import main_cf, master_cf, references

    defaults = main_cf.parameters(run("postconf", "-d").stdout)
    found: set[str | None] = set()
    for main in sorted((root / "etc").glob(f"*/{main_cf.FILE}")):
        files = {name: read(main.with_name(name)) or "" for name in (main_cf.FILE, master_cf.FILE)}
        found |= {compiled_name(entry.path, entry.kind) for entry in references.of_files(files, directory=str(main.parent), defaults=defaults)}
    return found


@contextlib.contextmanager
def aside_of(directory: Path) -> Iterator[Path]:
    """Provide a directory for candidates on the same file system; those of killed runs go first."""
    own = f"{_ASIDE}{os.getpid()}-"
    for leftover in directory.glob(f"{_ASIDE}*"):
        if not leftover.name.startswith(own):
            _remove(leftover)
    aside = Path(tempfile.mkdtemp(dir=directory, prefix=own))
    try:
        yield aside
    finally:
        _remove(aside)


def _remove(directory: Path) -> None:
    for path in sorted(directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    directory.rmdir()


def build(aside: Path, wanted: Wanted) -> None:
    """Compile a source and ask the result, with a configuration of its own: the default instance may have none yet."""
    name, kind = Path(wanted.path).name, wanted.type
    path = aside / name
    text = (read(path) or "") if kind in CONNECTED else ""
    if kind in CONNECTED:
        normal(text, kind=kind, file=wanted.path)
    # A daemon takes a compiled file for stale that is older than its source.
    settle(path)
    with _configuration(aside, path.stat().st_size) as scratch:
        if _compiled(path, kind).exists() and wanted.compiled:
            look_up(path, kind, ("-c", scratch), file=name, aliases=False)
            warnings: list[str] = []
        else:
            warnings = compile_table(path, kind, config=scratch, aliases=wanted.aliases) if wanted.compiled else []
        if warnings:
            raise ConfigError(" ".join(warnings), file=name, subject=kind)
        for key, value in [] if wanted.aliases else _samples(path, kind, probe=wanted.probe):
            problem = _wrong(run("postmap", "-c", scratch, "-q", key, f"{kind}:{path}"), key, value)
            if problem:
                raise ConfigError(_concealed(problem, text, kind).replace(str(aside), str(aside.parent)), file=name, subject=kind)


def _compiled(path: Path, kind: str) -> Path:
    return path.with_name(path.name + COMPILED.get(kind, ""))


@contextlib.contextmanager
def _configuration(aside: Path, size: int) -> Iterator[str]:
    """A configuration directory for postmap(1) and a source of so many bytes.

    The map is more than large enough: each time that it is not, postmap(1) doubles it and begins anew (lmdb_table(5)).
    """
    with tempfile.TemporaryDirectory(dir=aside) as scratch:
        write(Path(scratch, "main.cf"), f"compatibility_level = 3.6\nlmdb_map_size = {max(_MAP_SIZE, _OVERHEAD * size)}\n")
        settle(Path(scratch, "main.cf"))
        yield scratch


def arrange_and_compile(wanted: Wanted, contents: Contents, target: Path) -> Wanted:
    """The same as L(arrange), and leave the compiled table beside ``target`` where postmap(1) has nothing to say: it works while rows are sorted."""
    raw = partial(contents.open, wanted.path)
    with _configuration(target.parent, contents.size(wanted.path)) as scratch:
        product = Path(scratch, target.name)
        with feeding(product, wanted.type, config=scratch) as feed:
            arranged = arrange(wanted, raw, target, feed=feed)
            if feed.end():
                sync(_compiled(product, wanted.type))
                _compiled(product, wanted.type).rename(_compiled(target, wanted.type))
    return arranged


def _samples(path: Path, kind: str, *, probe: str) -> list[tuple[str, str | None]]:
    """First and last row of a table of keys; a table of patterns or a server is asked for anything, to have it parsed and reached."""
    if kind not in (*COMPILED, "texthash"):
        return [(probe, None)]
    return [(row.key, row.value) for row in ends(path, file=path.name)]


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
        from ._postfix import main_cf

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
    tables = [Wanted(**table) for table in parameters["wanted"]]
    with _contents(parameters) as contents, contextlib.ExitStack() as held:
        if not check_mode:
            held.enter_context(locked(LOCK))
        found = {table.path: look(table.path, table.type) for table in tables}
        known = origins(read(ORIGINS))
        tables = [_settled(table, found[table.path], known) for table in tables]
        missing = [table.path for table in tables if _differs(table, found[table.path]) and table.path not in contents]
        if missing:
            return {"changed": False, "missing": missing}
        made: dict[str, Path] = {}
        for number, table in enumerate(tables):
            if table.origin and not table.digest:
                place = made[table.path] = _place(table, held, check_mode=check_mode)
                early = table.compiled and not table.aliases and not check_mode and installed("postmap")
                tables[number] = arrange_and_compile(table, contents, place) if early else arrange(table, partial(contents.open, table.path), place)
        steps = plan(tables, found)
        answer = _answer(steps, [difference(step, *_sides(step, contents, made)) for step in steps if step.changed] if diff else [])
        if not check_mode:
            for step in steps:
                publish(step, partial(_put, step, contents, made.get(step.wanted.path)))
            _remember(known, {table.path: table.made_of for table in tables if table.origin})
        return answer


def _answer(steps: Sequence[Step], diff: Sequence[Difference]) -> dict[str, Any]:
    told = [{"path": step.wanted.path, "changed": step.changed, "entries": step.wanted.entries, "digest": step.wanted.digest} for step in steps]
    return {"changed": any(step.changed for step in steps), "tables": told, "diff": list(diff)}


def _settled(wanted: Wanted, found: Found, known: Mapping[str, Mapping[str, Any]]) -> Wanted:
    """A table with the digest that it shall have, if that is known: of what was made of the same file, or of the rows that lie on the node."""
    if wanted.digest:
        return wanted
    if wanted.origin:
        then = replace(wanted, digest=found.digest, entries=known.get(wanted.path, {}).get("entries", 0))
        return then if found.digest and then.made_of == known.get(wanted.path) else wanted
    if not found.digest:
        raise ConfigError("there is no such file on the node, and neither content nor src to make it of", file=wanted.path)
    return replace(wanted, digest=found.digest, entries=rows_in(Path(wanted.path)))


def _differs(wanted: Wanted, found: Found) -> bool:
    return wanted.digest != found.digest or not wanted.digest


def _place(table: Wanted, held: contextlib.ExitStack, *, check_mode: bool) -> Path:
    """Where a source is made: beside the table, or in check mode, which changes nothing there, elsewhere."""
    directory = Path(table.path).parent
    if check_mode:
        return Path(held.enter_context(tempfile.TemporaryDirectory()), "rows")
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    return held.enter_context(aside_of(directory)) / "rows"


def _put(step: Step, contents: Contents, made: Path | None, place: Path) -> None:
    """Put the source of a table where it is to be compiled."""
    if made:
        made.rename(place)
        with contextlib.suppress(FileNotFoundError):
            if step.wanted.compiled:
                _compiled(made, step.wanted.type).rename(_compiled(place, step.wanted.type))
    elif step.content:
        write(place, contents.text(step.wanted.path), mode=0o600)
    else:
        shutil.copyfile(step.wanted.path, place)


def _sides(step: Step, contents: Contents, made: Mapping[str, Path]) -> list[Callable[[], Iterable[bytes]]]:
    """The lines of a source before and after a step."""
    path = step.wanted.path
    before = lines_of(Path(path))
    if path in made:
        return [before, lines_of(made[path])]
    return [before, partial(contents.lines, path) if step.content else before]


def origins(text: str | None) -> dict[str, dict[str, Any]]:
    """What large tables were made of, by path, of what C(ORIGINS) holds; nothing where that is not known, which costs time only."""
    with contextlib.suppress(ValueError):
        found = json.loads(text or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def _remember(known: Mapping[str, Mapping[str, Any]], made: Mapping[str, Mapping[str, Any]]) -> None:
    after = {**known, **made}
    if after != known:
        write(ORIGINS, json.dumps(after), mode=0o600)


@contextlib.contextmanager
def _contents(parameters: Mapping[str, Any]) -> Iterator[Contents]:
    path, inline = parameters["bundle_path"], base64.b64decode(parameters["bundle"] or "")
    # An archive that is made here is an empty one.
    with zipfile.ZipFile(path or io.BytesIO(inline), "r" if path or inline else "w") as archive:
        yield Contents(archive)
