# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Postfix' programs demand of their line in master.cf; master(8) starts them without asking, and they die. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import master_cf
from .lines import ConfigError
from .master_cf import Service

# CA_MAIL_SERVER_SOLITARY, CA_MAIL_SERVER_UNLIMITED and CA_MAIL_SERVER_PRIVILEGED of their sources (3.7 and 3.10).
_SOLITARY = ("anvil", "qmgr", "oqmgr", "nqmgr", "pickup", "postlogd", "postscreen", "scache", "tlsmgr", "verify")
_UNLIMITED = ("bounce", "cleanup", "dnsblog", "flush", "tlsproxy")
_PRIVILEGED = ("local", "pipe", "spawn", "virtual")
# These refuse to be privileged.
_UNPRIVILEGED = ("qmqpd", "smtpd")
# Where their clients look for the socket: public/NAME or private/NAME of the queue directory.
_PUBLIC = ("cleanup", "flush", "nqmgr", "oqmgr", "pickup", "postlogd", "qmgr", "showq")
_DELIVERY = ("discard", "error", "lmtp", "local", "pipe", "smtp", "virtual")
_PRIVATE = (*_DELIVERY, "anvil", "bounce", "dnsblog", "proxymap", "scache", "tlsmgr", "tlsproxy", "trivial-rewrite", "verify")
# Programs that speak a protocol of Postfix' own, or none.
_NOT_ON_A_PORT = (*_DELIVERY, "bounce", "cleanup", "nqmgr", "oqmgr", "pickup", "qmgr", "trivial-rewrite")
# getopt(3) of all programs: "cdDi:lm:n:o:s:t:uvVz", without -o, which is read before.
_FLAGS = re.compile(r"-(?:[cdDluvVz]*|[cdDluvVz]*[imnst].*)\Z")
_FLAG_WITH_VALUE = re.compile(r"-[cdDluvVz]*[imnst]\Z")
_ATTRIBUTES = {
    "pipe": ("chroot", "directory", "eol", "flags", "null_sender", "size", "user", "argv"),
    "spawn": ("user", "argv"),
}
_PIPE_FLAGS = re.compile(r"[BDFORX.>hqu]*\Z")


def problems(entry: Service) -> Iterator[ConfigError]:
    """Say why the program of a service would not serve."""
    for reason in (*_fields(entry), *_arguments(entry)):
        yield ConfigError(reason, file=master_cf.FILE, line=entry.line, subject=entry.subject)


def _fields(entry: Service) -> Iterator[str]:
    command = entry.command
    for commands, limit in ((_SOLITARY, 1), (_UNLIMITED, 0)):
        if command in commands and (entry.maxproc == "-" or int(entry.maxproc) != limit):
            yield f"maxproc must be {limit} for {command}, not {entry.maxproc!r}"
    if command in _PRIVILEGED and entry.unpriv != "n":
        yield f"unpriv must be n for {command}, not {entry.unpriv!r}"
    if command in _UNPRIVILEGED and entry.unpriv == "n":
        yield f"unpriv must not be n for {command}"
    if entry.type == "inet":
        if command in _NOT_ON_A_PORT:
            yield f"{command} serves no port"
        return
    if command in _PUBLIC and entry.private != "n":
        yield f"private must be n for {command}, not {entry.private!r}"
    if command in _PRIVATE and entry.private == "n":
        yield f"private must not be n for {command}"


def _arguments(entry: Service) -> Iterator[str]:
    known = _ATTRIBUTES.get(entry.command)
    rest = list(entry.arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        flag = rest.pop(0)
        if flag == "--":
            break
        if not _FLAGS.match(flag):
            yield f"unknown option {flag!r}"
        elif _FLAG_WITH_VALUE.match(flag) and rest:
            rest.pop(0)
    if known is None:
        if rest and entry.command in (*_SOLITARY, *_UNLIMITED, *_PRIVILEGED, *_UNPRIVILEGED, *_PUBLIC, *_PRIVATE):
            yield f"{entry.command} takes no argument: {rest[0]!r}"
        return
    given: dict[str, str] = {}
    for word in rest:
        name, equals, value = word.strip("{}").strip().partition("=")
        if name.lower() not in known or not equals:
            yield f"unknown attribute of {entry.command}: {word!r}"
            continue
        given[name.lower()] = value
        if name.lower() == "argv":
            break
    for name in ("user", "argv"):
        if not given.get(name):
            yield f"{entry.command} needs {name}="
    if given.get("user", "").partition(":")[0] in ("root", "0"):
        yield f"{entry.command} refuses user=root"
    if not _PIPE_FLAGS.match(given.get("flags", "")):
        yield f"unknown flag of pipe in {given['flags']!r}"
    if not given.get("size", "0").isdecimal():
        yield f"size of pipe must be a number, not {given['size']!r}"
