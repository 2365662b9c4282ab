# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of smtpd(8) restrictions: one spelling, no duplicates, and the traps of SMTPD_ACCESS_README refused. Pure.

The facts are those of postconf(5), access(5) and of generic_checks() in Postfix' smtpd_check.c, releases 3.7 to 3.10.
Names, arguments and spelling are judged by :mod:`.values`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from . import values
from .lines import ConfigError, clean, words

RECIPIENT = "smtpd_recipient_restrictions"
_RELAY = "smtpd_relay_restrictions"
_WARN = "warn_if_reject"
_TERMINAL = ("permit", "reject", "defer")
_UNAUTH = ("reject_unauth_destination", "defer_unauth_destination")
# The names before Postfix 2.3, which smtpd(8) treats alike.
_RENAMED: Mapping[str, str] = {
    "reject_invalid_hostname": "reject_invalid_helo_hostname",
    "reject_non_fqdn_hostname": "reject_non_fqdn_helo_hostname",
    "reject_unknown_hostname": "reject_unknown_helo_hostname",
    "reject_unknown_client": "reject_unknown_client_hostname",
    "reject_unknown_address": "reject_unknown_sender_domain",
    "reject_rbl": "reject_rbl_client",
}
# smtpd(8) answers 451 to everybody when it meets one of these, from Postfix 3.9 on.
_REMOVED: Mapping[str, str] = {
    "check_relay_domains": "reject_unauth_destination",
    "permit_naked_ip_address": "permit_mynetworks or permit_sasl_authenticated",
    "reject_maps_rbl": "reject_rbl_client",
}
# What a restriction looks at; the client and the session are known from the start.
_LOOKS_AT: Mapping[str, re.Pattern[str]] = {
    "all recipients": re.compile(r"reject_multi_recipient_bounce"),
    "ETRN domain": re.compile(r"check_etrn_access"),
    "encryption": re.compile(r"reject_plaintext_session"),
    "HELO": re.compile(r".*_helo(?:_.*)?"),
    "sender": re.compile(r".*_sender(?:_.*)?"),
    "recipient": re.compile(r".*_recipient(?:_.*)?|.*_(?:un)?auth_destination|permit_mx_backup"),
}
_HOME: Mapping[str, str] = {
    "all recipients": "smtpd_data_restrictions",
    "ETRN domain": "smtpd_etrn_restrictions",
    "encryption": "smtpd_sender_restrictions",
    "HELO": "smtpd_helo_restrictions",
    "sender": "smtpd_sender_restrictions",
    "recipient": RECIPIENT,
}
_KNOWN: Mapping[str, tuple[str, ...]] = {
    "smtpd_client_restrictions": (),
    "smtpd_helo_restrictions": ("HELO",),
    "smtpd_sender_restrictions": ("HELO", "encryption", "sender"),
    _RELAY: ("HELO", "encryption", "sender", "recipient"),
    RECIPIENT: ("HELO", "encryption", "sender", "recipient"),
    # The recipient of a message with a single one only.
    "smtpd_data_restrictions": ("HELO", "encryption", "sender", "all recipients"),
    "smtpd_end_of_data_restrictions": ("HELO", "encryption", "sender", "all recipients"),
    "smtpd_etrn_restrictions": ("HELO", "encryption", "ETRN domain"),
}
# What is known in addition when smtpd_delay_reject puts the list off until RCPT TO or ETRN.
_DELAYED: Mapping[str, tuple[str, ...]] = {
    "smtpd_client_restrictions": ("HELO", "sender", "recipient", "encryption", "ETRN domain"),
    "smtpd_helo_restrictions": ("sender", "recipient", "encryption", "ETRN domain"),
    "smtpd_sender_restrictions": ("recipient",),
}
# What a table without a verb means; smtpd(8) has no meaning for it in the two data lists.
_BARE_TABLE: Mapping[str, str] = {
    "smtpd_client_restrictions": "check_client_access",
    "smtpd_helo_restrictions": "check_helo_access",
    "smtpd_sender_restrictions": "check_sender_access",
    _RELAY: "check_recipient_access",
    RECIPIENT: "check_recipient_access",
    "smtpd_etrn_restrictions": "check_etrn_access",
}
_ARGUMENT = values._TABLE_RESTRICTIONS | values._WORD_RESTRICTIONS
_VERBS = _ARGUMENT | values._PLAIN_RESTRICTIONS
# smtpd(8) answers 451 instead of permitting when such a table says OK.
_NEVER_OK = re.compile(r"check_.*_(?:a|mx|ns)_access|check_reverse_client_hostname_access")
# The login or the certificate that they look up is proven.
_BY_IDENTITY = ("check_sasl_access", "check_ccert_access")
_PERMITS_STRANGERS: Mapping[str, str] = {
    "permit": "permits everybody",
    "check_policy_service": "may answer OK",
    "permit_dnswl_client": "has no effect on foreign destinations",
    "permit_rhswl_client": "has no effect on foreign destinations",
    "permit_mx_backup": "permits every domain whose owner names this host as a backup MX",
    "permit_tls_all_clientcerts": "permits everybody with a certificate of a trusted CA",
}
# A static: table says the same of everything. All digits mean OK (access(5)).
_STATIC_NO = re.compile(r"(?:REJECT|DEFER|DUNNO|DEFER_IF_PERMIT)(?:\s.*)?|[45][0-9]{2}\s+\S.*", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """One restriction with its argument; C(warn) when C(warn_if_reject) stands before it."""

    verb: str
    argument: str = ""
    warn: bool = False

    def __str__(self) -> str:
        return " ".join(filter(None, (_WARN if self.warn else "", self.verb, self.argument)))

    @property
    def rejects_only(self) -> bool:
        """Whether all that it can do is to refuse, so that its place among its like does not matter."""
        return self.verb.startswith("reject_") and not self.warn

    @property
    def stops(self) -> bool:
        """Whether it is one of those without which smtpd(8) does not serve."""
        return self.verb in values._RELAY_STOPS and not self.warn

    @property
    def permits_strangers(self) -> str:
        """Why it may permit what no proof of identity or network stands behind; empty when it cannot."""
        if self.verb.startswith("$"):
            return "cannot be judged"
        if self.verb in values._TABLE_RESTRICTIONS and not _NEVER_OK.fullmatch(self.verb):
            kind, _, value = self.argument.partition(":")
            if kind == "static":
                return "" if _STATIC_NO.fullmatch(value.strip("{} ")) else "may say OK"
            return "" if self.verb in _BY_IDENTITY else "may say OK"
        return _PERMITS_STRANGERS.get(self.verb, "")


@dataclass(frozen=True)
class _Reader:
    """Reads lists for one context; ``classes`` are the smtpd_restriction_classes."""

    context: str
    classes: Mapping[str, Sequence[str] | str]

    def error(self, reason: str) -> ConfigError:
        return ConfigError(reason, subject=self.context)

    def entries(self, source: Sequence[str] | str) -> list[Entry]:
        words = _words(source, self.context)
        scope = values._Scope({"smtpd_restriction_classes": " ".join(self.classes)}, {}, "")
        checker = values._Checker({}, (), "/", (), (), values.Node())
        for error in checker._restrictions(scope, self.context, " ".join(words)):
            raise self.error(error.reason)
        return list(self._entries(words))

    def _entries(self, words: Sequence[str]) -> Iterator[Entry]:
        rest = iter(words)
        for word in rest:
            warn = word.lower() == _WARN
            name = next(rest, "") if warn else word
            verb = name if name in self.classes else _RENAMED.get(name.lower(), name.lower())
            if warn and (not verb or verb.startswith("permit") or verb in (_WARN, "sleep", "defer_if_reject")):
                raise self.error(f"{_WARN} does nothing {f'to {verb}' if verb else 'at the end'}")
            if verb in _REMOVED:
                raise self.error(f"Postfix 3.9 removed {verb}, use {_REMOVED[verb]}")
            if verb in _ARGUMENT:
                argument = next(rest)
                if argument.lower() in _VERBS:
                    raise self.error(f"{verb} wants an argument, but {argument} follows")
                if verb == "sleep" and not argument.isdigit():
                    raise self.error(f"sleep wants a number of seconds, not {argument!r}")
                yield Entry(verb, argument, warn)
            elif name not in self.classes and verb not in _VERBS and "$" not in name:
                if self.context not in _BARE_TABLE:
                    raise self.error(f"{name} wants a restriction such as check_client_access before it")
                yield Entry(_BARE_TABLE[self.context], name, warn)
            else:
                yield Entry(name if "$" in name else verb, warn=warn)

    def expanded(self, entry: Entry, inside: tuple[str, ...] = ()) -> Iterator[Entry]:
        """The members of a class in its place, which is what smtpd(8) makes of it."""
        if entry.verb not in self.classes:
            yield entry
            return
        if entry.verb in inside:
            raise self.error(f"the class {entry.verb} holds itself")
        for member in self.entries(self.classes[entry.verb]):
            yield from self.expanded(replace(member, warn=member.warn or entry.warn), (*inside, entry.verb))


def restriction_list(
    source: Sequence[str] | str,
    context: str = RECIPIENT,
    *,
    classes: Mapping[str, Sequence[str] | str] | None = None,
    delay_reject: bool = False,
    vouched: Sequence[str] | str = (),
    mynetworks: Sequence[str] | str | None = None,
    balancers: Sequence[str] | str = (),
) -> list[str]:
    """Return the restrictions of parameter ``context``, one element each. Raises ConfigError for the first trap.

    ``vouched`` are entries that permit no stranger whatever they look like. ``delay_reject`` says that the
    instance relies on ``smtpd_delay_reject = yes``. ``balancers`` are the addresses that connections of
    strangers come from.
    """
    if context not in _KNOWN:
        raise ConfigError(f"is no list of restrictions{values.like(context, _KNOWN)}", subject=context)
    reader = _Reader(context, classes or {})
    listed = _unique(reader.entries(source))
    whole = [member for entry in listed for member in reader.expanded(entry)]
    _reachable(reader, whole)
    _in_place(reader, whole, delay_reject=delay_reject)
    _no_balancer(reader, whole, mynetworks, balancers)
    _no_open_relay(reader, whole, reader.entries(vouched))
    return [str(entry) for entry in _ordered(listed)] if context in (_RELAY, RECIPIENT) else [str(entry) for entry in listed]


def _words(source: Sequence[str] | str, subject: str) -> list[str]:
    texts = [source] if isinstance(source, str) else source
    for text in texts:
        if not isinstance(text, str):
            raise ConfigError(f"an entry is a text, not {type(text).__name__}: {text!r}", subject=subject)
    # A text may be the value of a main.cf, over several lines.
    return [word for text in texts for word in words(clean(" ".join(text.splitlines()), file="", subject=subject))]


def _unique(entries: Iterable[Entry]) -> list[Entry]:
    """Drop what was asked before and will answer the same; pauses add up."""
    found: list[Entry] = []
    for entry in entries:
        if entry.verb == "sleep" or entry not in found:
            found.append(entry)
    return found


def _reachable(reader: _Reader, entries: Sequence[Entry]) -> None:
    for entry, follower in itertools.pairwise(entries):
        if entry.verb in _TERMINAL and not entry.warn:
            raise reader.error(f"{follower} is never reached behind {entry}")


def _in_place(reader: _Reader, entries: Iterable[Entry], *, delay_reject: bool) -> None:
    context = reader.context
    for entry in entries:
        for looks_at, pattern in _LOOKS_AT.items():
            if not pattern.fullmatch(entry.verb):
                continue
            if looks_at in _DELAYED.get(context, ()):
                if not delay_reject:
                    raise reader.error(
                        f"{entry} has an effect here only while smtpd_delay_reject is on: it belongs into {_HOME[looks_at]} (or set delay_reject)"
                    )
            elif looks_at not in _KNOWN[context]:
                raise reader.error(f"Postfix does not know the {looks_at} here, {entry} belongs into {_HOME[looks_at]}")
            break


def _no_balancer(reader: _Reader, entries: Iterable[Entry], mynetworks: Sequence[str] | str | None, balancers: Sequence[str] | str) -> None:
    """Refuse to trust strangers whose connections a balancer hands on."""
    verbs = {entry.verb for entry in entries}
    for text in _words(balancers, "balancers"):
        try:
            address = ip_address(text.strip("[]"))
        except ValueError as error:
            raise ConfigError(f"not an address: {text!r}", subject="balancers") from error
        if "permit_inet_interfaces" in verbs and address.is_loopback:
            raise reader.error(f"permit_inet_interfaces permits everybody: connections come from balancer {address}")
        if "permit_mynetworks" in verbs:
            if mynetworks is None:
                raise reader.error("permit_mynetworks cannot be judged by balancers without mynetworks")
            holder = _holder(str(address), _words(mynetworks, "mynetworks"))
            if holder:
                raise reader.error(f"permit_mynetworks permits everybody: balancer {address} is inside {holder} of mynetworks")


def _holder(address: str, networks: Iterable[str]) -> str:
    """The first entry of mynetworks that decides about the address, empty when that excludes it or none does."""
    for entry in networks:
        try:
            network = ip_network(re.sub(r"[\[\]]", "", entry.lstrip("!")))
        except ValueError as error:
            raise ConfigError(f"{entry!r} is no network, and what is in a table or file cannot be judged ({error})", subject="mynetworks") from error
        if ip_address(address) in network:
            return "" if entry.startswith("!") else entry
    return ""


def _no_open_relay(reader: _Reader, entries: Sequence[Entry], vouched: Sequence[Entry]) -> None:
    """Refuse what may permit a stranger before the list says who may relay (SMTPD_ACCESS_README, dangerous use)."""
    for entry in vouched:
        if replace(entry, warn=False) not in [replace(other, warn=False) for other in entries]:
            raise reader.error(f"{entry} is vouched for, but not in the list")
    stop = next((number for number, entry in enumerate(entries) if entry.stops), None)
    if stop is None:
        if reader.context == _RELAY and entries:
            raise reader.error("everybody may relay: it must hold one of " + ", ".join(sorted(values._RELAY_STOPS - _REMOVED.keys())))
        return
    trusted = {(entry.verb, entry.argument) for entry in vouched}
    for entry in entries[:stop]:
        if entry.permits_strangers and (entry.verb, entry.argument) not in trusted:
            raise reader.error(f"{entry} {entry.permits_strangers} ahead of {entries[stop]}, which decides who may relay: put it behind (or into vouched)")


def _ordered(entries: Sequence[Entry]) -> list[Entry]:
    """Put reject_unauth_destination ahead of the reject_* entries that stand directly before it.

    All of them can but refuse, so that whether a recipient is accepted does not change; strangers who try to
    relay cost no DNS lookup and no address probe any more, and get the reply that is about relaying.
    """
    result = list(entries)
    place = next((number for number, entry in enumerate(result) if entry.verb in _UNAUTH and entry.stops), None)
    if place is None:
        return result
    target = place
    while target and result[target - 1].rejects_only:
        target -= 1
    result.insert(target, result.pop(place))
    return result
