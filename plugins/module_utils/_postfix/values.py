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

import contextlib
import difflib
import ipaddress
import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import macros, main_cf, master_cf, programs, references, table
from .generation import Listener, Table, listeners
from .lines import SEPARATORS, ConfigError, logical_lines, split_groups, words
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
_CLASSES = ("envelope_sender", "envelope_recipient", "header_sender", "header_recipient")

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
    **{f"postscreen_{test}_action": _SCREEN_ACTIONS for test in ("bare_newline", "denylist", "blacklist", "dnsbl", "greet", "non_smtp_command", "pipelining")},
    "postscreen_upstream_proxy_protocol": ("", "haproxy"),
    "smtpd_upstream_proxy_protocol": ("", "haproxy"),
    "smtp_address_preference": ("any", "ipv4", "ipv6"),
    "lmtp_address_preference": ("any", "ipv4", "ipv6"),
    "smtp_dns_support_level": ("", "disabled", "enabled", "dnssec"),
    "lmtp_dns_support_level": ("", "disabled", "enabled", "dnssec"),
    "smtpd_sasl_type": ("cyrus", "dovecot"),
    # A client has no Dovecot to ask.
    "smtp_sasl_type": ("cyrus",),
    "lmtp_sasl_type": ("cyrus",),
    "smtpd_forbid_bare_newline": ("yes", "no", "normalize", "reject"),
    "mynetworks_style": ("class", "subnet", "host"),
    "reject_tempfail_action": _TEMPFAIL,
    "unknown_address_tempfail_action": _TEMPFAIL,
    "unknown_helo_hostname_tempfail_action": _TEMPFAIL,
    "unverified_recipient_tempfail_action": _TEMPFAIL,
    "unverified_sender_tempfail_action": _TEMPFAIL,
    "smtp_tls_dane_insecure_mx_policy": ("may", "encrypt", "dane"),
    "header_from_format": ("standard", "obsolete"),
    "info_log_address_format": ("external", "internal"),
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
    **dict.fromkeys(("canonical_classes", "masquerade_classes"), _CLASSES),
    "sender_canonical_classes": ("envelope_sender", "header_sender"),
    "recipient_canonical_classes": ("envelope_recipient", "header_recipient"),
    "internal_mail_filter_classes": ("bounce", "notify"),
    "propagate_unmatched_extensions": ("canonical", "virtual", "alias", "forward", "include", "generic"),
    "smtputf8_autodetect_classes": ("sendmail", "smtpd", "qmqpd", "forward", "bounce", "notify", "verify", "all"),
    "mailbox_delivery_lock": ("fcntl", "flock", "dotlock"),
    "virtual_mailbox_lock": ("fcntl", "flock", "dotlock"),
}
# Their defaults look like a type that is only one of their spellings.
_UNTYPED = re.compile(
    r"compatibility_level|mail_version|stress|.*_concurrency_(?:positive|negative)_feedback|.*_tcp_port|virtual_(?:uid|gid)_maps|default_privs"
    r"|smtpd_tls_dh.*|.*_lookup_key|.*_tls_(?:mandatory_)?protocols|maillog_file_permissions|lmtp_assume_final"
)
# Limits of integers and times, in seconds: CONFIG_INT_TABLE, CONFIG_LONG_TABLE and CONFIG_TIME_TABLE of the daemons,
# the same in 3.7 and 3.10. A daemon that meets a value outside of them dies. Every time is 1 at least but these.
_TIMES_FROM_ZERO = _set(
    """
    address_verify_cache_cleanup_interval address_verify_sender_ttl bounce_queue_lifetime default_destination_rate_delay
    default_transport_rate_delay delay_warning_time dnsblog_reply_delay in_flow_delay lmtp_connect_timeout
    lmtp_pix_workaround_threshold_time lmtp_sasl_auth_cache_time lmtp_tls_session_cache_timeout maximal_queue_lifetime
    postscreen_cache_cleanup_interval qmgr_clog_warn_time qmqpd_error_delay smtp_connect_timeout smtp_pix_workaround_threshold_time
    smtp_sasl_auth_cache_time smtp_tls_session_cache_timeout smtpd_error_sleep_time smtpd_tls_session_cache_timeout
    """
)
_INTEGERS_FROM_ONE = _set(
    """
    address_verify_pending_request_limit address_verify_poll_count berkeley_db_create_buffer_size berkeley_db_read_buffer_size
    bounce_size_limit debug_peer_level default_process_limit default_recipient_refill_limit deliver_lock_attempts fork_attempts
    hash_queue_depth header_address_token_limit header_size_limit hopcount_limit initial_destination_concurrency lmdb_map_size
    lmtp_min_data_rate max_use mime_boundary_length_limit mime_nesting_limit postscreen_command_count_limit postscreen_dnsbl_threshold
    qmgr_message_active_limit qmgr_message_recipient_limit qmgr_message_recipient_minimum queue_file_attribute_count_limit
    smtp_min_data_rate smtpd_hard_error_limit smtpd_history_flush_threshold smtpd_junk_command_limit smtpd_min_data_rate
    smtpd_policy_service_try_limit smtpd_recipient_limit smtpd_recipient_overshoot_limit smtpd_soft_error_limit socketmap_max_reply_size
    tls_daemon_random_bytes tls_random_bytes virtual_alias_address_length_limit virtual_alias_expansion_limit
    virtual_alias_recursion_limit virtual_minimum_uid
    """
)
_LIMITS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("maximal_queue_lifetime", "bounce_queue_lifetime"), (0, 8640000)),
    **{f"{side}_tls_session_cache_timeout": (0, 8640000) for side in ("smtp", "lmtp", "smtpd")},
    **{f"{daemon}_watchdog_timeout": (10, 2**31 - 1) for daemon in ("postlogd", "postscreen", "tlsproxy")},
    "in_flow_delay": (0, 10),
    "line_length_limit": (512, 2**31 - 1),
    "delay_logging_resolution_limit": (0, 6),
    "default_delivery_slot_discount": (0, 100),
    "postscreen_pre_queue_limit": (10, 2**31 - 1),
    "postscreen_post_queue_limit": (5, 2**31 - 1),
    **dict.fromkeys(("unverified_sender_reject_code", "unverified_recipient_reject_code"), (200, 599)),
    **dict.fromkeys(("unverified_sender_defer_code", "unverified_recipient_defer_code"), (200, 499)),
    "smtpd_forbid_bare_newline_reject_code": (500, 599),
    "smtpd_client_ipv4_prefix_length": (0, 32),
    "smtpd_client_ipv6_prefix_length": (0, 128),
    "smtpd_sasl_response_limit": (12288, 2**31 - 1),
}
# The only integers whose negative values mean something (postconf(5)).
_NEGATIVE = ("postscreen_dnsbl_allowlist_threshold", "postscreen_dnsbl_whitelist_threshold")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_IN_DAYS = ("maximal_queue_lifetime", "bounce_queue_lifetime")
# Strings whose minimal length is 1 in CONFIG_STR_TABLE, and whose default is not empty.
_NOT_EMPTY = re.compile(
    r"(?:address_verify_)?(?:default|local|relay|virtual)_transport|.*_service_name|.*_notice_recipient|.*_expansion_filter"
    r"|tls_(?:high|medium|null)_cipherlist|.*_fingerprint_digest|(?:smtp|lmtp)_(?:host_lookup|tls_(?:secure|verify)_cert_match|sasl_type|address_preference)"
    r"|(?:canonical|sender_canonical|recipient_canonical|smtputf8_autodetect)_classes|(?:command|daemon|data|queue|meta|shlib|process_id)_directory"
    r"|smtp_helo_name|lmtp_lhlo_name|smtpd_banner|smtpd_sasl_(?:type|path|service)|smtpd_policy_service_default_action|myorigin|mail_name|mail_owner"
    r"|setgid_group|syslog_name|syslog_facility|default_privs|default_rbl_reply|default_database_type|double_bounce_sender"
    r"|empty_address_recipient|hash_queue_names|milter_(?:default_action|protocol|macro_daemon_name|macro_v)|mynetworks_style"
    r"|verp_delimiter_filter|postscreen_(?:bare_newline|denylist|dnsbl|greet|non_smtp_command|pipelining)_action"
)
# Characters, not text with names in it (CONFIG_RAW_TABLE).
_RAW = re.compile(r".*_expansion_filter|verp_delimiter_filter")
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
RESTRICTION_LISTS = tuple(f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn"))
_MILTER_LISTS = ("smtpd_milters", "non_smtpd_milters")
_MILTER_OPTIONS = ("connect_timeout", "command_timeout", "content_timeout", "default_action", "protocol")
_TRANSPORTS = _set(
    "default_transport local_transport virtual_transport relay_transport mailbox_transport fallback_transport content_filter error_transport"
    " address_verify_default_transport address_verify_local_transport address_verify_virtual_transport address_verify_relay_transport"
)
_TRANSPORT_MAPS = ("transport_maps", "sender_dependent_default_transport_maps", "mailbox_transport_maps", "fallback_transport_maps")
# Parameters of which every word is a table.
_TABLES = re.compile(r"(?!proxy_)(?:.*_)?(?:maps|checks|cache_map|reply_map|verify_map|command_filter|reply_filter|status_filter)\Z")
_NEXTHOP = re.compile(r"(?:\[[^\[\]]+\]|[^\[\]:]+)(?::(?:([0-9]{1,9})|[a-z][a-z0-9-]*))?\Z")
_PROXIED = re.compile(r"proxy:[^\s,{}=]+")
_FILES = re.compile(r".*_(?:file|chain_files|CAfile)\Z")
_NOT_READ = ("bounce_template_file", "maillog_file", "tls_config_file", "smtpd_tls_dh512_param_file")
_TRUSTED = ("mynetworks", "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts", "smtpd_authorized_verp_clients")
_NETWORKS = (
    *_TRUSTED,
    *("smtpd_sasl_exceptions_networks", "smtpd_client_event_limit_exceptions", "smtpd_forbid_bare_newline_exclusions"),
    *("permit_mx_backup_networks", "postscreen_allowlist_interfaces", "postscreen_whitelist_interfaces", "qmqpd_authorized_clients"),
)
_DOMAIN_CLASSES = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains")
_ESSENTIAL = ("pickup", "cleanup", "qmgr", "rewrite", "bounce", "defer", "trace", "error", "retry", "proxymap")
MAP_TYPES = _set(
    """
    btree cdb cidr dbm environ fail hash inline internal ldap lmdb memcache mongodb mysql netinfo nis nisplus pcre pgsql pipemap
    proxy randmap regexp sdbm socketmap sqlite static tcp texthash unionmap unix
    """
)
# The name is a file: a source beside a product, a text, or the description of a connection.
_FILE_TYPES = frozenset([*table.COMPILED, *table.TEXT, *table.CONNECTED])
_INTEGER = re.compile(r"[+-]?\d+\Z")
_TIME = re.compile(r"\d+[smhdw]?\Z")
_MAP = re.compile(r"([a-z]+):(.*)\Z", re.DOTALL)
# Results of access(5) that are no restrictions.
_ACCESS_RESULTS = _set("ok relay dunno reject defer defer_if_reject defer_if_permit hangup info warn filter hold discard redirect bcc prepend")
_REPLY_CODE = re.compile(r"[45][0-9][0-9]\Z")
_SCREEN_RESULTS = _set("permit reject dunno")


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
                try:
                    if not _RAW.fullmatch(name):
                        macros.check(raw, {name: text for name, text in scope.values.items() if not _RAW.fullmatch(name)})
                except macros.MacroError as error:
                    yield scope.error(name, str(error))
                    continue
                value = expand(raw, scope.values).strip()
                yield from self._typed(scope, name, value)
                yield from self._restrictions(scope, name, value)
                yield from self._milters(scope, name, value)
                yield from self._transport(scope, name, value)
                yield from self._maps(scope, name, value)
                yield from self._files(scope, name, value)
                yield from self._networks(scope, name, value)
                yield from self._screening(scope, name, value)
                yield from self._proxied(scope, name, value)
        yield from self._relaying()
        yield from self._clients()
        yield from self._servers()
        yield from self._mailboxes()
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
        if not value and _NOT_EMPTY.fullmatch(name):
            yield scope.error(name, "must not be empty")
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
            else:
                yield from self._limited(scope, name, value, int(value), 1 if name in _INTEGERS_FROM_ONE else 0)
        elif _TIME.match(shape):
            if not _TIME.match(value):
                yield scope.error(name, f"must be a time such as 30s, 5m, 1h or 3d, not {value!r}")
            else:
                unit = value[-1] if value[-1] in _UNITS else "d" if name in _IN_DAYS else "s"
                seconds = int(value.rstrip("smhdw")) * _UNITS[unit]
                yield from self._limited(scope, name, value, seconds, 0 if name in _TIMES_FROM_ZERO or _TRANSPORT_SUFFIX.match(name) else 1)

    def _limited(self, scope: _Scope, name: str, value: str, number: int, lowest: int) -> Iterator[ConfigError]:
        low, high = _LIMITS.get(name, (lowest, 2**63 - 1))
        if number < low and name not in _NEGATIVE:
            yield scope.error(name, f"must not be less than {low}, not {value!r}")
        elif number > high:
            yield scope.error(name, f"must not be more than {high}, not {value!r}")

    def _restrictions(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        classes = set(words(expand(scope.values.get("smtpd_restriction_classes", ""), scope.values)))
        if name not in RESTRICTION_LISTS and name not in classes:
            return
        for reason in self._listed(words(value), classes):
            yield scope.error(name, reason)
        for word in words(value):
            yield from self._access(scope, name, word, classes)

    def _listed(self, rest: list[str], classes: Collection[str]) -> Iterator[str]:
        """Say what is wrong with a list of restrictions."""
        known = {*_PLAIN_RESTRICTIONS, *_TABLE_RESTRICTIONS, *_WORD_RESTRICTIONS, *classes}
        while rest:
            word, *rest = rest
            verb = word.lower()
            if verb in _TABLE_RESTRICTIONS or verb in _WORD_RESTRICTIONS:
                if not rest:
                    yield f"{word} wants an argument"
                    return
                argument, *rest = rest
                if verb in _TABLE_RESTRICTIONS and not self._is_map(argument):
                    yield f"{word} wants type:table, not {argument!r}"
                if verb == "check_policy_service":
                    yield from _policy_problems(word, argument)
                if verb == "sleep" and not _TIME.match(argument):
                    yield f"sleep wants seconds, not {argument!r}"
                if verb in _DNS_RESTRICTIONS and not _dns_list(argument):
                    yield f"{word} wants a domain, with =d.d.d.d behind it or not, not {argument!r}"
            elif verb not in _PLAIN_RESTRICTIONS and word not in classes and not self._is_map(word) and "$" not in word:
                yield f"unknown restriction {word!r}{like(word, known)}"

    def _rows(self, word: str) -> Iterator[tuple[str, str, str]]:
        """Yield file, key and result of a table whose content is known."""
        found = _MAP.match(word.removeprefix("proxy:"))
        if found and found[1] == "inline" and found[2].startswith("{"):
            for row in words(found[2][1:-1]):
                key, equals, result = row.strip("{}").partition("=")
                if equals:
                    yield "", key.strip(SEPARATORS), result.strip(SEPARATORS)
        source = self.sources.get(found[2]) if found else None
        if source and source.kind in ("texthash", "cidr", *table.COMPILED):
            # What is wrong with the rows themselves is said elsewhere.
            with contextlib.suppress(ConfigError):
                for line in logical_lines(source.text, file=source.name):
                    key, *rest = line.text.split(None, 1)
                    if key.lower() not in ("if", "endif") and rest:
                        yield source.name, key, rest[0]

    def _access(self, scope: _Scope, name: str, word: str, classes: Collection[str]) -> Iterator[ConfigError]:
        """Results of tables that access(5) describes; smtpd(8) answers 451 to an unknown one."""
        for file, key, result in self._rows(word):
            first, *rest = result.split(None, 1) or [""]
            verb = first.lower()
            reasons: list[str] = []
            if verb == "filter" and ":" not in "".join(rest):
                reasons = ["FILTER wants transport:destination"]
            elif verb == "filter" and (transport := rest[0].partition(":")[0]) not in self.names:
                reasons = [f"transport {transport!r} is not in {master_cf.FILE}{like(transport, self.names)}"]
            elif verb in ("redirect", "bcc") and "@" not in "".join(rest):
                reasons = [f"{first} wants an address"]
            elif verb not in _ACCESS_RESULTS and not _REPLY_CODE.match(verb) and not verb.isdigit():
                reasons = list(self._listed(words(result), classes))
            for reason in reasons:
                yield ConfigError(reason, file=file, subject=key) if file else scope.error(name, f"{key}: {reason}")

    def _is_map(self, word: str) -> bool:
        found = _MAP.match(word)
        return bool(found and found[1] in MAP_TYPES and found[2]) or "$" in word

    def _screening(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        """What postscreen(8) reads; it ignores an access list from the first mistake on."""
        if name == "postscreen_access_list":
            for word in words(value):
                if word.lower() not in ("permit_mynetworks", "permit", "reject", "static:all") and not self._is_map(word):
                    yield scope.error(name, f"{word!r} is neither permit_mynetworks nor type:table")
                for file, key, result in self._rows(word):
                    if result.lower() not in _SCREEN_RESULTS:
                        reason = f"the result must be permit, reject or dunno, not {result!r}"
                        yield ConfigError(reason, file=file, subject=key) if file else scope.error(name, f"{key}: {reason}")
        if name == "postscreen_dnsbl_sites":
            for word in words(value):
                site, star, weight = word.partition("*")
                if "$" not in word and (not _dns_list(site) or (star and not _INTEGER.match(weight))):
                    yield scope.error(name, f"a site is domain, domain*weight or domain=d.d.d.d*weight, not {word!r}")

    def _proxied(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        """proxymap(8) opens no table that its own lists do not hold, and the client dies."""
        if not self.node.defaults or name == "proxy_write_maps":
            return
        if name == "proxy_read_maps":
            # smtpd(8) opens the default of this one whatever else is set.
            name = "local_recipient_maps"
            value = expand(self.main.values.get(name, ""), self.main.values)
        list_ = "proxy_write_maps" if references.CACHE.match(name) else "proxy_read_maps"
        approved = set(_PROXIED.findall(expand(self.main.values.get(list_, ""), self.main.values)))
        for word in dict.fromkeys(_PROXIED.findall(value)):
            if word not in approved and "$" not in word:
                yield scope.error(name, f"{word!r} is not in {list_}")

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
                elif option == "protocol" and setting not in ENUMERATIONS["milter_protocol"]:
                    yield scope.error(name, f"protocol of a milter must be one of {', '.join(ENUMERATIONS['milter_protocol'])}, not {setting!r}")
                elif option == "default_action" and setting not in _MILTER_ACTIONS:
                    yield scope.error(name, f"default_action of a milter must be one of {', '.join(_MILTER_ACTIONS)}, not {setting!r}")

    def _transport(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        if name in _TRANSPORTS and value and "$" not in value:
            transport, _, nexthop = value.partition(":")
            if transport not in self.names:
                yield scope.error(name, f"transport {transport!r} is not in {master_cf.FILE}{like(transport, self.names)}")
            elif any(entry.service == transport and entry.command == "smtp" for entry in self.services):
                yield from self._nexthops(scope, name, nexthop)
        if name in ("relayhost", "smtp_fallback_relay", "fallback_relay") and "$" not in value:
            yield from self._nexthops(scope, name, value)
        if name in _TRANSPORT_MAPS:
            for word in words(value):
                source = self.sources.get(word.removeprefix("proxy:").partition(":")[2])
                if source and source.kind in ("texthash", *table.COMPILED):
                    for key, target in table.parse(source.text, file=source.name):
                        transport = target.partition(":")[0].strip()
                        if transport and transport not in self.names:
                            yield ConfigError(f"transport {transport!r} is not in {master_cf.FILE}", file=source.name, subject=key)

    def _nexthops(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        """smtp(8) dies of a destination that it cannot part into host and port."""
        for word in words(value):
            found = _NEXTHOP.match(word)
            if not found or not 0 < int(found[1] or 1) < 65536:
                yield scope.error(name, f"a destination is host, [host] or [host]:port, not {word!r}")

    def _maps(self, scope: _Scope, name: str, value: str) -> Iterator[ConfigError]:
        only_tables = _TABLES.match(name)
        for word in words(value):
            if only_tables and not self._is_map(word):
                yield scope.error(name, f"a table is type:name, not {word!r}{like(word.partition(':')[0], MAP_TYPES)}")
            elif name in _DOMAIN_CLASSES and ":" in word and "[" not in word and not self._is_map(word.lstrip("!")):
                yield scope.error(name, f"neither a domain nor a table: {word!r}{like(word.partition(':')[0], MAP_TYPES)}")
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
        if kind in ("pipemap", "unionmap", "randmap") and not (path.startswith("{") and path.endswith("}")):
            yield scope.error(name, f"a table of this type is {kind}:{{ ... }}, not {word!r}")
        if kind in ("pipemap", "unionmap") and path.startswith("{"):
            for inner in words(path[1:-1]):
                yield from self._map(scope, name, inner)
            return
        if kind == "inline" and any("=" not in row for row in words(path[1:-1])):
            yield scope.error(name, f"an inline table is {{ key=value, ... }}, not {path!r}")
        if kind not in _FILE_TYPES or path.startswith("{"):
            return
        if path.endswith("/") and name not in self.node.defaults and not _TABLES.match(name):
            # The beginning of names that other parameters make: indexed = hash:${config_directory}/
            return
        if not path.startswith("/"):
            yield scope.error(name, f"a table needs an absolute path: {word!r}")
        elif not references.CACHE.match(name):
            yield from self._present(scope, name, kind, path)
        elif self.node.exists is not None and not self._own_place(path) and not self.node.exists(path.rpartition("/")[0] or "/"):
            yield scope.error(name, f"the directory of {word!r} does not exist")

    def _own_place(self, path: str) -> bool:
        """Whether a file lies in a directory that the instance gets anyway."""
        places = (expand(self.main.values.get(name, ""), self.main.values) for name in ("data_directory", "queue_directory"))
        return any(place and path.startswith(f"{place}/") for place in places)

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
            if network.prefixlen == 0 and name in _TRUSTED and not word.startswith("!"):
                yield scope.error(name, f"{word!r} trusts the whole world")

    def _relaying(self) -> Iterator[ConfigError]:
        """smtpd(8) dies unless a list that decides on relaying can say no."""
        for entry in self.services:
            if entry.command != "smtpd":
                continue
            scope = self._as_seen(entry)
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

    def _as_seen(self, entry: Service) -> _Scope:
        """The scope of a service, which is main.cf where it overrides nothing."""
        return next((scope for scope in self.scopes if entry.options and scope.subject == entry.subject), self.main)

    def _clients(self) -> Iterator[ConfigError]:
        """smtp(8) dies of, or defers for ever with, settings that contradict each other."""
        for entry in self.services:
            if entry.command not in ("smtp", "lmtp"):
                continue
            scope = self._as_seen(entry)

            def value(name: str, entry: Service = entry, scope: _Scope = scope) -> str:
                return expand(scope.values.get(f"{entry.command}_{name}", ""), scope.values).strip().lower()

            for family, name in ((4, "bind_address"), (6, "bind_address6")):
                with contextlib.suppress(ValueError):
                    if not value(name) or "$" in value(name) or ipaddress.ip_address(value(name)).version == family:
                        continue
                yield scope.error(f"{entry.command}_{name}", f"must be an IPv{family} address, not {value(name)!r}")
            if value("sasl_auth_enable") == "yes" and not value("sasl_password_maps"):
                yield scope.error(f"{entry.command}_sasl_auth_enable", f"needs {entry.command}_sasl_password_maps")
            if value("tls_wrappermode") == "yes" and value("tls_security_level") in ("", "none", "may") and value("enforce_tls") != "yes":
                yield scope.error(f"{entry.command}_tls_wrappermode", f"needs {entry.command}_tls_security_level = encrypt or stronger")

    def _servers(self) -> Iterator[ConfigError]:
        """smtpd(8) without a certificate offers no TLS: where it is the only way in, nobody comes in."""
        certificates = [f"smtpd_tls_{kind}" for kind in ("chain_files", "cert_file", "eccert_file", "dcert_file")]
        for entry in self.services:
            if entry.command != "smtpd":
                continue
            scope = self._as_seen(entry)
            seen = {name: expand(scope.values.get(name, ""), scope.values).strip().lower() for name in scope.values if name.startswith("smtpd_")}
            only = [
                f"{name} = {wanted}" for name, wanted in (("smtpd_tls_wrappermode", "yes"), ("smtpd_tls_security_level", "encrypt")) if seen.get(name) == wanted
            ]
            if only and not any(seen.get(name) for name in certificates):
                yield scope.error(only[0], "needs a certificate, such as smtpd_tls_chain_files")

    def _mailboxes(self) -> Iterator[ConfigError]:
        """virtual(8) needs to know where mailboxes are and whose."""
        transport = expand(self.main.values.get("virtual_transport", ""), self.main.values).partition(":")[0]
        domains = expand(self.main.values.get("virtual_mailbox_domains", ""), self.main.values).strip()
        if not domains or not any(entry.service == transport and entry.command == "virtual" for entry in self.services):
            return
        for name in ("virtual_mailbox_base", "virtual_uid_maps", "virtual_gid_maps"):
            if name in self.main.values and not expand(self.main.values[name], self.main.values).strip():
                yield self.main.error(name, "must not be empty where virtual(8) delivers")

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
        by_key = {entry.key: entry for entry in self.services}
        for scope in self.scopes:
            for name, raw in scope.own.items():
                if name.endswith("_service_name") and "$" not in raw and raw not in self.names:
                    yield scope.error(name, f"service {raw!r} is not in {master_cf.FILE}{like(raw, self.names)}")
        directory = self.main.values.get("daemon_directory", "")
        for entry in self.services:
            yield from programs.problems(entry)
            if directory and self.node.exists is not None and not self.node.exists(f"{directory}/{entry.command}"):
                yield ConfigError(f"there is no program {directory}/{entry.command}", file=master_cf.FILE, line=entry.line, subject=entry.subject)
            if entry.command == "postscreen":
                behind = entry.option("smtpd_service_name", self.main.values.get("smtpd_service_name", "smtpd"))
                if (behind, "pass") not in by_key:
                    yield ConfigError(f"hands over to {behind}/pass, which is missing", file=master_cf.FILE, line=entry.line, subject=entry.subject)
                elif by_key[behind, "pass"].private == "n":
                    yield ConfigError(f"hands over to {behind}/pass, which must be private", file=master_cf.FILE, line=entry.line, subject=entry.subject)

    def _ports(self) -> Iterator[ConfigError]:
        taken: list[Listener] = []
        everywhere = {"", "0.0.0.0", "::"}
        try:
            found = listeners(self.services)
        except ConfigError as error:
            yield error
            return
        protocols = set(words(expand(self.main.values.get("inet_protocols", "all"), self.main.values).lower()))
        for entry in found:
            wanted = "ipv6" if ":" in entry.host else "ipv4" if re.fullmatch(r"[0-9.]+", entry.host) else ""
            if wanted and not {wanted, "all"} & protocols:
                yield ConfigError(f"needs {wanted} in inet_protocols", file=master_cf.FILE, line=entry.service.line, subject=entry.service.subject)
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


_POLICY_OPTIONS = ("default_action", "max_idle", "max_ttl", "request_limit", "retry_delay", "timeout", "try_limit", "policy_context")
_DNS_RESTRICTIONS = _set(
    "reject_rbl_client permit_dnswl_client reject_rbl reject_rhsbl_client permit_rhswl_client reject_rhsbl_helo reject_rhsbl_reverse_client"
    " reject_rhsbl_sender reject_rhsbl_recipient"
)
_OCTET = r"(?:[0-9]{1,3}|\[[0-9]{1,3}(?:\.\.[0-9]{1,3})?(?:;[0-9]{1,3}(?:\.\.[0-9]{1,3})?)*\])"
_DNS_LIST = re.compile(rf"(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+\.?(?:={_OCTET}(?:\.{_OCTET}){{3}})?\Z")


def _dns_list(text: str) -> bool:
    """Whether text is ``domain`` or ``domain=d.d.d.d`` (reject_rbl_client in postconf(5), ip_match(3))."""
    return "$" in text or bool(_DNS_LIST.match(text))


def _policy_problems(word: str, text: str) -> Iterator[str]:
    endpoint = words(text[1:-1])[0] if text.startswith("{") and words(text[1:-1]) else text
    if "$" not in endpoint and not _endpoint(endpoint) and not endpoint.startswith("private/"):
        yield f"{word} wants inet:host:port or unix:path, not {text!r}"
    for option, setting in _settings(text[1:-1]) if text.startswith("{") else ():
        if option not in _POLICY_OPTIONS:
            yield f"unknown option {option!r} of a policy service{like(option, _POLICY_OPTIONS)}"
        elif option in ("max_idle", "max_ttl", "retry_delay", "timeout") and not _TIME.match(setting):
            yield f"{option} of a policy service must be a time, not {setting!r}"
