# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance: where it lives, how it is now, and the steps to how it shall be. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._plan import Difference, Plan, difference, differences
from .generation import Table, changes, restart_reasons
from .lines import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")

# The distributions' templates need multi_instance_directories, follow postfix.service and
# are restarted by its package. What is loaded is written down by who loads it.
UNIT = """\
[Unit]
Description=Postfix instance %i
Documentation=man:postfix(1)
After=network-online.target nss-lookup.target
Wants=network-online.target

[Service]
Type=forking
Environment=MAIL_CONFIG=/etc/%i
PIDFile=/var/spool/%i/pid/master.pid
RuntimeDirectory=mailcluster
RuntimeDirectoryPreserve=yes
ExecStartPre=/bin/sh -c 'readlink /etc/%i >/run/mailcluster/%i'
ExecStart=/usr/sbin/postfix start
ExecReload=/bin/sh -c 'at=$$(readlink /etc/%i) && /usr/sbin/postfix reload && echo "$$at" >/run/mailcluster/%i'
ExecStop=/usr/sbin/postfix stop
Restart=on-failure
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Paths:
    """Every path of instance ``name``; ``root`` is not / in tests only."""

    name: str
    root: Path = Path("/")

    def __post_init__(self) -> None:
        if not _NAME.match(self.name) or self.name == "postfix":
            raise ConfigError(
                "an instance is named in lower-case words joined by '-', such as postfix-mx (postfix is the default instance)", subject=self.name
            )

    @property
    def config(self) -> Path:
        return self.root / "etc" / self.name

    @property
    def home(self) -> Path:
        return self.root / "etc/mailcluster" / self.name

    @property
    def generations(self) -> Path:
        return self.home / "generations"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def journal(self) -> Path:
        """Exists while a generation is active that no probe has seen serving; names the one before it."""
        return self.home / "activation"

    @property
    def owner(self) -> Path:
        return self.home / "owner"

    @property
    def loaded(self) -> Path:
        return self.root / "run/mailcluster" / self.name

    @property
    def lock(self) -> Path:
        return self.root / "run/mailcluster" / f".{self.name}.lock"

    @property
    def default_lock(self) -> Path:
        return self.root / "run/mailcluster/.main.cf.lock"

    @property
    def queue(self) -> Path:
        return self.root / "var/spool" / self.name

    @property
    def state(self) -> Path:
        return self.root / "var/lib" / self.name

    @property
    def unit(self) -> Path:
        return self.root / "etc/systemd/system/mailcluster-postfix@.service"

    @property
    def enabled(self) -> Path:
        return self.root / "etc/systemd/system/multi-user.target.wants" / self.service

    @property
    def mask(self) -> Path:
        """A link to /dev/null keeps systemd from starting the instance (systemctl(1))."""
        return self.root / "etc/systemd/system" / self.service

    @property
    def evacuated(self) -> Path:
        """Where its queues are while and after another node takes them."""
        return self.queue / "evacuated"

    @property
    def default_main(self) -> Path:
        return self.root / "etc/postfix/main.cf"

    @property
    def service(self) -> str:
        return f"mailcluster-postfix@{self.name}.service"


@dataclass(frozen=True)
class DataTable:
    """A data table as it shall be; ``present`` is false for one that shall go."""

    table: Table
    mode: int = 0o644
    secret: bool = False
    present: bool = True


@dataclass(frozen=True)
class Published:
    """A data table as it is; ``built`` says whether its compiled file is there and not older."""

    text: str
    mode: int
    built: bool


@dataclass(frozen=True)
class Before:
    """An instance as its files and processes show it; names of generations are empty where there is none.

    ``files`` is the content of the active generation, ``loaded_files`` of the one
    master(8) has read, ``previous`` what the journal names to go back to, ``unseen``
    what it names as never seen serving, active (``unproven``) or not any more.
    """

    active: str = ""
    loaded: str = ""
    running: bool = False
    unproven: bool = False
    previous: str = ""
    unseen: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    loaded_files: Mapping[str, str] | None = None
    data: Mapping[str, Published] = field(default_factory=dict)
    unit: str | None = None
    enabled: bool = False
    registered: bool = True
    owner: str = ""


@dataclass(frozen=True)
class Wanted:
    """An instance as it shall be. ``started`` is false for one that only has its configuration."""

    target: str
    files: Mapping[str, str]
    data: Sequence[DataTable] = ()
    owner: str = ""
    started: bool = True


@dataclass(frozen=True)
class InstancePlan(Plan):
    """What to do, apart: ``load`` is start, reload, restart, stop or empty, ``reasons`` says why."""

    load: str = ""
    # A restart that the change asks for, of an instance that serves; not one that helps it to its feet.
    interrupts: bool = False
    reasons: tuple[str, ...] = ()
    activate: bool = False
    unit: bool = False
    enable: bool = False
    register: bool = False
    data: tuple[DataTable, ...] = ()
    prove: bool = False


def stale(wanted: DataTable, published: Published | None) -> bool:
    """Whether a data table must be published or removed."""
    if published is None or not wanted.present:
        return wanted.present or published is not None
    return published.text != wanted.table.text or published.mode != wanted.mode or not published.built


def plan(paths: Paths, before: Before, wanted: Wanted) -> InstancePlan:
    """Return the steps from ``before`` to ``wanted``."""
    if before.owner and wanted.owner and before.owner != wanted.owner:
        raise ConfigError(f"belongs to {before.owner} on this host, {wanted.owner} cannot claim it too", subject=paths.name)
    data = tuple(entry for entry in wanted.data if stale(entry, before.data.get(entry.table.name)))
    edited = before.active == wanted.target and dict(before.files) != dict(wanted.files)
    activate = before.active != wanted.target or edited
    load, reasons = _load(before, wanted, edited=edited)
    unit, enable = before.unit != UNIT, before.enabled != wanted.started
    steps = [
        *(f"publish data table {entry.table.name}" for entry in data if entry.present),
        *([f"install {paths.unit.name}"] if unit else []),
        *([f"{'enable' if wanted.started else 'disable'} {paths.service}"] if enable else []),
        *([f"list {paths.config} in alternate_config_directories"] if not before.registered else []),
        *([f"{'repair' if edited else 'activate'} generation {wanted.target}"] if activate else []),
        *([f"{load}: {'; '.join(reasons)}"] if load else []),
        *(f"remove data table {entry.table.name}" for entry in data if not entry.present),
    ]
    return InstancePlan(
        steps=tuple(steps),
        diff=(*_data_diff(paths, before, data), *(differences(str(paths.config), dict(before.files), dict(wanted.files)) if activate else [])),
        load=load,
        interrupts=load == "restart" and before.unseen != before.loaded and before.loaded_files is not None,
        reasons=reasons,
        activate=activate,
        unit=unit,
        enable=enable,
        register=not before.registered,
        data=data,
        prove=wanted.started and (activate or bool(load) or before.unproven),
    )


def result(parameters: Mapping[str, Any], wanted: Wanted, before: str, steps: InstancePlan) -> dict[str, Any]:
    """Return what the module tells of a plan, C(before) being the generation that was active."""
    shared, _dash, local = wanted.target.partition("-")
    return {
        "changed": steps.changed,
        "diff": list(steps.diff),
        "steps": list(steps.steps),
        "generation": wanted.target,
        "shared": shared,
        "local": local,
        "previous": before,
        "load": steps.load,
        "reasons": list(steps.reasons),
        "per_node": [*sorted(parameters["local"]), *(f"{entry['service']}/{entry['type']}" for entry in parameters["local_services"])],
    }


def _load(before: Before, wanted: Wanted, *, edited: bool) -> tuple[str, tuple[str, ...]]:
    if not wanted.started:
        return ("stop", ("the instance shall be stopped",)) if before.running else ("", ())
    if not before.running:
        return "start", ("it is not running",)
    if before.loaded == before.active == wanted.target and not edited:
        return "", ()
    old = before.files if edited else before.loaded_files
    if old is None or not before.loaded:
        return "restart", ("what it has loaded is unknown",)
    if before.unseen == before.loaded:
        # master(8) starts what died under it again after a minute only.
        return "restart", ("what it has loaded was never seen serving",)
    reasons = restart_reasons(old, wanted.files)
    if reasons:
        return "restart", tuple(reasons)
    changed = ", ".join(changes(old, wanted.files)) or "nothing in what counts"
    return "reload", (f"{'files were edited by hand' if edited else 'changed'}: {changed}",)


def _data_diff(paths: Paths, before: Before, data: Sequence[DataTable]) -> list[Difference]:
    if not data:
        return []
    # Large for a node that compiles it at every call, and seldom needed.
    from .source import excerpt

    return [
        entry
        for wanted in data
        for published in [before.data.get(wanted.table.name)]
        for entry in difference(
            str(paths.data / wanted.table.name),
            excerpt(published.text, wanted.table.text) if published else None,
            excerpt(wanted.table.text, published.text if published else "") if wanted.present else None,
            secret=wanted.secret or bool(published and not published.mode & 0o044),
        )
    ]
