# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables in files a configuration looks up, and the same configuration with tables of another type. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import main_cf, master_cf, table
from .lines import ConfigError
from .macros import expand
from .master_cf import Service

# Files that daemons make and fill themselves.
CACHE = re.compile(r".*_(?:cache_database|cache_map|verify_map|cache_name)\Z")
# Their sources are aliases(5), which postalias(1) compiles.
ALIASES = ("alias_maps", "alias_database")
# They repeat what other parameters refer to.
_REPEATING = ("proxy_read_maps", "proxy_write_maps")
_TABLE = re.compile(rf"(?<![\w-])({'|'.join((*table.COMPILED, *table.TEXT, *table.CONNECTED))}):(/[^\s,{{}}]+)")


@dataclass(frozen=True)
class Reference:
    """A table in a file: map type, path of the source, and the parameter that names it; ``service`` where it is an override.

    ``own`` is false for a parameter that is left at its default.
    """

    kind: str
    path: str
    parameter: str
    service: str = ""
    own: bool = True

    @property
    def cache(self) -> bool:
        return bool(CACHE.match(self.parameter))

    @property
    def aliases(self) -> bool:
        return self.parameter in ALIASES

    @property
    def place(self) -> str:
        return f"{self.service}: {self.parameter}" if self.service else self.parameter


def references(*, directory: str, main: Mapping[str, str], services: Sequence[Service], defaults: Mapping[str, str]) -> list[Reference]:
    """Return every table of the configuration in ``directory``, also behind ``proxy:`` and inside ``unionmap:{ }``."""
    base = {**defaults, "config_directory": directory, **main}
    overrides = ((entry, name, value) for entry in services for name, value in entry.options)
    return [
        *(found for name in base for found in _named(name, base[name], base, own=name in main)),
        *(found for entry, name, value in overrides for found in _named(name, value, {**base, **dict(entry.options)}, service=entry.subject)),
    ]


def _named(name: str, value: str, values: Mapping[str, str], *, service: str = "", own: bool = True) -> Iterator[Reference]:
    if name not in _REPEATING and (":" in value or "$" in value):
        for kind, path in dict.fromkeys(_TABLE.findall(expand(value, values))):
            # What ends in a slash is the beginning of a path, for other parameters.
            if "$" not in path and not path.endswith("/"):
                yield Reference(kind, path, name, service, own)


def of_files(files: Mapping[str, str], *, directory: str, defaults: Mapping[str, str]) -> list[Reference]:
    """The same from the texts of main.cf and master.cf. Raises ConfigError."""
    return references(
        directory=directory,
        main=main_cf.parameters(files.get(main_cf.FILE, "")),
        services=master_cf.parse(files.get(master_cf.FILE, "")),
        defaults=defaults,
    )


# Berkeley DB.
FORMER = ("hash", "btree")
_FORMER = re.compile(rf"(?<![\w-])(?:{'|'.join(FORMER)}):(?=[/$])")
_DEFAULT_TYPE = "default_database_type"
# The type of a cache must be one that daemons can write.
_CACHE_TYPE = "lmdb"


@dataclass(frozen=True)
class Migration:
    """The same configuration with tables of another type.

    ``main`` and ``services`` are what changes, as the module postconf takes it. ``tables`` have to be compiled, one reference
    each; ``caches`` start empty.
    """

    main: Mapping[str, str]
    services: Sequence[Mapping[str, Any]]
    tables: Sequence[Reference]
    caches: Sequence[Reference]


def migration(files: Mapping[str, str], *, directory: str, defaults: Mapping[str, str], to: str, present: Callable[[Reference], bool]) -> Migration:
    """Plan how tables of Berkeley DB become tables of type ``to``; ``present`` says whether a table is there at all.

    A default that names such a table is set if the table is there or a cache. Raises ConfigError.
    """

    def moved(name: str, value: str) -> str:
        return _FORMER.sub(f"{_CACHE_TYPE if CACHE.match(name) else to}:", value)

    main, services = main_cf.parameters(files.get(main_cf.FILE, "")), master_cf.parse(files.get(master_cf.FILE, ""))
    before = references(directory=directory, main=main, services=services, defaults=defaults)
    counted = [entry for entry in before if entry.kind in FORMER and (entry.own or entry.cache or present(entry))]
    by_default = {entry.parameter: value for entry in counted if not entry.own and _FORMER.search(value := defaults[entry.parameter])}
    if {**defaults, **main}.get(_DEFAULT_TYPE, to) in FORMER:
        by_default[_DEFAULT_TYPE] = main.get(_DEFAULT_TYPE, "")
    new_main = {name: to if name == _DEFAULT_TYPE and value in (*FORMER, "") else moved(name, value) for name, value in {**by_default, **main}.items()}
    new_services = [
        {"service": entry.service, "type": entry.type, "args": changed}
        for entry in services
        if (changed := {name: moved(name, value) for name, value in entry.options if moved(name, value) != value})
    ]
    _all_moved(counted, directory, new_main, services, new_services, defaults, to)
    # Of several, the one that tells what the table is.
    once = {entry.path: entry for entry in sorted(counted, key=lambda entry: (entry.path, entry.aliases or entry.cache))}.values()
    return Migration(
        main={name: value for name, value in new_main.items() if main.get(name) != value},
        services=new_services,
        tables=[entry for entry in once if not entry.cache],
        caches=[entry for entry in once if entry.cache],
    )


def _all_moved(
    counted: Sequence[Reference],
    directory: str,
    main: Mapping[str, str],
    services: Sequence[Service],
    changed: Sequence[Mapping[str, Any]],
    defaults: Mapping[str, str],
    to: str,
) -> None:
    """Refuse what names a table in a way in which replacing its type is not enough."""
    args = {(entry["service"], entry["type"]): entry["args"] for entry in changed}
    moved = [replace(entry, options=tuple({**dict(entry.options), **args.get(entry.key, {})}.items())) for entry in services]
    after = {(entry.place, entry.kind, entry.path) for entry in references(directory=directory, main=main, services=moved, defaults=defaults)}
    for entry in counted:
        wanted = _CACHE_TYPE if entry.cache else to
        if (entry.place, wanted, entry.path) not in after or (entry.place, entry.kind, entry.path) in after:
            file = master_cf.FILE if entry.service else main_cf.FILE
            raise ConfigError(f"the type of {entry.kind}:{entry.path} is made of other parameters; set it by hand", file=file, subject=entry.place)
