# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that Postfix leaves to the moment it serves, when it dies of them. Pure.

``postfix check``, ``postconf -n`` and ``reload`` accept a misspelt restriction,
a word as an integer or a table that does not exist; smtpd(8) then gives no
greeting. What type a parameter has is read off the shape of its default
(``postconf -d`` of the node); what that does not show is in tables here, from
postconf(5).
"""

from __future__ import annotations

import difflib
import ipaddress
import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import main_cf, master_cf, table
from .generation import Listener, Table, listeners
from .lines import ConfigError, split_groups
from .macros import expand
from .master_cf import Service


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SERVER_LEVELS = ("", "none", "may", "encrypt")
_CLIENT_LEVELS = ("", "none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure")
_CIPHERS = ("export", "low", "medium", "high", "null")
_MILTER_ACTIONS = ("accept", "reject", "tempfail", "quarantine", "shutdown")
_SCREEN_ACTIONS = ("ignore", "enforce", "drop")
_SASL = ("noplaintext", "noactive", "nodictionary", "noanonymous", "mutual_auth", "forward_secrecy")
_TEMPFAIL = ("defer", "defer_if_permit")

# Parameters with a fixed set of words.
ENUMERATIONS: Mapping[str, tuple[str, ...]] = {
    "smtpd_tls_security_level": _SERVER_LEVELS,
    "postscreen_tls_security_level": _SERVER_LEVELS,
    "tlsproxy_tls_security_level": _SERVER_LEVELS,
    **dict.fromkeys(("smtp_tls_security_level", "lmtp_tls_security_level", "tlsproxy_client_security_level"), _CLIENT_LEVELS),
    **{f"{side}_tls_{mandatory}ciphers": _CIPHERS for side in ("smtp", "lmtp", "smtpd", "tlsproxy") for mandatory in ("", "mandatory_")},
    "smtpd_tls_eecdh_grade": ("none", "strong", "ultra", "auto"),
    "milter_default_action": _MILTER_ACTIONS,
    "milter_protocol": ("2", "3", "4", "6"),
    **{
        f"postscreen_{test}_action": _SCREEN_ACTIONS
        for test in ("bare_newline", "denylist", "blacklist", "dnsbl", "greet", "non_smtp_command", "pipelining")
    },
    "postscreen_upstream_proxy_protocol": ("", "haproxy"),
    "smtpd_upstream_proxy_protocol": ("", "haproxy"),
    "smtp_address_preference": ("any", "ipv4", "ipv6"),
    "lmtp_address_preference": ("any", "ipv4", "ipv6"),
    "smtp_dns_support_level": ("", "disabled", "enabled", "dnssec"),
    "lmtp_dns_support_level": ("", "disabled", "enabled", "dnssec"),
    "smtpd_sasl_type": ("cyrus", "dovecot"),
    "smtp_sasl_type": ("cyrus", "dovecot"),
    "smtpd_forbid_bare_newline": ("yes", "no", "normalize", "reject"),
    "mynetworks_style": ("class", "subnet", "host"),
    "reject_tempfail_action": _TEMPFAIL,
    "unknown_address_tempfail_action": _TEMPFAIL,
    "unknown_helo_hostname_tempfail_action": _TEMPFAIL,
    "unverified_recipient_tempfail_action": _TEMPFAIL,
    "unverified_sender_tempfail_action": _TEMPFAIL,
    "smtp_tls_dane_insecure_mx_policy": ("may", "encrypt", "dane"),
    "header_from_format": ("standard", "obsolete"),
    "sendmail_fix_line_endings": ("always", "strict", "never"),
}
# Parameters that are lists of such words.
ENUMERATION_LISTS: Mapping[str, tuple[str, ...]] = {
    "inet_protocols": ("all", "ipv4", "ipv6"),
    "notify_classes": ("bounce", "2bounce", "data", "delay", "policy", "protocol", "resource", "software"),
    **dict.fromkeys(("smtpd_sasl_security_options", "smtp_sasl_security_options", "lmtp_sasl_security_options"), _SASL),
    **dict.fromkeys(("smtpd_sasl_tls_security_options", "smtp_sasl_tls_security_options", "lmtp_sasl_tls_security_options"), _SASL),
    "smtp_host_lookup": ("dns", "native"),
    "lmtp_host_lookup": ("dns", "native"),
    "receive_override_options": ("no_unknown_recipient_checks", "no_address_mappings", "no_header_body_checks", "no_milters"),
    "mailbox_delivery_lock": ("fcntl", "flock", "dotlock"),
    "virtual_mailbox_lock": ("fcntl", "flock", "dotlock"),
}
# Their defaults look like a type that is only one of their spellings.
_UNTYPED = re.compile(
    r"compatibility_level|mail_version|stress|.*_concurrency_(?:positive|negative)_feedback|.*_tcp_port|virtual_(?:uid|gid)_maps|default_privs"
    r"|smtpd_tls_dh.*|.*_lookup_key|.*_tls_(?:mandatory_)?protocols|maillog_file_permissions|lmtp_assume_final"
)
_TRANSPORT_SUFFIX = re.compile(
    r"[A-Za-z0-9_.:-]+?_(destination_(?:concurrency_limit|concurrency_failed_cohort_limit|rate_delay|recipient_limit)"
    r"|transport_rate_delay|delivery_slot_(?:cost|discount|loan)|minimum_delivery_slots|recipient_limit|extra_recipient_limit"
    r"|recipient_refill_(?:delay|limit)|time_limit)\Z"
)

_PLAIN_RESTRICTIONS = _set(
    """
    permit defer reject warn_if_reject defer_if_permit defer_if_reject permit_mynetworks permit_inet_interfaces
    permit_sasl_authenticated permit_tls_all_clientcerts permit_tls_clientcerts permit_auth_destination permit_mx_backup
    permit_naked_ip_address reject_invalid_hostname reject_non_fqdn_hostname reject_unknown_hostname
    reject_unauth_pipelining reject_unknown_client_hostname reject_unknown_client reject_unknown_reverse_client_hostname
    reject_plaintext_session reject_invalid_helo_hostname
    reject_non_fqdn_helo_hostname reject_unknown_helo_hostname reject_authenticated_sender_login_mismatch
    reject_known_sender_login_mismatch reject_non_fqdn_sender reject_sender_login_mismatch
    reject_unauthenticated_sender_login_mismatch reject_unknown_sender_domain reject_unlisted_sender
    reject_unverified_sender reject_multi_recipient_bounce reject_non_fqdn_recipient reject_unauth_destination
    defer_unauth_destination reject_unknown_recipient_domain reject_unlisted_recipient reject_unverified_recipient
    check_relay_domains reject_unknown_address reject_maps_rbl
    """
)
_TABLE_RESTRICTIONS = _set(
    """
    check_client_access check_reverse_client_hostname_access check_helo_access check_sender_access check_recipient_access
    check_etrn_access check_ccert_access check_sasl_access
    check_client_a_access check_client_mx_access check_client_ns_access check_reverse_client_hostname_a_access
    check_reverse_client_hostname_mx_access check_reverse_client_hostname_ns_access check_helo_a_access check_helo_mx_access
    check_helo_ns_access check_sender_a_access check_sender_mx_access check_sender_ns_access check_recipient_a_access
    check_recipient_mx_access check_recipient_ns_access
    """
)
_WORD_RESTRICTIONS = _set(
    """
    check_policy_service reject_rbl_client permit_dnswl_client reject_rhsbl_client permit_rhswl_client reject_rhsbl_helo
    reject_rbl reject_rhsbl_reverse_client reject_rhsbl_sender reject_rhsbl_recipient sleep
    """
)
_RELAY_STOPS = _set("reject_unauth_destination defer_unauth_destination reject defer defer_if_permit check_relay_domains")
RESTRICTION_LISTS = tuple(
    f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn")
)
_MILTER_LISTS = ("smtpd_milters", "non_smtpd_milters")
_MILTER_OPTIONS = ("connect_timeout", "command_timeout", "content_timeout", "default_action", "protocol")
_TRANSPORTS = _set(
    "default_transport local_transport virtual_transport relay_transport mailbox_transport fallback_transport content_filter error_transport"
    " address_verify_default_transport address_verify_local_transport address_verify_virtual_transport address_verify_relay_transport"
)
_TRANSPORT_MAPS = ("transport_maps", "sender_dependent_default_transport_maps", "mailbox_transport_maps", "fallback_transport_maps")
_CACHES = re.compile(r".*_(?:cache_database|cache_map|verify_map|cache_name)\Z")
_FILES = re.compile(r".*_(?:file|chain_files|CAfile)\Z")
_NOT_READ = ("bounce_template_file", "maillog_file", "tls_config_file", "smtpd_tls_dh512_param_file")
_NETWORKS = ("mynetworks", "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts", "smtpd_sasl_exceptions_networks")
_DOMAIN_CLASSES = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
_ESSENTIAL = ("pickup", "cleanup", "qmgr", "rewrite", "bounce", "defer", "trace", "error", "retry", "proxymap")
MAP_TYPES = _set(
    """
    btree cdb cidr dbm environ fail hash inline internal ldap lmdb memcache mongodb mysql netinfo nis nisplus pcre pgsql pipemap
    proxy randmap regexp sdbm socketmap sqlite static tcp texthash unionmap unix
    """
)
# The name is a file: a source beside a product, a text, or the description of a connection.
_FILE_TYPES = frozenset([*table.COMPILED, *table.TEXT, "mysql", "pgsql", "ldap", "sqlite", "memcache", "mongodb"])
_INTEGER = re.compile(r"[+-]?\d+\Z")
_TIME = re.compile(r"\d+[smhdw]?\Z")
_MAP = re.compile(r"([a-z]+):(.*)\Z", re.DOTALL)
_SEPARATORS = re.compile(r"[,\s]")


@dataclass(frozen=True)
class Node:
    """What is known of the machine; empty or ``None`` where Postfix is not installed yet.

    ``defaults`` is ``postconf -d``, ``map_types`` ``postconf -m``. ``exists`` answers for
    files outside the candidate, ``data`` are the data tables about to be published
    as ``{path: map type}``.
    """

    defaults: Mapping[str, str] = field(default_factory=dict)
    map_types: Collection[str] | None = None
    exists: Callable[[str], bool] | None = None
    data: Mapping[str, str] = field(default_factory=dict)


def check(
    *,
    main: Mapping[str, str],
    services: Sequence[Service],
    directory: str,
    tables: Sequence[Table] = (),
    data: Sequence[Table] = (),
    node: Node | None = None,
) -> list[ConfigError]:
    """Return everything wrong with a configuration that will live in ``directory`` (such as /etc/postfix-mx)."""
    return list(_Checker(main, services, directory, tables, data, node or Node()).run())


@dataclass(frozen=True)
class _Scope:
    """Parameters as one program sees them: main.cf, or main.cf under the overrides of a service."""

    values: Mapping[str, str]
    own: Mapping[str, str]
    file: str
    subject: str = ""

    def error(self, name: str, reason: str) -> ConfigError:
        return ConfigError(reason, file=self.file, subject=f"{self.subject}: {name}" if self.subject else name)


def words(value: str) -> list[str]:
    """Split a list value at blanks and commas, but not inside ``{ }``."""
    result, word, depth = [], "", 0
    for char in value:
        if not depth and _SEPARATORS.match(char):
            if word:
                result.append(word)
            word = ""
            continue
        depth += (char == "{") - (char == "}" and depth > 0)
        word += char
    return [*result, word] if word else result


def like(word: str, known: Collection[str]) -> str:
    """Return `` (did you mean ...?)`` for a word close to a known one."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.66)
    return f" (did you mean {close[0]!r}?)" if close else ""


class _Checker:
    def __init__(
        self,
        main: Mapping[str, str],
        services: Sequence[Service],
        directory: str,
        tables: Sequence[Table],
        data: Sequence[Table],
        node: Node,
    ) -> None:
        self.node, self.services, self.directory = node, services, directory
        self.tables = {f"{directory}/{entry.name}": entry for entry in tables}
        self.sources = {**self.tables, **{entry.name: entry for entry in data}}
        self.names = {entry.service for entry in services if entry.type != "inet"}
        base = {**node.defaults, "config_directory": directory, **main}
        self.main = _Scope(base, main, main_cf.FILE)
        self.scopes = [self.main] + [
            _Scope({**base, **dict(entry.options)}, dict(entry.options), master_cf.FILE, entry.subject) for entry in services if entry.options
        ]

    def run(self) -> Iterator[ConfigError]:
        for scope in self.scopes:
            for name, raw in scope.own.items():
                if " #" in raw or raw.startswith("#"):
                    yield scope.error(name, "a comment after other text is not allowed, it becomes part of the value")
                value = expand(raw, scope.values).strip()
                yield from self._typed(scope, name, value)
                yield from self._restrictions(scope, name, value)
                yield from self._milters(scope, name, value)
                yield from self._transport(scope, name, value)
                yield from self._maps(scope, name, value)
                yield from self._files(scope, name, value)
                yield from self._networks(scope, name, value)
        yield from self._relaying()
        yield from self._domains()
        yield from self._sizes()
        yield from self._services()
        yield from self._ports()

    def _shape(self, name: str) -> str:
        """The default of ``name``, or of the parameter from which a transport of one's own takes it."""
        suffix = _TRANSPORT_SUFFIX.match(name)
        known = self.node.defaults.get(name, self.node.defaults.get(f"default_{suffix[1]}", "") if suffix else "")
        return expand(known, self.node.defaults)

    def _typed(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        if "$" in value:
            return
        allowed = ENUMERATIONS.get(name)
        if allowed is not None:
            if value.lower() not in allowed:
                choice = ", ".join(word or "empty" for word in allowed)
                yield scope.error(name, f"must be one of {choice}, not {value!r}{like(value, allowed)}")
            return
        members = ENUMERATION_LISTS.get(name)
        if members is not None:
            for word in words(value):
                if word.lower() not in members:
                    yield scope.error(name, f"{word!r} is none of {', '.join(members)}{like(word, members)}")
            return
        shape = self._shape(name)
        if not shape or _UNTYPED.fullmatch(name):
            return
        if shape in ("yes", "no"):
            if value.lower() not in ("yes", "no"):
                yield scope.error(name, f"must be yes or no, not {value!r}")
        elif _INTEGER.match(shape):
            if not _INTEGER.match(value):
                yield scope.error(name, f"must be an integer, not {value!r}")
        elif _TIME.match(shape) and not _TIME.match(value):
            yield scope.error(name, f"must be a time such as 30s, 5m, 1h or 3d, not {value!r}")

    def _restrictions(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        classes = set(words(expand(scope.values.get("smtpd_restriction_classes", ""), scope.values)))
        if name not in RESTRICTION_LISTS and name not in classes:
            return
        known = {*_PLAIN_RESTRICTIONS, *_TABLE_RESTRICTIONS, *_WORD_RESTRICTIONS, *classes}
        rest = words(value)
        while rest:
            word = rest.pop(0)
            verb = word.lower()
            if verb in _TABLE_RESTRICTIONS or verb in _WORD_RESTRICTIONS:
                if not rest:
                    yield scope.error(name, f"{word} wants an argument")
                    return
                argument = rest.pop(0)
                if verb in _TABLE_RESTRICTIONS and not self._is_map(argument):
                    yield scope.error(name, f"{word} wants type:table, not {argument!r}")
                if verb == "check_policy_service" and not _policy(argument):
                    yield scope.error(name, f"{word} wants inet:host:port or unix:path, not {argument!r}")
                if verb == "sleep" and not _TIME.match(argument):
                    yield scope.error(name, f"sleep wants seconds, not {argument!r}")
            elif verb not in _PLAIN_RESTRICTIONS and word not in classes and not self._is_map(word) and "$" not in word:
                yield scope.error(name, f"unknown restriction {word!r}{like(word, known)}")

    def _is_map(self, word: str) -> bool:
        found = _MAP.match(word)
        return bool(found and found[1] in MAP_TYPES and found[2]) or "$" in word

    def _milters(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        if name not in _MILTER_LISTS:
            return
        for word in words(value):
            inner = words(word[1:-1]) if word.startswith("{") else [word]
            endpoint = inner[0] if inner else ""
            if "$" not in endpoint and not _endpoint(endpoint):
                yield scope.error(name, f"a milter is inet:host:port or unix:path, not {endpoint!r}")
            for option, setting in _settings(word[1:-1]) if word.startswith("{") else ():
                if option not in _MILTER_OPTIONS:
                    yield scope.error(name, f"unknown milter option {option!r}{like(option, _MILTER_OPTIONS)}")
                elif option.endswith("_timeout") and not _TIME.match(setting):
                    yield scope.error(name, f"{option} of a milter must be a time, not {setting!r}")
                elif option == "default_action" and setting not in _MILTER_ACTIONS:
                    yield scope.error(name, f"default_action of a milter must be one of {', '.join(_MILTER_ACTIONS)}, not {setting!r}")

    def _transport(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        if name in _TRANSPORTS and value and "$" not in value:
            transport = value.partition(":")[0].strip()
            if transport not in self.names:
                yield scope.error(name, f"transport {transport!r} is not in {master_cf.FILE}{like(transport, self.names)}")
        if name in _TRANSPORT_MAPS:
            for word in words(value):
                source = self.sources.get(word.removeprefix("proxy:").partition(":")[2])
                if source and source.kind in ("texthash", *table.COMPILED):
                    for key, target in table.parse(source.text, file=source.name):
                        transport = target.partition(":")[0].strip()
                        if transport and transport not in self.names:
                            yield ConfigError(f"transport {transport!r} is not in {master_cf.FILE}", file=source.name, subject=key)

    def _maps(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        for word in words(value):
            yield from self._map(scope, name, word)

    def _map(self, scope: _Scope, name: str, word: str) -> Iterator[ConfigError]:
        found = _MAP.match(word.lstrip("!"))
        if not found or "$" in word or found[1] not in MAP_TYPES:
            return
        kind, path = found.groups()
        if kind == "proxy":
            yield from self._map(scope, name, path)
            return
        # unix: and tcp: are also sockets of milters, policy services and transports.
        if self.node.map_types is not None and kind not in self.node.map_types and kind not in ("unix", "tcp", "static"):
            yield scope.error(name, f"table type {kind!r} is not installed: {word!r}")
        if kind in ("pipemap", "unionmap") and path.startswith("{"):
            for inner in words(path[1:-1]):
                yield from self._map(scope, name, inner)
            return
        if kind not in _FILE_TYPES or path.startswith("{"):
            return
        if not path.startswith("/"):
            yield scope.error(name, f"a table needs an absolute path: {word!r}")
        elif not _CACHES.match(name):
            yield from self._present(scope, name, kind, path)

    def _present(self, scope: _Scope, name: str, kind: str, path: str) -> Iterator[ConfigError]:
        if path.startswith(f"{self.directory}/"):
            entry = self.tables.get(path)
            if entry is None:
                known = {table_path.rsplit("/", 1)[1] for table_path in self.tables}
                yield scope.error(name, f"table {kind}:{path} is not part of the generation{like(path.rsplit('/', 1)[1], known)}")
            elif kind in table.COMPILED and entry.kind != kind:
                yield scope.error(name, f"table {path} is made as {entry.kind}, not as {kind}")
            return
        planned = self.node.data.get(path)
        if planned is not None:
            if kind in table.COMPILED and planned != kind:
                yield scope.error(name, f"data table {path} is made as {planned}, not as {kind}")
            return
        wanted = table.compiled_name(path, kind) or path
        if self.node.exists is not None and not self.node.exists(wanted):
            yield scope.error(name, f"table {kind}:{path} does not exist ({wanted} is missing)")

    def _files(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        if not _FILES.match(name) or name in _NOT_READ or self.node.exists is None:
            return
        for word in words(value):
            if word.startswith("/") and "$" not in word and not self.node.exists(word):
                yield scope.error(name, f"file {word} does not exist")

    def _networks(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        if name not in _NETWORKS:
            return
        for word in words(value):
            if "$" in word or "/" not in word or word.startswith("/") or self._is_map(word):
                continue
            text = re.sub(r"[\[\]]", "", word.lstrip("!"))
            try:
                network = ipaddress.ip_network(text)
            except ValueError as error:
                yield scope.error(name, f"not a network: {word!r} ({error})")
                continue
            if network.prefixlen == 0 and not word.startswith("!"):
                yield scope.error(name, f"{word!r} trusts the whole world")

    def _relaying(self) -> Iterator[ConfigError]:
        """smtpd(8) dies unless a list that decides on relaying can say no."""
        by_service = {scope.subject: scope for scope in self.scopes}
        for entry in self.services:
            if entry.command != "smtpd":
                continue
            scope = by_service.get(entry.subject, self.main) if entry.options else self.main
            given = [expand(scope.values.get(f"smtpd_{stage}_restrictions", ""), scope.values) for stage in ("relay", "recipient")]
            if not self.node.defaults and not any(given):
                continue
            # Nothing behind a permit is ever reached.
            reached = [itertools.takewhile(lambda word: word != "permit", (word.lower() for word in words(text))) for text in given]
            if not any(_RELAY_STOPS & set(list_) for list_ in reached):
                yield ConfigError(
                    "smtpd_relay_restrictions or smtpd_recipient_restrictions must hold one of " + ", ".join(sorted(_RELAY_STOPS)),
                    file=master_cf.FILE,
                    line=entry.line,
                    subject=entry.subject,
                )

    def _domains(self) -> Iterator[ConfigError]:
        """A domain belongs to one address class (ADDRESS_CLASS_README)."""
        seen: dict[str, str] = {}
        for name in _DOMAIN_CLASSES:
            if name not in self.main.own:
                continue
            for word in dict.fromkeys(words(expand(self.main.own[name], self.main.values).lower())):
                if ":" in word or "/" in word or "$" in word:
                    continue
                # trivial-rewrite(8) does not mind these two; mydestination wins.
                if word in seen and {name, seen[word]} != {"mydestination", "relay_domains"}:
                    yield self.main.error(name, f"domain {word!r} is in {seen[word]} already")
                seen.setdefault(word, name)

    def _sizes(self) -> Iterator[ConfigError]:
        """local(8), virtual(8) and cleanup(8) refuse to run when these contradict each other."""
        values = {
            name: int(text)
            for name in ("message_size_limit", "mailbox_size_limit", "virtual_mailbox_limit")
            if _INTEGER.match(text := expand(self.main.values.get(name, ""), self.main.values))
        }
        message = values.pop("message_size_limit", 0)
        for name, limit in values.items():
            if limit and (limit < message or not message):
                yield self.main.error(name, f"{limit} is smaller than message_size_limit = {message or 'unlimited'}")

    def _services(self) -> Iterator[ConfigError]:
        for name in _ESSENTIAL:
            if name not in self.names:
                yield ConfigError("Postfix cannot work without this service", file=master_cf.FILE, subject=name)
        by_key = {entry.key for entry in self.services}
        for scope in self.scopes:
            for name, raw in scope.own.items():
                if name.endswith("_service_name") and "$" not in raw and raw not in self.names:
                    yield scope.error(name, f"service {raw!r} is not in {master_cf.FILE}{like(raw, self.names)}")
        for entry in self.services:
            if entry.command == "postscreen":
                behind = entry.option("smtpd_service_name", self.main.values.get("smtpd_service_name", "smtpd"))
                if (behind, "pass") not in by_key:
                    yield ConfigError(f"hands over to {behind}/pass, which is missing", file=master_cf.FILE, line=entry.line, subject=entry.subject)

    def _ports(self) -> Iterator[ConfigError]:
        taken: list[Listener] = []
        everywhere = {"", "0.0.0.0", "::"}
        try:
            found = listeners(self.services)
        except ConfigError as error:
            yield error
            return
        for entry in found:
            for other in taken:
                if other.port == entry.port and (other.host == entry.host or everywhere & {other.host, entry.host}):
                    yield ConfigError(
                        f"port {entry.port} is taken by {other.service.subject} already",
                        file=master_cf.FILE,
                        line=entry.service.line,
                        subject=entry.service.subject,
                    )
                    break
            taken.append(entry)


def _settings(text: str) -> list[tuple[str, str]]:
    """Read ``name = value`` pairs behind the endpoint of a milter or policy group."""
    parts = [part.strip() for part in re.split(r",", text)][1:] if "," in text else []
    if not parts:
        parts = [part for part in split_groups(text)[1:] if "=" in part and part != "="]
    return [(name.strip(), value.strip()) for name, _, value in (part.partition("=") for part in parts)]


def _endpoint(text: str) -> bool:
    kind, _, rest = text.partition(":")
    if kind in ("unix", "local"):
        return bool(rest)
    host, _, port = rest.rpartition(":")
    return kind == "inet" and bool(host) and bool(re.fullmatch(r"[0-9]{1,5}|[a-z][a-z0-9-]*", port))


def _policy(text: str) -> bool:
    endpoint = words(text[1:-1])[0] if text.startswith("{") and words(text[1:-1]) else text
    return "$" in endpoint or _endpoint(endpoint) or endpoint.startswith("private/")
