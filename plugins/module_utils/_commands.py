# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs run by the modules, and what they say."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from . import _files
from ._postfix import table
from ._postfix.lines import ConfigError

# A node compiles what a module imports at every call, and most calls read no rows.
if TYPE_CHECKING:
    from ._postfix import source

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# Files are read in pieces of so many bytes.
PIECE = 1 << 20
# So many of them may wait for another process.
_AHEAD = 16
# Of a larger table only so much of its beginning and end is read to find keys to ask for.
_END = 1 << 16


@dataclass(frozen=True)
class Outcome:
    """What a program returned; ``rc`` is 127 when it is not installed and 124 when it took too long."""

    rc: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Everything it said, one line."""
        return " ".join((self.stderr + "\n" + self.stdout).split())


def installed(program: str) -> bool:
    """Whether ``program`` can be run."""
    return shutil.which(program, path=PATH) is not None


def run(*command: str, timeout: float = 60.0, stdin: str = "") -> Outcome:
    """Run a program without a shell, with a plain environment; it reads ``stdin``."""
    try:
        # Without an AnsibleModule, so that the tests can put programs of their own in its place.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command,
            env=_environment(),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        return Outcome(127, "", f"{command[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Outcome(124, "", f"{' '.join(command)} did not end within {timeout:.0f} s")
    return Outcome(done.returncode, done.stdout, done.stderr)


def _environment() -> dict[str, str]:
    environment = {**os.environ, "PATH": PATH, "LC_ALL": "C"}
    environment.pop("MAIL_CONFIG", None)
    return environment


def pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Read a file piece by piece."""
    while piece := stream.read(PIECE):
        yield piece


def ahead(made: Iterable[bytes]) -> Iterator[bytes]:
    """Have pieces made by a thread, some of them before they are asked for: what waits for another process holds nobody up."""
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
    given_up = threading.Event()

    def work() -> None:
        end: BaseException | None = None
        try:
            for piece in made:
                if given_up.is_set():
                    break
                waiting.put(piece)
        except BaseException as error:  # Raised again where the pieces are asked for.
            end = error
        finally:
            # It has said by an error what there is to say.
            with contextlib.suppress(Exception):
                if isinstance(made, Generator):
                    made.close()
        waiting.put(end)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while isinstance(piece := waiting.get(), bytes):
            yield piece
        if piece is not None:
            raise piece
    finally:
        given_up.set()
        while thread.is_alive():
            with contextlib.suppress(queue.Empty):
                waiting.get_nowait()
            thread.join(0.01)


def in_order(lines: Iterable[bytes], *, scratch: Path) -> Iterator[bytes]:
    """Sort whole lines by their bytes with sort(1), for which 4 MB are enough; each yield is whole lines. Raises ConfigError."""
    # With a small buffer it is hardly behind; with many files at a time a million rows are merged at once.
    command = ["sort", "--buffer-size=4M", "--batch-size=64", f"--temporary-directory={scratch}"]
    pipe = subprocess.PIPE
    # With small pipes the two would take turns.
    with subprocess.Popen(command, env=_environment(), stdin=pipe, stdout=pipe, stderr=pipe, pipesize=PIECE) as sort:
        stdin, stdout, stderr = (cast("IO[bytes]", stream) for stream in (sort.stdin, sort.stdout, sort.stderr))
        # What ends it early it says itself.
        with contextlib.suppress(BrokenPipeError):
            for piece in ahead(lines):
                stdin.write(piece)
        # To close it is to write what is left.
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        rest = b""
        for piece in pieces(stdout):
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if newline:
                yield whole + newline
        said = stderr.read().decode(errors="replace")
    if sort.returncode:
        raise ConfigError(" ".join(said.split()) or "it was ended", subject="sort")


def ends(path: Path, *, file: str, aliases: bool = False) -> list[source.Row]:
    """The first and the last row of a table source whose key can be asked for; of a large file they have no lines."""
    from ._postfix import source

    size = path.stat().st_size
    if size <= 2 * _END:
        return source.ends(_files.read(path) or "", file=file, aliases=aliases)
    with path.open("rb") as stream:
        begin = stream.read(_END).rpartition(b"\n")[0]
        stream.seek(-_END, os.SEEK_END)
        end = stream.read().partition(b"\n")[2]
    # A row that is cut is neither the first nor the last one.
    text = b"\n".join([begin, end]).decode(errors="surrogateescape")
    return [source.Row(0, row.key, row.value) for row in source.ends(text, file=file, aliases=aliases)]


def look_up(path: Path, kind: str, options: tuple[str, ...], *, file: str, aliases: bool) -> None:
    """Ask a compiled table: on a full disk postmap(1) may return 0 and leave one without rows."""
    for row in ends(path, file=file, aliases=aliases):
        outcome = run("postmap", *options, "-q", row.key, f"{kind}:{path}")
        if outcome.rc:
            free = shutil.disk_usage(path.parent).free
            said = outcome.text.replace(str(path), file) or "it was built without"
            raise ConfigError(f"the compiled table does not know this key ({said}; {free} bytes are free)", file=file, line=row.line, subject=row.key)


def compile_table(path: Path, kind: str, *, config: str = "", aliases: bool = False) -> list[str]:
    """Compile a source beside it and return what postmap(1) or, of ``aliases``, postalias(1) warned of. Raises ConfigError."""
    options = ("-c", config) if config else ()
    outcome = run("postalias" if aliases else "postmap", *options, f"{kind}:{path}", timeout=600.0)
    if outcome.rc:
        raise ConfigError(outcome.text.replace(str(path), path.name), file=path.name, subject=kind)
    look_up(path, kind, options, file=path.name, aliases=aliases)
    with Path(str(table.compiled_name(str(path), kind))).open("rb") as stream:
        os.fsync(stream.fileno())
    return [line.replace(str(path), path.name) for line in outcome.stderr.splitlines() if line.strip()]


@contextlib.contextmanager
def feeding(path: Path, kind: str, *, config: str) -> Iterator[Feed]:
    """Let postmap(1) compile rows into a table beside ``path``, where nothing is yet, while they are made; see L(Feed)."""
    path.symlink_to("/dev/stdin")
    with tempfile.TemporaryFile() as said:
        # What it has no more use for is the caller's to find out, by its end.
        command = ["postmap", "-c", config, f"{kind}:{path}"]
        process = subprocess.Popen(command, env=_environment(), stdin=subprocess.PIPE, stdout=said, stderr=said, pipesize=PIECE)
        try:
            yield Feed(process, said)
        finally:
            process.kill()
            with contextlib.suppress(BrokenPipeError):
                process.communicate()
            path.unlink()


class Feed:
    """A table that is compiled while its rows are made."""

    def __init__(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        self._process, self._said = process, said

    def write(self, rows: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):
            cast("IO[bytes]", self._process.stdin).write(rows)

    def end(self) -> bool:
        """Whether it was compiled without a word; else it is to be compiled from a file, and what is wrong is said then."""
        with contextlib.suppress(BrokenPipeError):
            cast("IO[bytes]", self._process.stdin).close()
        return self._process.wait() == 0 and self._said.seek(0, os.SEEK_END) == 0


def build_table(directory: Path, name: str, kind: str, text: str, *, mode: int = 0o644, config: str = "") -> list[str]:
    """Publish table ``name`` of type ``kind`` in ``directory`` and return what postmap(1) warned of.

    Source and compiled file are made aside and renamed, the compiled file
    first: after a kill in between the source still differs and the next run
    builds again. A running daemon sees the new table at its next connection.
    What a table of another type left beside it stays: a configuration may still refer to that.
    """
    directory.mkdir(parents=True, exist_ok=True)
    compiled = table.compiled_name(name, kind)
    with tempfile.TemporaryDirectory(dir=directory, prefix=_files.aside_prefix(name)) as aside:
        path = Path(aside, name)
        _files.write(path, text, mode=mode, age=_files.SETTLED)
        warnings: list[str] = []
        if compiled:
            warnings = compile_table(path, kind, config=config)
            product = Path(aside, compiled)
            product.chmod(mode)
            product.rename(directory / compiled)
        path.rename(directory / name)
    _files.sync_directory(directory)
    return warnings
