# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generations: the files of one configuration, and the name their content gives them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from . import main_cf, master_cf, table
from .lines import ConfigError
from .master_cf import Service

HEADER = "# Written by mailcluster.postfix.postfix_instance; the next run undoes changes made here.\n"
LOCAL = "# Parameters of this node only:\n"
LOCAL_SERVICES = "# Services of this node only:\n"
# What the tier shares and this node overrides stays in the text, so that its digest stays the tier's.
OVERRIDDEN = "#= "
NAME = re.compile(r"[0-9a-f]{12}-[0-9a-f]{12}\Z")
TABLE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_RESERVED = (main_cf.FILE, master_cf.FILE)
_HEX = 12


@dataclass(frozen=True)
class Table:
    """A lookup table: ``kind`` is the Postfix map type, ``text`` its source."""

    name: str
    kind: str
    text: str

    def __post_init__(self) -> None:
        if not TABLE_NAME.match(self.name) or self.name in _RESERVED:
            raise ConfigError(f"not a name for a table: {self.name!r}", subject="tables")
        if self.kind not in (*table.TEXT, *table.COMPILED):
            raise ConfigError(f"a table in a file cannot be of type {self.kind!r}", file=self.name)


@dataclass(frozen=True)
class Generation:
    """``files`` maps names to text; compiled tables are made from them and are not counted."""

    files: Mapping[str, str]
    tables: tuple[Table, ...] = ()

    @property
    def shared(self) -> str:
        """Digest of what every node of a tier has on a release."""
        return digests(self.files)[0]

    @property
    def local(self) -> str:
        """Digest of the declared parameters and services of the node."""
        return digests(self.files)[1]

    @property
    def name(self) -> str:
        return "-".join(digests(self.files))


def build(
    *,
    main: Mapping[str, Any],
    local: Mapping[str, Any],
    services: Iterable[Service],
    local_services: Iterable[Service] = (),
    tables: Iterable[Table] = (),
) -> Generation:
    """Render a configuration.

    ``local`` wins over ``main``; ``None`` in either leaves Postfix' default. An entry of ``local_services``
    replaces the one of ``services`` of the same service and type.
    """
    used = tuple(tables)
    names = [entry.name for entry in used]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("the table occurs twice", file=name)
    overridden = [main_cf.render({name: value}) for name, value in sorted(main.items()) if name in local and value is not None]
    kept = [main_cf.render({name: value}) for name, value in sorted(main.items()) if name not in local and value is not None]
    text = HEADER + "".join(kept) + _covered("".join(overridden)) + "\n" + LOCAL + main_cf.render(local)
    return Generation(
        files={main_cf.FILE: text, master_cf.FILE: _master(services, local_services), **{entry.name: entry.text for entry in used}},
        tables=used,
    )


def _master(services: Iterable[Service], local_services: Iterable[Service]) -> str:
    own = list(local_services)
    keys = {entry.key for entry in own}
    shared = list(services)
    # It refuses what occurs twice.
    master_cf.render(shared)
    lines = [_covered(master_cf.render([entry])) if entry.key in keys else master_cf.render([entry]) for entry in shared]
    return "".join([HEADER, *lines, *(["\n", LOCAL_SERVICES, master_cf.render(own)] if own else [])])


def _covered(text: str) -> str:
    return "".join(OVERRIDDEN + line + "\n" for line in text.splitlines())


def shared_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files without what belongs to this node, and with what it overrides."""
    return {
        name: re.sub(rf"^{re.escape(OVERRIDDEN)}", "", text.partition(marker)[0], flags=re.MULTILINE) if (marker := _LOCAL_PARTS.get(name)) else text
        for name, text in files.items()
    }


def local_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return what of main.cf and master.cf belongs to this node only."""
    return {name: files.get(name, "").partition(marker)[2] for name, marker in _LOCAL_PARTS.items()}


_LOCAL_PARTS = {main_cf.FILE: LOCAL, master_cf.FILE: LOCAL_SERVICES}


def digests(files: Mapping[str, str]) -> tuple[str, str]:
    """Compute the shared and the local digest from files, however they came to be."""
    shared = shared_files(files)
    parameters = sorted(main_cf.render({entry.name: entry.value}) for entry in main_cf.parse(shared.get(main_cf.FILE, "")))
    local = local_files(files)
    if not local[master_cf.FILE]:
        # The blank line before the marker is nobody's.
        del local[master_cf.FILE]
    elif master_cf.FILE in shared:
        shared[master_cf.FILE] = shared[master_cf.FILE].removesuffix("\n")
    return _digest({**shared, main_cf.FILE: "".join(parameters)}), _digest(local)


def _digest(files: Mapping[str, str]) -> str:
    content = hashlib.sha256()
    for name, text in sorted(files.items()):
        raw = text.encode(errors="surrogateescape")
        content.update(f"{name}\0{len(raw)}\0".encode())
        content.update(raw)
    return content.hexdigest()[:_HEX]


def own_files(names: Iterable[str]) -> list[str]:
    """Drop the products of postmap(1) from a directory listing."""
    present = set(names)
    suffixes = tuple(set(table.COMPILED.values()))
    return sorted(name for name in present if not name.startswith(".") and not (name.endswith(suffixes) and name.rsplit(".", 1)[0] in present))


@dataclass(frozen=True)
class Listener:
    """An address on which master(8) listens; ``host`` is empty for every address of inet_interfaces."""

    host: str
    port: int
    service: Service

    @property
    def text(self) -> str:
        return f"{self.host or '*'}:{self.port}"


_PORTS = {"smtp": 25, "smtps": 465, "submissions": 465, "submission": 587, "lmtp": 24, "qmqp": 628}


def listeners(services: Iterable[Service]) -> list[Listener]:
    """Return the inet listeners of master.cf."""
    found = []
    for entry in services:
        if entry.type != "inet":
            continue
        host, _, port = entry.service.rpartition(":")
        number = _PORTS.get(port, int(port) if port.isdecimal() else 0)
        if not 0 < number < 65536:
            raise ConfigError(f"not a port: {port!r}", file=master_cf.FILE, line=entry.line, subject=entry.subject)
        found.append(Listener(host.strip("[]"), number, entry))
    return found


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Name the parameters, services and tables that differ."""
    before, after = (main_cf.parameters(files.get(main_cf.FILE, "")) for files in (old, new))
    ran, runs = ({entry.key: replace(entry, line=0) for entry in master_cf.parse(files.get(master_cf.FILE, ""))} for files in (old, new))
    return [
        *(name for name in sorted({*before, *after}) if before.get(name) != after.get(name)),
        *("/".join(key) for key in sorted({*ran, *runs}) if ran.get(key) != runs.get(key)),
        *(name for name in sorted({*old, *new} - set(_RESERVED)) if old.get(name) != new.get(name)),
    ]


# master(8) reads these once: master.cf(5), postconf(5) "stop and start Postfix".
_ONCE = ("inet_interfaces", "inet_protocols", "queue_directory", "data_directory", "mail_owner", "process_id_directory", "maillog_file")


def restart_reasons(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Say why a reload does not suffice to get from files ``old`` to files ``new``; empty when it does."""
    before, after = (main_cf.parameters(files.get(main_cf.FILE, "")) for files in (old, new))
    reasons = [f"{name} changed" for name in _ONCE if before.get(name) != after.get(name)]
    gone, come = ({(entry.host, entry.port) for entry in listeners(master_cf.parse(files.get(master_cf.FILE, "")))} for files in (old, new))
    # master(8) opens new listeners before it closes old ones.
    reasons += [f"port {port} moves to another address" for _host, port in sorted(come - gone) if port in {port for _host, port in gone - come}]
    return reasons
