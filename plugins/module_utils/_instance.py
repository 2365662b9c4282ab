# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance on this node: read it, validate a candidate, carry out a plan."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _commands, _files
from ._postfix import generation, main_cf, master_cf, table
from ._postfix.generation import Generation, Table
from ._postfix.instance import UNIT, Before, DataTable, InstancePlan, Paths, Published, Wanted
from ._postfix.lines import ConfigError, words

# An unchanged instance needs neither `values` nor `_probe`, and `source` only for tables. A node compiles what a module imports at every
# call, so they are imported where they are used.
if TYPE_CHECKING:
    from ._postfix import values

_QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")
_LOG_LINE = re.compile(r"\S+ +\S+ \S+ \S+ ([\w./-]+)\[\d+\]: (.*)")
_TELLING = re.compile(r"\b(?:fatal|panic|error|warning)\b")


@dataclass
class Report:
    """What a run has to say besides its plan."""

    warnings: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)
    deprecated: list[str] = field(default_factory=list)
    seconds: float = 0.0


def desired(parameters: Mapping[str, Any], paths: Paths) -> tuple[Generation | None, Wanted]:
    """Turn the module's parameters into the wanted instance, and the generation if one is to be built."""
    tables = [_data_table(entry) for entry in parameters["data"]]
    started = parameters["state"] == "present"
    if parameters["generation"]:
        target = _earlier(paths, parameters["generation"])
        return None, Wanted(target, read_generation(paths, target) or {}, tables, parameters["owner"], started)
    services = master_cf.services(parameters["services"], head=generation.HEADER)
    above = generation.HEADER + master_cf.render(services) + "\n" + generation.LOCAL_SERVICES
    made = generation.build(
        main={**_identity(paths, parameters["main"]), **parameters["main"]},
        local=parameters["local"],
        services=services,
        local_services=master_cf.services(parameters["local_services"], head=above),
        tables=[_policy_table(entry) for entry in parameters["tables"]],
    )
    return made, Wanted(made.name, made.files, tables, parameters["owner"], started)


def _identity(paths: Paths, main: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that make an instance; two instances on one queue would lose mail."""
    wanted = {"queue_directory": str(paths.queue), "data_directory": str(paths.state), "syslog_name": paths.name}
    for name in ("queue_directory", "data_directory"):
        if main.get(name, wanted[name]) != wanted[name]:
            raise ConfigError(f"must be {wanted[name]}, not {main[name]!r}", file=main_cf.FILE, subject=name)
    return wanted


def _policy_table(entry: Mapping[str, Any]) -> Table:
    from ._postfix import source

    made = Table(entry["name"], entry["type"], entry["content"])
    # Its text stays as it is, in the order in which it was thought.
    source.normal(made.text, kind=made.kind, file=made.name)
    return made


def _data_table(entry: Mapping[str, Any]) -> DataTable:
    from ._postfix import source

    if entry["state"] == "absent":
        return DataTable(Table(entry["name"], entry["type"], ""), present=False)
    text = _files.read(Path(entry["src"])) if entry["src"] else entry["content"]
    if text is None:
        raise ConfigError(f"{entry['src']} does not exist" if entry["src"] else "needs content or src", subject=f"data table {entry['name']}")
    text, _entries = source.normal(text, kind=entry["type"], file=entry["src"] or entry["name"])
    mode = int(entry["mode"], 8) if entry["mode"] else 0o600 if entry["secret"] else 0o644
    return DataTable(Table(entry["name"], entry["type"], text), mode=mode, secret=entry["secret"])


def _earlier(paths: Paths, name: str) -> str:
    known = history(paths)
    active = _generation(paths, paths.config)
    found = next((entry for entry in proven(paths) if entry != active), "") if name == "previous" else name
    if found not in known:
        raise ConfigError(f"there is no generation {name!r}; there are {', '.join(known) or 'none'}", subject=paths.name)
    return found


def read(paths: Paths, tables: Sequence[DataTable]) -> Before:
    """Read the instance; runs no program, and works where nothing is installed."""
    active, loaded = _generation(paths, paths.config), _recorded(paths)
    if paths.config.exists() and not paths.config.is_symlink():
        raise ConfigError(f"{paths.config} is not a symlink: it was not made by this module", subject=paths.name)
    journal = _journal(paths)
    default = _files.read(paths.default_main)
    return Before(
        active=active,
        loaded=loaded,
        running=master(paths) > 0,
        unproven=bool(active) and journal.get("generation") == active,
        previous=str(journal.get("previous", "")),
        unseen=str(journal.get("generation", "")),
        files=read_generation(paths, active) or {},
        loaded_files=read_generation(paths, loaded),
        data={entry.table.name: found for entry in tables if (found := _published(paths, entry.table))},
        unit=_files.read(paths.unit),
        enabled=paths.enabled.is_symlink(),
        registered=default is None or is_registered(paths, default),
        owner=(_files.read(paths.owner) or "").strip(),
    )


def read_generation(paths: Paths, name: str) -> dict[str, str] | None:
    """Return the files of a generation, ``None`` when it is gone."""
    directory = paths.generations / name
    if not name or not directory.is_dir():
        return None
    return {entry: _files.read(directory / entry) or "" for entry in generation.own_files(os.listdir(directory))}


def history(paths: Paths) -> list[str]:
    """Return the generations on disk, the one proven last first."""
    with contextlib.suppress(FileNotFoundError):
        found = [entry for entry in paths.generations.iterdir() if generation.NAME.match(entry.name)]
        return [entry.name for entry in sorted(found, key=lambda entry: entry.stat().st_mtime, reverse=True)]
    return []


def proven(paths: Paths) -> list[str]:
    """Return those of them that were seen serving, or were told not to; a generation is made without a date."""
    return [name for name in history(paths) if (paths.generations / name).stat().st_mtime]


def master(paths: Paths) -> int:
    """Return the process id of the running master(8), 0 when there is none."""
    return master_of(paths.queue, lambda unit: unit == paths.service)


def master_of(queue: Path, is_ours: Callable[[str], bool]) -> int:
    """The same for any queue directory; ``is_ours`` judges the systemd unit of the process."""
    text = (_files.read(queue / "pid/master.pid") or "").strip()
    if not text.isdecimal() or (_files.read(Path("/proc", text, "comm")) or "").strip() != "master":
        return 0
    # The number may be that of another instance by now. Its open files and directory only CAP_SYS_PTRACE may see.
    units = {line.rpartition("/")[2] for line in (_files.read(Path("/proc", text, "cgroup")) or "").splitlines() if line.endswith(".service")}
    return int(text) if not units or any(map(is_ours, units)) else 0


def queue_sizes(queue: Path) -> dict[str, int]:
    """Count the messages in each queue."""
    return {name: sum(len(names) for _directory, _subdirectories, names in os.walk(queue / name)) for name in _QUEUES}


def queued(paths: Paths) -> int:
    """Count the messages in the queue."""
    return sum(queue_sizes(paths.queue).values())


def _generation(paths: Paths, link: Path) -> str:
    with contextlib.suppress(OSError):
        return Path(os.readlink(link)).name
    return ""


def _recorded(paths: Paths) -> str:
    text = (_files.read(paths.loaded) or "").strip()
    return Path(text).name if text else ""


def _journal(paths: Paths) -> Mapping[str, object]:
    with contextlib.suppress(ValueError):
        found = json.loads(_files.read(paths.journal) or "{}")
        return found if isinstance(found, dict) else {}
    return {}


def _alternates(text: str) -> list[str]:
    return words(main_cf.parameters(text).get("alternate_config_directories", ""))


def is_registered(paths: Paths, default: str) -> bool:
    """Whether the default instance's main.cf lists the instance, so that users may ask for its queue."""
    return str(paths.config) in _alternates(default)


def _published(paths: Paths, entry: Table) -> Published | None:
    path = paths.data / entry.name
    text = _files.read(path)
    if text is None:
        left = _products(paths, entry.name)
        return Published("", 0, built=False) if left else None
    status = path.stat()
    compiled = table.compiled_name(entry.name, entry.kind)
    built = [product.name for product in _products(paths, entry.name)] == ([compiled] if compiled else [])
    if compiled and built:
        product = (paths.data / compiled).stat()
        built = product.st_mtime >= status.st_mtime and product.st_mode == status.st_mode
    return Published(text, status.st_mode & 0o7777, built)


def _products(paths: Paths, name: str) -> list[Path]:
    """The compiled files of a data table, of whatever type."""
    return [path for suffix in sorted(set(table.COMPILED.values())) if (path := paths.data / (name + suffix)).exists()]


# -- validation


def validate(paths: Paths, wanted: Generation, tables: Sequence[DataTable], *, before: Before, check_mode: bool, report: Report) -> None:
    """Refuse a generation that Postfix would refuse, or accept and die of. Leaves nothing behind."""
    installed = _commands.installed("postconf")
    if not installed and not check_mode:
        raise ConfigError("postfix is not installed", subject=paths.name)
    _files.sweep(Path(tempfile.gettempdir()), paths.name)
    with tempfile.TemporaryDirectory(prefix=_files.aside_prefix(paths.name)) as name:
        candidate = Path(name)
        candidate.chmod(0o755)
        _write_generation(candidate, wanted, compile_tables=installed, report=report)
        node = _node(paths, tables, installed=installed)
        problems = _check(paths, wanted, tables, node)
        if check_mode:
            # Tasks that would make a missing file have not run.
            hard = {str(problem) for problem in _check(paths, wanted, tables, replace(node, exists=None))}
            report.unvalidated += [str(problem) for problem in problems if str(problem) not in hard]
            problems = [problem for problem in problems if str(problem) in hard]
        if installed:
            problems += _ask_postfix(candidate, wanted, report)
        if not installed:
            report.unvalidated.append("postfix is not installed yet: parameter names, types by default and table types are not validated")
    held = busy_ports(paths, before, wanted.files) if not problems else []
    if check_mode:
        report.unvalidated += held
    else:
        problems += [ConfigError(text, file=master_cf.FILE) for text in held]
    if problems:
        raise ConfigError("; ".join(str(problem) for problem in problems), subject=paths.name)


def _check(paths: Paths, wanted: Generation, tables: Sequence[DataTable], node: values.Node) -> list[ConfigError]:
    from ._postfix import values

    return values.check(
        main=main_cf.parameters(wanted.files[main_cf.FILE]),
        services=master_cf.parse(wanted.files[master_cf.FILE]),
        directory=str(paths.config),
        tables=wanted.tables,
        data=[replace_name(entry.table, str(paths.data / entry.table.name)) for entry in tables if entry.present],
        node=node,
    )


def replace_name(entry: Table, path: str) -> Table:
    """The same table under the name by which parameters refer to it."""
    clone = replace(entry)
    object.__setattr__(clone, "name", path)
    return clone


def _node(paths: Paths, tables: Sequence[DataTable], *, installed: bool) -> values.Node:
    from ._postfix import values

    data = {str(paths.data / entry.table.name): entry.table.kind for entry in tables if entry.present}
    if not installed:
        return values.Node(data=data)
    defaults = main_cf.parameters(_commands.run("postconf", "-d").stdout)
    return values.Node(
        defaults=defaults,
        map_types=frozenset(_commands.run("postconf", "-m").stdout.split()),
        exists=lambda path: Path(path).exists(),
        data=data,
    )


def _ask_postfix(candidate: Path, wanted: Generation, report: Report) -> list[ConfigError]:
    """``postconf -n`` knows every parameter name of its release, ``-M`` every field of a service."""
    problems = []
    for option in ("-n", "-M"):
        outcome = _commands.run("postconf", "-c", str(candidate), option)
        said = [line.replace(f"{candidate}/", "").removeprefix("postconf: ") for line in outcome.stderr.splitlines() if line.strip()]
        for line in dict.fromkeys(said):
            if re.search(r"unused parameter|undefined parameter|overriding earlier entry", line):
                problems.append(_placed(line.removeprefix("warning: "), wanted))
            elif not outcome.rc and line not in report.deprecated:
                report.deprecated.append(line)
        if outcome.rc:
            problems.append(ConfigError("; ".join(said) or f"postconf {option} fails", subject="postconf"))
    return list({str(problem): problem for problem in problems}.values())


def _placed(said: str, wanted: Generation) -> ConfigError:
    """What postconf(1) says of a parameter, with the line in which it stands."""
    found = re.match(r"(main\.cf|master\.cf): (.*?): ([^=\s]+)", said)
    if not found:
        return ConfigError(said, subject="postconf")
    file, reason, name = found.groups()
    if file == main_cf.FILE:
        line = next((entry.start for entry in main_cf.parse(wanted.files[file]) if entry.name == name), 0)
        return ConfigError(reason, file=file, line=line, subject=name)
    service = next((entry for entry in master_cf.parse(wanted.files[file]) if name in dict(entry.options)), None)
    return ConfigError(reason, file=file, line=service.line if service else 0, subject=f"{service.subject}: {name}" if service else name)


def busy_ports(paths: Paths, before: Before, wanted: Mapping[str, str]) -> list[str]:
    """Return the new listeners that another program already holds: a reload would return 0 and master die."""
    from . import _probe

    # A run that was killed while it repaired leaves unknown which generation is loaded.
    loaded = [before.loaded_files or read_generation(paths, name) for name in history(paths)] if before.running else []
    own = {entry.port for files in loaded for entry in generation.listeners(master_cf.parse((files or {}).get(master_cf.FILE, "")))}
    main = main_cf.parameters(wanted[main_cf.FILE])
    return [
        f"{target.place}: the port is held by another program"
        for target in _probe.targets(main, master_cf.parse(wanted[master_cf.FILE]))
        if target.port and target.port not in own and _held(target.host, target.port)
    ]


def _held(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((host, port))
            attempt.listen(1)
        except OSError as error:
            return error.errno == 98
    return False


# -- carrying out


def _write_generation(directory: Path, wanted: Generation, *, compile_tables: bool, report: Report) -> None:
    for name, text in wanted.files.items():
        _files.write(directory / name, text, age=_files.SETTLED)
    for entry in wanted.tables:
        if compile_tables and table.compiled_name(entry.name, entry.kind):
            said = _commands.build_table(directory, entry.name, entry.kind, entry.text, config=str(directory))
            report.warnings += [line for line in said if line not in report.warnings]


def apply(paths: Paths, before: Before, wanted: Wanted, steps: InstancePlan, *, made: Generation | None, keep: int, probe: bool, report: Report) -> None:
    """Carry out the plan. Killed anywhere, the next run finds what is left to do.

    What can fail for want of room or rights comes before the activation, and nothing that
    the old configuration looks up goes before the new one is seen serving.
    """
    _prepare(paths, wanted, steps)
    for entry in steps.data:
        if entry.present:
            report.warnings += _commands.build_table(paths.data, entry.table.name, entry.table.kind, entry.table.text, mode=entry.mode)
    if steps.activate and made is not None:
        _store(paths, wanted, made, repair=before.active == wanted.target, report=report)
    if steps.unit:
        _files.write(paths.unit, UNIT)
        _systemctl("daemon-reload")
    if steps.enable:
        _systemctl("enable" if wanted.started else "disable", paths.service)
    if steps.register:
        _register(paths, present=True)
    if steps.activate:
        _activate(paths, before, wanted)
    if steps.load or steps.prove:
        _load_and_prove(paths, before, wanted, steps, probe=probe, report=report)
    if steps.prove or not wanted.started:
        os.utime(paths.generations / wanted.target)
    # One that a killed run left and that names what is not active says nothing any more.
    paths.journal.unlink(missing_ok=True)
    for entry in steps.data:
        _tidy(paths, entry)
    if steps.activate or steps.prove:
        _prune(paths, wanted.target, keep)


def _prepare(paths: Paths, wanted: Wanted, steps: InstancePlan) -> None:
    for directory in (paths.generations, paths.data, paths.loaded.parent, paths.queue):
        directory.mkdir(parents=True, exist_ok=True)
    _sweep(paths)
    try:
        account = pwd.getpwnam("postfix")
    except KeyError as error:
        raise ConfigError("postfix is not installed", subject=paths.name) from error
    paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if paths.state.stat().st_uid != account.pw_uid:
        os.chown(paths.state, account.pw_uid, account.pw_gid)
    if wanted.owner and steps.changed and (_files.read(paths.owner) or "").strip() != wanted.owner:
        _files.write(paths.owner, wanted.owner + "\n")


def _sweep(paths: Paths) -> None:
    """Remove what killed runs left aside: all of it in the instance's own directories, its own in those of others."""
    for directory in (paths.home, paths.generations, paths.data):
        _files.sweep(directory)
    for path in (paths.config, paths.unit, paths.default_main):
        _files.sweep(path.parent, path.name)


def _tidy(paths: Paths, entry: DataTable) -> None:
    """Remove what nothing refers to any more: a table that shall go, the compiled file of a former type."""
    compiled = table.compiled_name(entry.table.name, entry.table.kind) if entry.present else None
    if not entry.present:
        (paths.data / entry.table.name).unlink(missing_ok=True)
    for product in _products(paths, entry.table.name):
        if product.name != compiled:
            product.unlink()


def _store(paths: Paths, wanted: Wanted, made: Generation, *, repair: bool, report: Report) -> None:
    """Make the directory of a generation: whole and renamed into place, or file by file where it is active."""
    target = paths.generations / wanted.target
    if repair:
        paths.loaded.unlink(missing_ok=True)
        _write_generation(target, made, compile_tables=True, report=report)
        _files.sweep(target)
        for name in set(generation.own_files(os.listdir(target))) - set(made.files):
            (target / name).unlink()
        return
    aside = Path(tempfile.mkdtemp(dir=paths.generations, prefix=_files.aside_prefix(wanted.target)))
    try:
        aside.chmod(0o755)
        _write_generation(aside, made, compile_tables=True, report=report)
        os.utime(aside, (0, 0))
        _files.discard(target)
        aside.rename(target)
    except BaseException:
        # On a full disk it would keep the disk full.
        shutil.rmtree(aside, ignore_errors=True)
        raise
    _files.sync_directory(paths.generations)


def _activate(paths: Paths, before: Before, wanted: Wanted) -> None:
    if before.active != wanted.target:
        previous = before.previous if before.unproven else before.active
        _files.write(paths.journal, json.dumps({"generation": wanted.target, "previous": previous}) + "\n")
        try:
            _files.link(paths.config, str(paths.generations / wanted.target))
        except OSError:
            paths.journal.unlink(missing_ok=True)
            raise


def _systemctl(*arguments: str) -> _commands.Outcome:
    outcome = _commands.run("systemctl", *arguments, timeout=60.0)
    if outcome.rc and arguments[0] in ("daemon-reload", "enable", "disable"):
        raise ConfigError(outcome.text, subject=f"systemctl {' '.join(arguments)}")
    return outcome


def _register(paths: Paths, *, present: bool) -> None:
    """Let ordinary users name the instance to postqueue(1) and sendmail(1). The file is that of all instances."""
    with _files.locked(paths.default_lock):
        text = _files.read(paths.default_main)
        if text is None:
            return
        listed = _alternates(text)
        kept = [entry for entry in listed if entry != str(paths.config)] + ([str(paths.config)] if present else [])
        if kept != listed:
            _files.write(paths.default_main, main_cf.edit(text, {"alternate_config_directories": kept or None}), age=_files.SETTLED)


def _load_and_prove(paths: Paths, before: Before, wanted: Wanted, steps: InstancePlan, *, probe: bool, report: Report) -> None:
    started = time.time()
    problems = _load(paths, steps.load)
    if wanted.started and not problems:
        problems = _prove(paths, wanted.files, probe=probe, report=report)
        if problems and steps.load == "reload" and _throttled(paths, started):
            problems = _load(paths, "restart") or _prove(paths, wanted.files, probe=probe, report=report)
    report.seconds = round(time.time() - started, 2)
    if not problems:
        return
    said = log(paths, started)[-5:]
    reason = "; ".join(problems) + (". The log says: " + " | ".join(said) if said else "")
    raise ConfigError(f"{reason}. {_go_back(paths, before, wanted)}", subject=f"generation {wanted.target} of {paths.name}")


# It starts what does not run any more: a killed run may have left a stop under way.
_RELOAD = "reload-or-restart"


def _load(paths: Paths, action: str) -> list[str]:
    """Start, reload, restart or stop; return once master(8) has done so."""
    if not action:
        return []
    if action in ("start", "restart"):
        _systemctl("reset-failed", paths.service)
    witness = _children(paths, "pickup")
    # A restart is one job of systemd: what it has begun to stop it starts, whatever becomes of this process.
    for verb in (_RELOAD if action == "reload" else action, _RELOAD, _RELOAD):
        outcome = _systemctl(verb, paths.service)
        # It may have been taken for a job that a killed run left under way: it counts once the link has been read.
        if action == "stop" or outcome.rc or _recorded(paths) == _generation(paths, paths.config):
            break
    if action != "stop" and not outcome.rc:
        _wait(lambda: not witness & _children(paths, "pickup"), 2.0)
    return [outcome.text] if outcome.rc else []


def _children(paths: Paths, command: str) -> set[int]:
    """Process ids of master's children that run ``command``; all idle ones end when a reload takes effect."""
    return children(master(paths), command)


def children(parent: int, command: str) -> set[int]:
    """Process ids of the children of a process that run ``command``."""
    found = set()
    for entry in (_files.read(Path("/proc", str(parent), "task", str(parent), "children")) or "").split():
        if (_files.read(Path("/proc", entry, "comm")) or "").strip() == command:
            found.add(int(entry))
    return found


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _prove(paths: Paths, files: Mapping[str, str], *, probe: bool, report: Report) -> list[str]:
    if not master(paths):
        return ["master does not run"]
    if not probe:
        return []
    from . import _probe

    found = _probe.targets(main_cf.parameters(files[main_cf.FILE]), master_cf.parse(files[master_cf.FILE]))
    failures, warnings = _probe.probe(found, alive=lambda command: bool(_children(paths, command)))
    report.warnings += warnings
    return failures or ([] if master(paths) else ["master died after the probe"])


# How long master(8) waits before it starts again what died (service_throttle_time in postconf(5)).
_THROTTLE = 60.0


def _throttled(paths: Paths, loaded: float) -> bool:
    """Whether daemons died under the configuration before, so that master(8) starts none under the new one yet."""
    since = loaded - _THROTTLE
    with contextlib.suppress(FileNotFoundError):
        # What died under an earlier master(8) concerns this one no more.
        since = max(since, (paths.queue / "pid/master.pid").stat().st_mtime)
    # A daemon says that it dies a second before master(8) says that it starts no other.
    return any(line.startswith("fatal:") or line.endswith("-- throttling") for line in log(paths, since, until=loaded))


def log(paths: Paths, since: float, *, until: float | None = None) -> list[str]:
    """Return the last telling lines of the instance since a time, each once."""
    limits = [f"--since=@{int(since)}", *([f"--until=@{until:.3f}"] if until else [])]
    outcome = _commands.run("journalctl", "-q", "--no-pager", "-o", "short", "--facility=mail", *limits, "-n", "200", timeout=5.0)
    lines = [found.groups() for line in outcome.stdout.splitlines() if (found := _LOG_LINE.match(line))]
    telling = [text for tag, text in lines if tag.startswith((f"{paths.name}/", "postfix/")) and _TELLING.search(text)]
    return list(dict.fromkeys(telling))


def _go_back(paths: Paths, before: Before, wanted: Wanted) -> str:
    """Put the previous generation back by stop and start: a reload would be throttled by master."""
    started = time.monotonic()
    candidates = [before.previous] if before.unproven else [before.active]
    previous = next((name for name in [*candidates, *proven(paths)] if name and name != wanted.target and (paths.generations / name).is_dir()), "")
    if before.active == wanted.target and not before.unproven:
        return "The generation served before; nothing was put back"
    if not previous:
        _systemctl("stop", paths.service)
        paths.config.unlink(missing_ok=True)
        _files.discard(paths.generations / wanted.target)
        paths.journal.unlink(missing_ok=True)
        return "There is no previous generation; the instance is stopped"
    _files.link(paths.config, str(paths.generations / previous))
    failures = _load(paths, "restart")
    paths.journal.unlink(missing_ok=True)
    _files.discard(paths.generations / wanted.target)
    failures = failures or _prove(paths, read_generation(paths, previous) or {}, probe=True, report=Report())
    took = f"after {time.monotonic() - started:.1f} s"
    return f"Generation {previous} is back and {'does not serve: ' + '; '.join(failures) if failures else 'serves'}, {took}"


def _prune(paths: Paths, active: str, keep: int) -> None:
    stay = {active, _recorded(paths), *history(paths)[: max(keep, 1)]}
    for name in history(paths):
        if name not in stay:
            _files.discard(paths.generations / name)


def remove(paths: Paths) -> None:
    """Stop and remove an instance with all its files; refuse while its queue holds mail."""
    running = master(paths) > 0
    refuse_mail(paths)
    _sweep(paths)
    if paths.config.is_symlink() or running:
        _systemctl("stop", paths.service)
    try:
        refuse_mail(paths)
    except ConfigError:
        if running:
            _systemctl("start", paths.service)
        raise
    if paths.enabled.is_symlink():
        _systemctl("disable", paths.service)
    _register(paths, present=False)
    paths.config.unlink(missing_ok=True)
    paths.loaded.unlink(missing_ok=True)
    for directory in (paths.home, paths.queue, paths.state):
        shutil.rmtree(directory, ignore_errors=True)


def refuse_mail(paths: Paths) -> None:
    """Refuse while the queue holds mail."""
    count = queued(paths)
    if count:
        raise ConfigError(f"the queue {paths.queue} holds {count} message{'s' if count > 1 else ''}: deliver or evacuate first", subject=paths.name)


def refuse_evacuated(paths: Paths) -> None:
    """Refuse while its mail is another node's: what is in its queue directory then, nobody may send or remove."""
    if paths.evacuated.is_dir():
        raise ConfigError(f"its queue was evacuated ({paths.evacuated}): take it back into service first (playbook evacuate)", subject=paths.name)


def present(paths: Paths) -> bool:
    """Whether anything of the instance exists."""
    return any(os.path.lexists(path) for path in (paths.config, paths.home, paths.queue, paths.state, paths.enabled))
