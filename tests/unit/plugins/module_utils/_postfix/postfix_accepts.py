# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `postfix check` and `postconf -n` accept and a service then dies of, on both releases.

The differential ring starts Postfix with each of these and looks how it breaks; the unit ring asks
our validator, which refuses what can be known before. The rest is for the probe of the engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf, master_cf, values
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.generation import Table
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError

# How a configuration breaks, as a client or the log sees it.
GREETING = "no greeting"
REPLY = "a reply of 4xx or 5xx"
SILENCE = "silence behind the greeting"
MASTER = "master does not run"
DELIVERY = "mail is taken and not delivered"
IGNORED = "a list is ignored from there on"
# For the probe: nothing that a file says is wrong.
PROBE = ""

PORT, SCREEN = "PORT", "SCREEN"
# @NAME@ is filled in where Postfix runs: directories, the ports of smtpd(8) and postscreen(8), a free one and
# one that is taken, and the port of a server that takes all mail.
MAIN = {
    "compatibility_level": "3.6",
    "queue_directory": "@QUEUE@",
    "data_directory": "@DATA@",
    "syslog_name": "@TAG@",
    "inet_protocols": "ipv4",
    "myhostname": "mx.test",
    "mydestination": "local.test",
    "mynetworks": "127.0.0.0/8",
    "alias_maps": "",
    "default_database_type": "lmdb",
    "virtual_mailbox_domains": "v.test",
    "virtual_transport": "smtp:[127.0.0.1]:@SINK@",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
    "smtpd_peername_lookup": "no",
    "address_verify_map": "lmdb:$data_directory/verify",
    "postscreen_cache_map": "lmdb:$data_directory/screen",
    "smtp_tls_session_cache_database": "",
}
SERVICES = """\
127.0.0.1:@PORT@ inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
127.0.0.1:@SCREEN@ inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""
RECIPIENT = "a@v.test"
# Files that no node has.
MISSING = ("/gone", "/nodir")
PROGRAMS = frozenset(line.split()[7] for line in SERVICES.splitlines()) | {"pipe", "spawn", "qmqpd"}


@dataclass(frozen=True)
class Case:
    """A configuration: what differs from the one above. ``refused`` is in our error, or is ``PROBE``."""

    breaks: str
    refused: str
    main: Mapping[str, str] = field(default_factory=dict)
    services: str = ""
    without: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    recipient: str = RECIPIENT
    port: str = PORT

    @property
    def texts(self) -> dict[str, str]:
        """The files of the configuration directory."""
        rows = {tuple(line.split()[:2]): line for line in (*SERVICES.splitlines(), *self.services.splitlines())}
        kept = [line for key, line in rows.items() if "/".join(key) not in self.without]
        return {
            "main.cf": "".join(f"{name} = {value}\n" for name, value in {**MAIN, **self.main}.items()),
            "master.cf": "".join(f"{line}\n" for line in kept),
            **self.files,
        }


_PLACES = {
    "CONFIG": "/etc/postfix-x",
    "QUEUE": "/queue",
    "DATA": "/data",
    "TAG": "postfix-x",
    **{name: str(1025 + index) for index, name in enumerate(("PORT", "SCREEN", "FREE", "TAKEN", "SINK"))},
}


def problems(case: Case, node: values.Node) -> list[str]:
    """What our validator says of a case."""
    texts = {name: re.sub(r"@([A-Z]+)@", lambda found: _PLACES[found[1]], text) for name, text in case.texts.items()}
    try:
        services = master_cf.parse(texts["master.cf"])
        main = main_cf.parameters(texts["main.cf"])
    except ConfigError as error:
        return [str(error)]
    tables = [Table(name, kind, texts[name]) for kind, name in re.findall(r"(\w+):/etc/postfix-x/(\w+)", " ".join(main.values()))]
    return [str(problem) for problem in values.check(main=main, services=services, directory="/etc/postfix-x", tables=tables, node=node)]


def _set(breaks: str, reason: str, *settings: str, **more: str) -> dict[str, Case]:
    """Cases of one parameter each, ``name = value``; N and V in the reason are those two."""
    cases = {}
    for setting in settings:
        name, value = setting.split(" = ") if " = " in setting else (setting.removesuffix(" ="), "")
        cases[f"{name} = {value}"] = Case(breaks, reason.replace("N", name).replace("V", value), main={name: value}, **more)
    return cases


def _recipient(breaks: str, reason: str, restriction: str) -> dict[str, Case]:
    name = "smtpd_recipient_restrictions"
    return {restriction: Case(breaks, f"main.cf: {name}: {reason}" if reason else PROBE, main={name: f"{restriction}, reject_unauth_destination"})}


def _smtpd(text: str, *, address: str = "127.0.0.1:@PORT@", private: str = "n", fields: str = "- n - -") -> str:
    return f"{address} inet {private} {fields} {text}"


_PIPE = {"virtual_transport": "x"}
_OTHER = "a@other.test"
_VIRTUAL = {
    "virtual_transport": "virtual",
    "virtual_mailbox_maps": "static:x",
    "virtual_mailbox_base": "/tmp",
    "virtual_uid_maps": "static:5000",
    "virtual_gid_maps": "static:5000",
}
_LOCAL = {"local_recipient_maps": ""}

CASES: dict[str, Case] = {
    # Types.
    **_set(
        GREETING,
        "main.cf: N: must be yes or no, not 'V'",
        "smtpd_delay_reject = yess",
        "smtpd_helo_required = 1",
        "smtpd_tls_auth_only = true",
        "smtpd_peername_lookup = on",
        "disable_vrfy_command = y",
        "strict_rfc821_envelopes = ja",
    ),
    **_set(SILENCE, "main.cf: N: must be yes or no, not 'V'", "always_add_missing_headers = yess", "append_dot_mydomain = nein", "resolve_numeric_domain = 1"),
    **_set(DELIVERY, "main.cf: N: must be yes or no, not 'V'", "smtp_always_send_ehlo = yess", "smtp_randomize_addresses = true"),
    **_set(
        GREETING,
        "main.cf: N: must be an integer, not 'V'",
        "smtpd_hard_error_limit = twenty",
        "smtpd_junk_command_limit = 1.5",
        "smtpd_client_connection_rate_limit = 10/60s",
        "access_map_reject_code = 5xx",
    ),
    **_set(SILENCE, "main.cf: N: must be an integer, not 'V'", "virtual_alias_expansion_limit = none"),
    **_set(
        DELIVERY,
        "main.cf: N: must be an integer, not 'V'",
        "smtp_destination_concurrency_limit = many",
        "qmgr_message_active_limit = 20k",
        "smtp_mx_address_limit = x",
    ),
    **_set(
        GREETING,
        "main.cf: N: must be a time such as 30s, 5m, 1h or 3d, not 'V'",
        "smtpd_timeout = 5x",
        "smtpd_error_sleep_time = 1q",
        "smtpd_starttls_timeout = x",
        "milter_connect_timeout = soon",
    ),
    **_set(
        DELIVERY,
        "main.cf: N: must be a time such as 30s, 5m, 1h or 3d, not 'V'",
        "bounce_queue_lifetime = 5x",
        "smtp_connect_timeout = 30x",
        "smtp_destination_rate_delay = x",
    ),
    **_set(MASTER, "main.cf: N: must be a time such as 30s, 5m, 1h or 3d, not 'V'", "service_throttle_time = 5x"),
    # Limits.
    **_set(
        GREETING,
        "main.cf: N: must not be less than 1, not 'V'",
        "smtpd_recipient_limit = 0",
        "smtpd_soft_error_limit = -1",
        "smtpd_history_flush_threshold = 0",
        "smtpd_min_data_rate = 0",
        "address_verify_poll_count = 0",
    ),
    **_set(SILENCE, "main.cf: N: must not be less than 1, not 'V'", "hopcount_limit = 0"),
    **_set(
        DELIVERY,
        "main.cf: N: must not be less than 1, not 'V'",
        "minimal_backoff_time = 0",
        "initial_destination_concurrency = 0",
        "smtp_helo_timeout = 0s",
    ),
    **_set(REPLY, "main.cf: N: must not be less than 0, not 'V'", "queue_minfree = -1"),
    **_set(GREETING, "main.cf: N: must not be more than 599, not 'V'", "unverified_recipient_reject_code = 700"),
    **_set(DELIVERY, "main.cf: N: must not be more than 8640000, not 'V'", "maximal_queue_lifetime = 200"),
    **_set(DELIVERY, "main.cf: N: must not be more than 100, not 'V'", "default_delivery_slot_discount = 200"),
    **_set(GREETING, "main.cf: N: must not be less than 10, not 'V'", "postscreen_pre_queue_limit = 5", "postscreen_watchdog_timeout = 1s", port=SCREEN),
    # Words.
    **_set(GREETING, "main.cf: N: must be one of empty, none, may, encrypt, not 'V'", "smtpd_tls_security_level = mya", "smtpd_tls_security_level = dane"),
    **_set(GREETING, "main.cf: N: must be one of", "smtpd_forbid_bare_newline = normalise", "smtpd_upstream_proxy_protocol = haproxy2"),
    **_set(GREETING, "main.cf: N: 'V' is none of", "notify_classes = bounces", "receive_override_options = no_milter"),
    **_set(SILENCE, "main.cf: N: 'V' is none of", "canonical_classes = envelope", "propagate_unmatched_extensions = all", "smtputf8_autodetect_classes = smtp"),
    **_set(
        DELIVERY,
        "main.cf: N: must be one of",
        "smtp_tls_security_level = mya",
        "smtp_dns_support_level = dnsec",
        "smtp_address_preference = ipv5",
        "info_log_address_format = internl",
    ),
    **_set(DELIVERY, "main.cf: N: 'V' is none of", "smtp_host_lookup = nis"),
    **_set(
        GREETING,
        "main.cf: N: must be one of",
        "postscreen_greet_action = enfore",
        "postscreen_dnsbl_action = reject",
        "postscreen_tls_security_level = mya",
        "postscreen_upstream_proxy_protocol = hproxy",
        port=SCREEN,
    ),
    "an unknown SASL type": Case(
        GREETING, "main.cf: smtpd_sasl_type: must be one of cyrus, dovecot, not 'courier'", main={"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "courier"}
    ),
    "an unknown SASL option": Case(
        GREETING,
        "main.cf: smtpd_sasl_security_options: 'noanonymos' is none of",
        main={"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "x", "smtpd_sasl_security_options": "noanonymos"},
    ),
    "a SASL type that clients lack": Case(
        DELIVERY,
        "main.cf: smtp_sasl_type: must be one of cyrus, not 'dovecot'",
        main={"smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": "static:a:b", "smtp_sasl_type": "dovecot"},
    ),
    "an unknown lock": Case(DELIVERY, "main.cf: virtual_mailbox_lock: 'lockf' is none of", main={**_VIRTUAL, "virtual_mailbox_lock": "lockf"}),
    # Empty values.
    **_set(SILENCE, "main.cf: N: must not be empty", "virtual_transport =", "relay_transport ="),
    **_set(DELIVERY, "main.cf: N: must not be empty", "smtp_helo_name ="),
    # Restrictions.
    **_recipient(REPLY, "unknown restriction 'permit_mynetwork' (did you mean 'permit_mynetworks'?)", "permit_mynetwork"),
    **_recipient(REPLY, "unknown restriction 'check_helo_acces' (did you mean 'check_helo_access'?)", "check_helo_acces static:x"),
    **_recipient(REPLY, "unknown restriction 'foo'", "reject_unlisted_recipient foo"),
    **_recipient(REPLY, "check_sender_access wants type:table, not 'reject_unauth_destination'", "check_sender_access"),
    **_recipient(REPLY, "check_client_access wants type:table, not '/etc/x'", "check_client_access /etc/x"),
    **_recipient(REPLY, "check_client_access wants type:table, not 'nosuch:/x'", "check_client_access nosuch:/x"),
    **_recipient(GREETING, "check_client_access wants type:table, not 'static:'", "check_client_access static:"),
    **_recipient(REPLY, "table texthash:/gone does not exist", "check_client_access texthash:/gone"),
    **_recipient(REPLY, "table pcre:/gone does not exist", "check_recipient_access pcre:/gone"),
    **_recipient(REPLY, "table cidr:/gone does not exist", "check_client_access cidr:/gone"),
    **_recipient(REPLY, "table lmdb:/gone does not exist (/gone.lmdb is missing)", "check_recipient_access lmdb:/gone"),
    **_recipient(REPLY, "a table needs an absolute path: 'texthash:relative'", "check_sender_access texthash:relative"),
    **_recipient(REPLY, "an inline table is { key=value, ... }, not '{a}'", "check_sender_access inline:{a}"),
    **_recipient(REPLY, "v.test: unknown restriction 'REJCT'", "check_recipient_access inline:{v.test=REJCT}"),
    **_recipient(DELIVERY, "v.test: transport 'nosuch' is not in master.cf", "check_recipient_access inline:{{v.test=FILTER nosuch:x}}"),
    **_recipient(REPLY, "sleep wants seconds, not 'xyz'", "sleep xyz"),
    **_recipient(SILENCE, "reject_rbl_client wants a domain, with =d.d.d.d behind it or not", "reject_rbl_client dnsbl.test=127.0.0.[2.."),
    **_recipient(GREETING, "check_policy_service wants inet:host:port or unix:path, not '127.0.0.1:1'", "check_policy_service 127.0.0.1:1"),
    **_recipient(GREETING, "unknown option 'tiemout' of a policy service (did you mean 'timeout'?)", "check_policy_service {inet:127.0.0.1:1, tiemout=3s}"),
    "a result in a file": Case(
        REPLY,
        "access: v.test: unknown restriction 'REJCT'",
        main={"smtpd_recipient_restrictions": "check_recipient_access texthash:@CONFIG@/access, reject_unauth_destination"},
        files={"access": "v.test REJCT no\n"},
    ),
    **_set(
        REPLY,
        "main.cf: N: unknown restriction 'V' (did you mean",
        "smtpd_client_restrictions = permit_mynetwork",
        "smtpd_helo_restrictions = reject_unknown_helo",
        "smtpd_sender_restrictions = reject_unknown_sender",
        "smtpd_data_restrictions = reject_unauth_pipelinng",
        "smtpd_end_of_data_restrictions = rejct",
    ),
    "everybody may relay": Case(GREETING, "must hold one of check_relay_domains, defer", main={"smtpd_relay_restrictions": "permit_mynetworks"}),
    # Tables.
    **_set(
        REPLY,
        "main.cf: N: table V does not exist",
        "virtual_alias_maps = lmdb:/gone",
        "virtual_mailbox_maps = regexp:/gone",
        "transport_maps = texthash:/gone",
        "canonical_maps = pcre:/gone",
        "recipient_canonical_maps = cdb:/gone",
        "header_checks = pcre:/gone",
        "body_checks = regexp:/gone",
        "sender_bcc_maps = lmdb:/gone",
        "virtual_mailbox_domains = lmdb:/gone",
        "mydestination = texthash:/gone",
        "virtual_alias_domains = lmdb:/gone",
        "smtpd_command_filter = pcre:/gone",
        "smtpd_discard_ehlo_keyword_address_maps = cidr:/gone",
        "mynetworks = cidr:/gone",
    ),
    **_set(
        DELIVERY,
        "main.cf: N: table V does not exist",
        "smtp_tls_policy_maps = lmdb:/gone",
        "smtp_generic_maps = lmdb:/gone",
        "smtp_header_checks = pcre:/gone",
        "smtp_reply_filter = pcre:/gone",
    ),
    **_set(REPLY, "main.cf: N: table type 'pgsql' is not installed", "virtual_alias_maps = pgsql:/gone"),
    **_set(REPLY, "main.cf: N: a table is type:name, not 'V'", "virtual_alias_maps = nosuch:x"),
    **_set(REPLY, "main.cf: N: neither a domain nor a table: 'V'", "virtual_alias_domains = nosuch:x"),
    **_set(REPLY, "main.cf: N: a table of this type is pipemap:{ ... }", "virtual_alias_maps = pipemap:static:x"),
    "recipients of the relay": Case(
        REPLY,
        "main.cf: relay_recipient_maps: table lmdb:/gone does not exist",
        main={"relay_domains": "r.test", "relay_recipient_maps": "lmdb:/gone"},
        recipient="a@r.test",
    ),
    "recipients of the host": Case(
        REPLY, "main.cf: local_recipient_maps: table lmdb:/gone does not exist", main={"local_recipient_maps": "lmdb:/gone"}, recipient="a@local.test"
    ),
    "aliases of the host": Case(
        DELIVERY, "main.cf: alias_maps: table lmdb:/gone does not exist", main={**_LOCAL, "alias_maps": "lmdb:/gone"}, recipient="root@local.test"
    ),
    "destinations by sender": Case(
        REPLY,
        "main.cf: sender_dependent_relayhost_maps: table lmdb:/gone does not exist",
        main={"sender_dependent_relayhost_maps": "lmdb:/gone"},
        recipient=_OTHER,
    ),
    "a proxied table that is not approved": Case(
        GREETING, "main.cf: local_recipient_maps: 'proxy:unix:passwd.byname' is not in proxy_read_maps", main={"proxy_read_maps": "$virtual_alias_maps"}
    ),
    "a cache without a directory": Case(
        REPLY,
        "main.cf: address_verify_map: the directory of 'lmdb:/nodir/x' does not exist",
        main={"address_verify_map": "lmdb:/nodir/x", "smtpd_recipient_restrictions": "reject_unverified_recipient"},
    ),
    # Networks.
    **_set(REPLY, "main.cf: N: not a network: 'V'", "mynetworks = 10.0.0.1/8", "mynetworks = 127.0.0.0/40", "smtpd_authorized_xclient_hosts = 10.0.0.1/8"),
    # Milters.
    **_set(REPLY, "main.cf: N: a milter is inet:host:port or unix:path, not 'V'", "smtpd_milters = 127.0.0.1:11432"),
    **_set(GREETING, "main.cf: N: unknown milter option 'conect_timeout'", "smtpd_milters = { inet:127.0.0.1:1, conect_timeout=3s }"),
    **_set(REPLY, "main.cf: N: protocol of a milter must be one of 2, 3, 4, 6, not '9'", "smtpd_milters = { inet:127.0.0.1:1, protocol=9 }"),
    "an unknown action without a milter": Case(
        REPLY,
        "main.cf: milter_default_action: must be one of accept, reject, tempfail",
        main={"smtpd_milters": "inet:127.0.0.1:1", "milter_default_action": "deny"},
    ),
    # Transports and destinations.
    **_set(
        DELIVERY, "main.cf: N: transport 'smpt' is not in master.cf (did you mean 'smtp'?)", "virtual_transport = smpt:[127.0.0.1]", "content_filter = smpt:x"
    ),
    "an unknown default transport": Case(
        DELIVERY, "main.cf: default_transport: transport 'smpt' is not in master.cf", main={"default_transport": "smpt:"}, recipient=_OTHER
    ),
    "an unknown local transport": Case(
        DELIVERY, "main.cf: local_transport: transport 'locla' is not in master.cf", main={**_LOCAL, "local_transport": "locla"}, recipient="a@local.test"
    ),
    "an unknown transport in a table": Case(
        DELIVERY,
        "transport: v.test: transport 'smpt' is not in master.cf",
        main={"transport_maps": "texthash:@CONFIG@/transport"},
        files={"transport": "v.test smpt:[127.0.0.1]:25\n"},
    ),
    "a destination with an open bracket": Case(
        DELIVERY, "main.cf: relayhost: a destination is host, [host] or [host]:port, not '[127.0.0.1'", main={"relayhost": "[127.0.0.1"}, recipient=_OTHER
    ),
    "a port beyond 65535": Case(DELIVERY, "main.cf: relayhost: a destination is host", main={"relayhost": "[127.0.0.1]:99999"}, recipient=_OTHER),
    # Settings that contradict each other.
    **_set(DELIVERY, "main.cf: N: needs smtp_sasl_password_maps", "smtp_sasl_auth_enable = yes"),
    **_set(DELIVERY, "main.cf: N: needs smtp_tls_security_level = encrypt or stronger", "smtp_tls_wrappermode = yes"),
    **_set(DELIVERY, "main.cf: N: must be an IPv4 address, not 'V'", "smtp_bind_address = 999.1.1.1", "smtp_bind_address = ::1"),
    **_set(REPLY, "main.cf: N = V: needs a certificate", "smtpd_tls_security_level = encrypt"),
    "a certificate that is not there": Case(
        REPLY,
        "main.cf: smtpd_tls_chain_files: file /gone does not exist",
        main={"smtpd_tls_security_level": "encrypt", "smtpd_tls_chain_files": "/gone"},
    ),
    "TLS from the first byte without a certificate": Case(
        GREETING, "smtpd_tls_wrappermode = yes: needs a certificate", services=_smtpd("smtpd -o smtpd_tls_wrappermode=yes")
    ),
    "mailboxes smaller than messages": Case(
        DELIVERY, "main.cf: virtual_mailbox_limit: 100 is smaller than message_size_limit", main={**_VIRTUAL, "virtual_mailbox_limit": "100"}
    ),
    "mailboxes of the host smaller than messages": Case(
        DELIVERY,
        "main.cf: mailbox_size_limit: 100 is smaller than message_size_limit",
        main={**_LOCAL, "mailbox_size_limit": "100"},
        recipient="root@local.test",
    ),
    "mailboxes nowhere": Case(
        DELIVERY, "main.cf: virtual_mailbox_base: must not be empty where virtual(8) delivers", main={**_VIRTUAL, "virtual_mailbox_base": ""}
    ),
    "mailboxes of nobody": Case(DELIVERY, "main.cf: virtual_uid_maps: must not be empty where virtual(8) delivers", main={**_VIRTUAL, "virtual_uid_maps": ""}),
    # postscreen(8).
    **_set(
        GREETING,
        "main.cf: N: a site is domain, domain*weight or domain=d.d.d.d*weight, not 'V'",
        "postscreen_dnsbl_sites = x.test*y",
        "postscreen_dnsbl_sites = x.test=127.0.0.[2..*2",
        port=SCREEN,
    ),
    **_set(IGNORED, "main.cf: N: 'V' is neither permit_mynetworks nor type:table", "postscreen_access_list = permit_mynetwork", port=SCREEN),
    "an unknown result for postscreen": Case(
        IGNORED,
        "screen: 127.0.0.0/8: the result must be permit, reject or dunno, not 'OK'",
        main={"postscreen_access_list": "cidr:@CONFIG@/screen"},
        files={"screen": "127.0.0.0/8 OK\n"},
        port=SCREEN,
    ),
    **_set(REPLY, "main.cf: N: service 'V' is not in master.cf (did you mean 'smtpd'?)", "smtpd_service_name = smptd", port=SCREEN),
    "nothing behind postscreen": Case(REPLY, "hands over to smtpd/pass, which is missing", without=("smtpd/pass",), port=SCREEN),
    "a public smtpd behind postscreen": Case(REPLY, "hands over to smtpd/pass, which must be private", services="smtpd pass n - n - - smtpd", port=SCREEN),
    "many postscreens": Case(GREETING, "maxproc must be 1 for postscreen, not '-'", services=_smtpd("postscreen", address="127.0.0.1:@SCREEN@"), port=SCREEN),
    # Services that others ask.
    **_set(
        SILENCE,
        "main.cf: N: service 'V' is not in master.cf",
        "rewrite_service_name = rewriter",
        "cleanup_service_name = cleanupp",
    ),
    **_set(DELIVERY, "main.cf: N: service 'V' is not in master.cf (did you mean 'qmgr'?)", "queue_service_name = qmgrr"),
    "no cleanup": Case(SILENCE, "master.cf: cleanup: Postfix cannot work without this service", without=("cleanup/unix",)),
    "no queue manager": Case(DELIVERY, "master.cf: qmgr: Postfix cannot work without this service", without=("qmgr/unix",)),
    "no rewriting": Case(SILENCE, "master.cf: rewrite: Postfix cannot work without this service", without=("rewrite/unix",)),
    "no proxymap": Case(GREETING, "master.cf: proxymap: Postfix cannot work without this service", without=("proxymap/unix",)),
    "a private cleanup": Case(SILENCE, "cleanup/unix: private must be n for cleanup, not '-'", services="cleanup unix - - n - 0 cleanup"),
    "a limited cleanup": Case(SILENCE, "cleanup/unix: maxproc must be 0 for cleanup, not '1'", services="cleanup unix n - n - 1 cleanup"),
    "a private queue manager": Case(DELIVERY, "qmgr/unix: private must be n for qmgr, not '-'", services="qmgr unix - - n 300 1 qmgr"),
    "many queue managers": Case(DELIVERY, "qmgr/unix: maxproc must be 1 for qmgr, not '-'", services="qmgr unix n - n 300 - qmgr"),
    "public rewriting": Case(SILENCE, "rewrite/unix: private must not be n for trivial-rewrite", services="rewrite unix n - n - - trivial-rewrite"),
    "a limited defer service": Case(
        DELIVERY, "defer/unix: maxproc must be 0 for bounce, not '5'", main={"virtual_transport": "smtp:[127.0.0.1]:1"}, services="defer unix - - n - 5 bounce"
    ),
    "many verifiers": Case(
        SILENCE,
        "verify/unix: maxproc must be 1 for verify, not '-'",
        main={"smtpd_recipient_restrictions": "reject_unverified_recipient"},
        services="verify unix - - n - - verify",
    ),
    "an unprivileged mailbox agent": Case(
        DELIVERY, "virtual/unix: unpriv must be n for virtual, not '-'", main=_VIRTUAL, services="virtual unix - - n - - virtual"
    ),
    "a privileged smtpd": Case(GREETING, "unpriv must not be n for smtpd", services=_smtpd("smtpd", fields="n n - -")),
    # Fields and arguments.
    "a program that is not there": Case(GREETING, "there is no program", services=_smtpd("smptd")),
    "a program by its path": Case(GREETING, "command must be a program name", services=_smtpd("/usr/lib/postfix/sbin/smtpd")),
    "a client for a port": Case(GREETING, "smtp serves no port", services=_smtpd("smtp")),
    "cleanup for a port": Case(GREETING, "cleanup serves no port", services=_smtpd("cleanup")),
    "an inet service that is private": Case(MASTER, "an inet service cannot be private", services=_smtpd("smtpd", private="y")),
    "an inet service that is private by default": Case(MASTER, "an inet service cannot be private", services=_smtpd("smtpd", private="-")),
    "a wake-up of a question mark": Case(MASTER, "wakeup must be seconds", services=_smtpd("smtpd", fields="- n ? -")),
    "a limit beyond 32 bits": Case(MASTER, "maxproc must not be larger than", services=_smtpd("smtpd", fields="- n - 4294967295")),
    "a port that has no name": Case(MASTER, "not a port: 'nosuch'", services=_smtpd("smtpd", address="127.0.0.1:nosuch")),
    "a protocol that is off": Case(MASTER, "needs ipv6 in inet_protocols", services=_smtpd("smtpd", address="[::1]:@FREE@")),
    "an override without a value": Case(GREETING, "-o wants name=value, not 'smtpd_banner'", services=_smtpd("smtpd -o smtpd_banner")),
    "an override with blanks": Case(GREETING, "-o wants name=value, not 'smtpd_banner'", services=_smtpd("smtpd -o smtpd_banner = x")),
    "an override without a name": Case(GREETING, "-o wants name=value, not '=x'", services=_smtpd("smtpd -o =x")),
    "an override with an open brace": Case(MASTER, "unbalanced braces", services=_smtpd("smtpd -o { smtpd_banner = x")),
    "text behind the braces": Case(MASTER, "unbalanced braces", services=_smtpd("smtpd -o {smtpd_banner=x}y")),
    "braces without a blank before": Case(GREETING, "a blank is missing behind -o", services=_smtpd("smtpd -o{ smtpd_banner = x }")),
    "an override of a bad value": Case(GREETING, "smtpd_hard_error_limit: must be an integer, not 'x'", services=_smtpd("smtpd -o smtpd_hard_error_limit=x")),
    "an override of a bad restriction": Case(REPLY, "unknown restriction 'permitt'", services=_smtpd("smtpd -o smtpd_client_restrictions=permitt")),
    "an override of a client's": Case(
        DELIVERY, "smtp/unix: smtp_connect_timeout: must be a time", services="smtp unix - - n - - smtp -o smtp_connect_timeout=5x"
    ),
    "an argument": Case(GREETING, "smtpd takes no argument: 'foo'", services=_smtpd("smtpd foo")),
    "an unknown option": Case(GREETING, "unknown option '-Q'", services=_smtpd("smtpd -Q")),
    **{
        f"pipe {name}": Case(DELIVERY, reason, main=_PIPE, services=f"x unix - n n - - pipe {arguments}")
        for name, reason, arguments in (
            ("without a user", "pipe needs user=", "argv=/bin/true"),
            ("without a command", "pipe needs argv=", "user=nobody"),
            ("as root", "pipe refuses user=root", "user=root argv=/bin/true"),
            ("with an unknown flag", "unknown flag of pipe in 'Z'", "flags=Z user=nobody argv=/bin/true"),
            ("with a misspelt attribute", "unknown attribute of pipe: 'agrv=/bin/true'", "user=nobody agrv=/bin/true"),
            ("with a size in words", "size of pipe must be a number, not 'big'", "user=nobody size=big argv=/bin/true"),
        )
    },
    "an unprivileged pipe": Case(DELIVERY, "unpriv must be n for pipe, not '-'", main=_PIPE, services="x unix - - n - - pipe user=nobody argv=/bin/true"),
    "spawn without a user": Case(GREETING, "spawn needs user=", services=_smtpd("spawn argv=/bin/true", fields="n n - -")),
    # What no file shows.
    "a port that is taken": Case(MASTER, PROBE, services=_smtpd("smtpd", address="127.0.0.1:@TAKEN@")),
    "an address of another host": Case(MASTER, PROBE, services=_smtpd("smtpd", address="192.0.2.9:@FREE@")),
    "a host that nobody knows": Case(MASTER, PROBE, services=_smtpd("smtpd", address="nosuch.invalid:@FREE@")),
    "services that are switched off": Case(GREETING, PROBE, main={"master_service_disable": "inet"}),
    "SASL without a server": Case(GREETING, PROBE, main={"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": "private/auth"}),
    **_recipient(REPLY, PROBE, "check_policy_service inet:127.0.0.1:1"),
    **_recipient(REPLY, PROBE, "check_policy_service unix:private/gone"),
    "a directory for a table": Case(GREETING, PROBE, main={"virtual_alias_maps": "texthash:/etc"}),
}
