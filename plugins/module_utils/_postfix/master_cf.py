# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""master.cf: text to services, services to text (master(5)). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from .lines import BLANKS, SEPARATORS, ConfigError, balanced, clean, logical_lines, split_groups, unspellable
from .main_cf import scalar

FILE = "master.cf"
TYPES = ("inet", "unix", "unix-dgram", "fifo", "pass")
_FLAG = re.compile(r"[yn-]\Z")
_WAKEUP = re.compile(r"(?:-|[0-9]+\??)\Z")
_LIMIT = re.compile(r"(?:-|[0-9]+)\Z")
# master(8) reads numbers with atoi(3): a larger one turns negative, and is fatal.
_LARGEST = 2**31 - 1
_PARAMETER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*\Z")


@dataclass(frozen=True)
class Service:
    """One line of master.cf.

    ``options`` are the ``-o name=value`` overrides in order, ``arguments``
    whatever else follows the command. ``line`` is 1-based, 0 when not parsed.
    """

    service: str
    type: str
    command: str
    private: str = "-"
    unpriv: str = "-"
    chroot: str = "n"
    wakeup: str = "-"
    maxproc: str = "-"
    options: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()
    line: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Name and type: what master tells services apart by."""
        return self.service, self.type

    @property
    def subject(self) -> str:
        """The name postconf(1) gives this service."""
        return f"{self.service}/{self.type}"

    def option(self, name: str, default: str = "") -> str:
        """The effective override of parameter ``name``: the last one."""
        return dict(self.options).get(name, default)


def _arguments(words: list[str], *, line: int, subject: str) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Part ``-o name=value`` and ``-o { name = value }`` from the rest.

    Option parsing ends at the first word that is no option or at ``--``, as getopt(3) and postconf(1) have it.
    """
    options: list[tuple[str, str]] = []
    flags: list[str] = []
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        word = rest.pop(0)
        flag, found, setting = word.partition("o")
        if flag != "-":
            flags.append(flag)
        if not found:
            continue
        if setting.startswith("{"):
            # postconf(1) takes the braces off, master(8) does not, and the daemon dies.
            raise ConfigError(f"a blank is missing behind -o in {word!r}", file=FILE, line=line, subject=subject)
        options.append(_setting(setting or (rest.pop(0) if rest else ""), line=line, subject=subject))
    return tuple(options), (*flags, *rest)


def _setting(text: str, *, line: int, subject: str) -> tuple[str, str]:
    """Read ``name=value`` or ``{ name = value }``."""
    inner = text
    if text.startswith("{"):
        if not (text.endswith("}") and balanced(text) and balanced(text[1:-1])):
            raise ConfigError(f"unbalanced braces in {text!r}", file=FILE, line=line, subject=subject)
        inner = text[1:-1].strip(BLANKS)
    name, equals, value = inner.partition("=")
    name = name.strip(BLANKS)
    if not equals or not _PARAMETER.match(name):
        raise ConfigError(f"-o wants name=value, not {inner!r}", file=FILE, line=line, subject=subject)
    return name, value.strip(BLANKS)


def _checked(service: Service) -> Service:
    """Refuse fields that master(8) refuses or misreads."""

    def fail(reason: str) -> None:
        raise ConfigError(reason, file=FILE, line=service.line, subject=service.subject)

    for field in ("service", "type", "command"):
        value = getattr(service, field)
        if not value or any(char in BLANKS for char in value) or value.startswith("#"):
            fail(f"{field} must be one word, not {value!r}")
    if service.type not in TYPES:
        fail(f"type must be one of {', '.join(TYPES)}, not {service.type!r}")
    if "/" in service.command:
        fail(f"command must be a program name in daemon_directory, not {service.command!r}")
    for field, pattern, wanted in (
        ("private", _FLAG, "y, n or -"),
        ("unpriv", _FLAG, "y, n or -"),
        ("chroot", _FLAG, "y, n or -"),
        ("wakeup", _WAKEUP, "seconds, seconds followed by ? or -"),
        ("maxproc", _LIMIT, "a number or -"),
    ):
        if not pattern.match(getattr(service, field)):
            fail(f"{field} must be {wanted}, not {getattr(service, field)!r}")
    for field in ("wakeup", "maxproc"):
        number = getattr(service, field).rstrip("?")
        if number != "-" and (len(number) > 10 or int(number) > _LARGEST):
            fail(f"{field} must not be larger than {_LARGEST}, not {number!r}")
    # The default of master(8) for this field is y.
    if service.type == "inet" and service.private != "n":
        fail("an inet service cannot be private: the field must be n")
    return service


def parse(text: str) -> list[Service]:
    """Return the services in file order."""
    services = []
    for line in logical_lines(text, file=FILE):
        words = split_groups(line.text)
        if len(words) < 8:
            raise ConfigError(f"a service has 8 fields, this one {len(words)}", file=FILE, line=line.start)
        options, arguments = _arguments(words[8:], line=line.start, subject=f"{words[0]}/{words[1]}")
        service = Service(
            **dict(zip(("service", "type", "private", "unpriv", "chroot", "wakeup", "maxproc", "command"), words[:8], strict=True)),
            options=options,
            arguments=arguments,
            line=line.start,
        )
        services.append(_checked(service))
    return services


def _override(value: Any, *, subject: str) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(scalar(item, file=FILE, subject=subject) for item in value)
    return scalar(value, file=FILE, subject=subject)


def service(source: Mapping[str, Any]) -> Service:
    """Build a service from its description in variables.

    ``args`` is either ``{parameter: value}`` or a list of strings as they
    would stand in the file. Absent fields get what Postfix calls ``-``, except
    ``chroot`` (n, never Postfix' old default) and ``private`` of inet (n).
    """
    subject = f"{source.get('service', '?')}/{source.get('type', '?')}"

    def field(name: str, default: str) -> str:
        value = source.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return "y" if value else "n"
        return str(value)

    args = source.get("args") or []
    if isinstance(args, Mapping):
        for name in args:
            if not _PARAMETER.match(str(name)):
                raise ConfigError("not a parameter name", file=FILE, subject=f"{subject}: {name}")
        options = tuple((name, _override(value, subject=f"{subject}: {name}")) for name, value in args.items() if value is not None)
        arguments: tuple[str, ...] = ()
    elif isinstance(args, (list, tuple)):
        for word in args:
            if not isinstance(word, str):
                raise unspellable(word, file=FILE, subject=subject)
        words = [clean(word, file=FILE, subject=subject) for word in args]
        options, arguments = _arguments(split_groups(" ".join(words)), line=0, subject=subject)
    else:
        raise unspellable(args, file=FILE, subject=subject)
    kind = field("type", "")
    return _checked(
        Service(
            service=field("service", ""),
            type=kind,
            command=field("command", ""),
            private=field("private", "n" if kind == "inet" else "-"),
            unpriv=field("unpriv", "-"),
            chroot=field("chroot", "n"),
            wakeup=field("wakeup", "-"),
            maxproc=field("maxproc", "-"),
            options=options,
            arguments=arguments,
        )
    )


def services(sources: Iterable[Mapping[str, Any]], *, head: str = "") -> list[Service]:
    """Build services from their descriptions; a later one replaces an earlier one of the same name and type, and keeps its place.

    An error tells the line that the service would have in a master.cf which begins with ``head``.
    """
    made: dict[tuple[str, str], Service] = {}
    for source in sources:
        try:
            entry = service(source)
        except ConfigError as error:
            above = _above((source.get("service"), source.get("type")), made.values())
            raise error.at(head.count("\n") + sum(render_service(other).count("\n") for other in above) + 1) from error
        made[entry.key] = entry
    return list(made.values())


def _above(key: tuple[Any, Any], made: Iterable[Service]) -> Iterable[Service]:
    return takewhile(lambda other: other.key != key, made)


def as_dict(entry: Service) -> dict[str, Any]:
    """The description in variables from which :func:`service` makes ``entry`` again."""
    fields = ("service", "type", "private", "unpriv", "chroot", "wakeup", "maxproc", "command")
    args: Any = (
        [*(_option(name, value) for name, value in entry.options), *entry.arguments]
        if entry.arguments or len(dict(entry.options)) < len(entry.options)
        else dict(entry.options)
    )
    return {**{field: getattr(entry, field) for field in fields}, "args": args}


def _option(name: str, value: str) -> str:
    if not balanced(value):
        raise ConfigError(f"unbalanced braces: {value!r}", file=FILE, subject=name)
    needs_group = any(char in SEPARATORS for char in value)
    return f"-o {{ {name} = {value} }}" if needs_group else f"-o {name}={value}"


def _groups(arguments: tuple[str, ...]) -> list[str]:
    for word in arguments:
        if word.startswith("#"):
            raise ConfigError(f"an argument starts with '#', which makes it a comment: {word!r}", file=FILE)
        if split_groups(word) != [word]:
            raise ConfigError(f"an argument with blanks needs braces: {word!r}", file=FILE)
    return [" ".join(arguments)] if arguments else []


def render_service(entry: Service) -> str:
    """Return one service with its newline; every override has a line of its own."""
    columns = (entry.service, entry.type, entry.private, entry.unpriv, entry.chroot, entry.wakeup, entry.maxproc, entry.command)
    first = "{:<10} {:<10} {:<2} {:<2} {:<2} {:<6} {:<4} {}".format(*columns)
    return "\n    ".join([first, *(_option(name, value) for name, value in entry.options), *_groups(entry.arguments)]) + "\n"


def render(services: Iterable[Service | Mapping[str, Any]]) -> str:
    """Return the text of master.cf; a service that occurs twice is an error."""
    entries = [entry if isinstance(entry, Service) else service(entry) for entry in services]
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.key in seen:
            raise ConfigError("the service occurs twice", file=FILE, subject=entry.subject)
        seen.add(entry.key)
    return "".join(render_service(replace(entry, line=0)) for entry in entries)
