# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import main_cf, master_cf, values
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.generation import Table

DIRECTORY = "/etc/postfix-mx"
DEFAULTS = {
    "biff": "yes",
    "smtpd_hard_error_limit": "${stress?{1}:{20}}",
    "smtpd_timeout": "${stress?{10}:{300}}s",
    "message_size_limit": "10240000",
    "mailbox_size_limit": "51200000",
    "virtual_mailbox_limit": "51200000",
    "default_destination_concurrency_limit": "20",
    "smtp_destination_concurrency_limit": "$default_destination_concurrency_limit",
    "smtpd_service_name": "smtpd",
    "myhostname": "mx.test",
    "compatibility_level": "0",
    "smtpd_relay_restrictions": "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination",
    "data_directory": "/var/lib/postfix",
    "smtpd_soft_error_limit": "10",
    "smtp_connect_timeout": "30s",
    "smtp_helo_timeout": "300s",
    "maximal_queue_lifetime": "5d",
    "postscreen_dnsbl_allowlist_threshold": "0",
    "postscreen_pre_queue_limit": "100",
    "unverified_recipient_reject_code": "450",
    "default_destination_rate_delay": "0s",
    "proxy_read_maps": "proxy:unix:passwd.byname proxy:texthash:/there",
}
SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
virtual unix - n n - - virtual
"""
TYPES = frozenset(["lmdb", "cdb", "texthash", "cidr", "pcre", "proxy", "static", "inline", "pipemap", "unionmap"])


def problems(main: dict[str, Any], services: str = "10025 inet n - n - - smtpd\n", **more: Any) -> list[str]:
    node = values.Node(defaults=DEFAULTS, map_types=TYPES, exists=more.pop("exists", lambda path: path == "/there"), data=more.pop("paths", {}))
    found = values.check(main=main_cf.parameters(main_cf.render(main)), services=master_cf.parse(SERVICES + services), directory=DIRECTORY, node=node, **more)
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("biff", True),
        ("biff", "YES"),
        ("smtpd_hard_error_limit", 5),
        ("smtpd_hard_error_limit", "${stress?{1}:{7}}"),
        ("smtpd_timeout", "30"),
        ("smtpd_timeout", "5m"),
        ("smtp_destination_concurrency_limit", "3"),
        ("compatibility_level", "3.6"),
        ("smtpd_tls_security_level", "may"),
        ("smtp_tls_security_level", "dane-only"),
        ("inet_protocols", "ipv4, ipv6"),
        ("smtpd_milters", ["inet:127.0.0.1:11432", "unix:/run/m.sock"]),
        ("smtpd_milters", "{ inet:127.0.0.1:11432, connect_timeout=3s, default_action=tempfail }"),
        ("smtpd_milters", "{ unix:/run/m.sock, command_timeout = 3s }"),
        ("smtpd_recipient_restrictions", ["permit_mynetworks", "reject_rbl_client dnsbl.test=127.0.0.[2..4]", "reject"]),
        ("smtpd_recipient_restrictions", ["check_policy_service { inet:127.0.0.1:1, timeout=3s }", "reject_unauth_destination"]),
        ("smtpd_client_restrictions", ["sleep 1", "warn_if_reject reject_unknown_client_hostname", "check_client_access static:{ 550 no }"]),
        ("smtpd_sender_restrictions", ["REJECT_NON_FQDN_SENDER"]),
        ("default_transport", "smtp:[relay.test]"),
        ("virtual_transport", "virtual"),
        ("relay_transport", "$default_transport"),
        ("mynetworks", ["127.0.0.0/8", "[::1]/128", "!192.0.2.1", "10.91.1.0/24"]),
        ("smtp_tls_session_cache_database", "lmdb:$data_directory/smtp_scache"),
        ("virtual_alias_maps", ["inline:{ a=b }", "static:x", "pipemap:{ static:a, static:b }"]),
        ("smtpd_tls_chain_files", "/there"),
        ("smtpd_banner", "$myhostname ESMTP"),
        ("smtpd_banner", "costs $$5"),
        ("smtpd_expansion_filter", "\\t !\"#$%&'()"),
        ("smtpd_soft_error_limit", "1"),
        ("smtp_connect_timeout", "0"),
        ("smtp_helo_timeout", "1s"),
        ("maximal_queue_lifetime", "100d"),
        ("maximal_queue_lifetime", "100"),
        ("maximal_queue_lifetime", "0"),
        ("postscreen_dnsbl_allowlist_threshold", "-1"),
        ("postscreen_pre_queue_limit", "10"),
        ("unverified_recipient_reject_code", "550"),
        ("smtp_destination_rate_delay", "0s"),
        ("smtpd_recipient_restrictions", ["reject_rbl_client dnsbl.test=127.0.[0;1..3].[2..11]", "reject_rhsbl_sender dbl.test", "reject"]),
        ("smtpd_recipient_restrictions", ["check_policy_service { unix:private/x, timeout=3s, default_action=DUNNO }", "reject"]),
        ("smtpd_client_restrictions", ["check_client_access inline:{ { 192.0.2.1 = 550 5.7.1 go away }, a.test=DUNNO, b.test=reject_unknown_helo_hostname }"]),
        (
            "smtpd_client_restrictions",
            ["check_client_access inline:{ { a.test = FILTER smtp:[b.test]:25 }, {b.test=REDIRECT a@b.test}, c.test=OK, d.test=12 }"],
        ),
        ("postscreen_access_list", ["permit_mynetworks", "cidr:/there", "static:permit"]),
        ("postscreen_dnsbl_sites", ["zen.test*3", "a.test=127.0.0.[2..11]*-1", "b.test"]),
        ("relayhost", "[relay.test]:587"),
        ("relayhost", "relay.test:submission"),
        ("relayhost", "[2001:db8::1]:25, [192.0.2.1]"),
        ("smtp_bind_address", "192.0.2.1"),
        ("smtp_bind_address6", "2001:db8::1"),
        ("local_recipient_maps", "proxy:unix:passwd.byname $alias_maps"),
        ("address_verify_map", "lmdb:$data_directory/verify"),
        ("virtual_alias_maps", "proxy:texthash:/there"),
        ("smtpd_client_event_limit_exceptions", "0.0.0.0/0"),
        ("header_checks", "pcre:{{/^a$$/ REJECT}}"),
    ],
)
def test_what_postfix_accepts_and_survives_is_accepted(name: str, value: Any) -> None:
    assert problems({name: value}) == []


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("biff", "yess", "main.cf: biff: must be yes or no, not 'yess'"),
        ("biff", "true", "must be yes or no"),
        ("smtpd_hard_error_limit", "twenty", "must be an integer, not 'twenty'"),
        ("smtp_destination_concurrency_limit", "3s", "must be an integer"),
        ("filter_destination_concurrency_limit", "many", "must be an integer"),
        ("smtpd_timeout", "5x", "must be a time such as 30s, 5m, 1h or 3d, not '5x'"),
        ("smtpd_tls_security_level", "mya", "must be one of empty, none, may, encrypt, not 'mya' (did you mean 'may'?)"),
        ("smtpd_tls_security_level", "dane", "must be one of"),
        ("inet_protocols", "ip4", "'ip4' is none of all, ipv4, ipv6 (did you mean 'ipv4'?)"),
        ("milter_default_action", "deny", "must be one of accept"),
        ("smtpd_milters", "127.0.0.1:11432", "a milter is inet:host:port or unix:path, not '127.0.0.1:11432'"),
        ("smtpd_milters", "inet:127.0.0.1", "a milter is inet:host:port"),
        ("smtpd_milters", "{ inet:127.0.0.1:1, conect_timeout=3s }", "unknown milter option 'conect_timeout' (did you mean 'connect_timeout'?)"),
        ("smtpd_milters", "{ inet:127.0.0.1:1, connect_timeout=soon }", "connect_timeout of a milter must be a time"),
        ("smtpd_milters", "{ inet:127.0.0.1:1, default_action=deny }", "default_action of a milter must be one of"),
        ("smtpd_recipient_restrictions", "reject_unauth_destinatio", "(did you mean 'reject_unauth_destination'?)"),
        ("smtpd_client_restrictions", "check_client_access", "check_client_access wants an argument"),
        ("smtpd_client_restrictions", "check_client_access /etc/x", "check_client_access wants type:table, not '/etc/x'"),
        ("smtpd_client_restrictions", "check_policy_service 127.0.0.1:1", "check_policy_service wants inet:host:port or unix:path"),
        ("smtpd_client_restrictions", "sleep long", "sleep wants seconds"),
        ("default_transport", "smpt:[relay.test]", "transport 'smpt' is not in master.cf (did you mean 'smtp'?)"),
        ("mynetworks", "10.0.0.1/8", "not a network: '10.0.0.1/8'"),
        ("mynetworks", "0.0.0.0/0", "trusts the whole world"),
        ("mynetworks", "[::]/0", "trusts the whole world"),
        ("virtual_alias_maps", "mysql:/there", "table type 'mysql' is not installed"),
        ("virtual_alias_maps", "proxy:mysql:/there", "table type 'mysql' is not installed"),
        ("virtual_alias_maps", "texthash:aliases", "a table needs an absolute path"),
        ("virtual_alias_maps", "texthash:/gone", "table texthash:/gone does not exist (/gone is missing)"),
        ("virtual_alias_maps", "lmdb:/there", "table lmdb:/there does not exist (/there.lmdb is missing)"),
        ("virtual_alias_maps", f"texthash:{DIRECTORY}/aliases", "is not part of the generation"),
        ("smtp_tls_session_cache_database", "btree:$data_directory/x", "table type 'btree' is not installed"),
        ("smtpd_tls_chain_files", "/gone", "file /gone does not exist"),
        ("smtpd_banner", "$ 5", "main.cf: smtpd_banner: no name behind '$' in '$ 5'"),
        ("smtpd_banner", "$(myhostname", "no ')' for '(myhostname'"),
        ("smtpd_banner", "$smtpd_banner", "names that refer to each other"),
        ("header_checks", "pcre:{{/^a$/ REJECT}}", "no name behind '$'"),
        ("smtp_connect_timeout", "100ms", "must be a time"),
        ("maximal_queue_lifetime", "101d", "must not be more than 8640000, not '101d'"),
        ("maximal_queue_lifetime", "15w", "must not be more than 8640000"),
        ("smtpd_client_restrictions", "check_client_access inline:{ a.test=REDIRECT b }", "a.test: REDIRECT wants an address"),
        ("smtpd_client_restrictions", "check_client_access inline:{ a.test=FILTER }", "a.test: FILTER wants transport:destination"),
        ("smtp_bind_address6", "192.0.2.1", "must be an IPv6 address"),
        ("virtual_alias_maps", "proxy:cidr:/there", "'proxy:cidr:/there' is not in proxy_read_maps"),
        ("address_verify_map", "proxy:lmdb:$data_directory/x", "'proxy:lmdb:/var/lib/postfix/x' is not in proxy_write_maps"),
        ("smtpd_banner", "x # y", "a comment after other text is not allowed"),
        ("message_size_limit", 99999999, "mailbox_size_limit: 51200000 is smaller than message_size_limit = 99999999"),
        ("bounce_service_name", "bonce", "service 'bonce' is not in master.cf (did you mean 'bounce'?)"),
    ],
)
def test_what_postfix_accepts_and_dies_of_is_refused(name: str, value: Any, reason: str) -> None:
    found = problems({name: value})
    assert len(found) >= 1
    assert reason in found[0]


@pytest.mark.parametrize(
    ("services", "reason"),
    [
        ("10025 inet n - n - - smtpd -o smtpd_tls_security_level=mya\n", "master.cf: 10025/inet: smtpd_tls_security_level: must be one of"),
        ("10025 inet n - n - - smtpd -o smtpd_client_restrictions=permitt\n", "unknown restriction 'permitt'"),
        ("10025 inet n - n - - smtpd\n127.0.0.1:10025 inet n - n - - smtpd\n", "port 10025 is taken by 10025/inet already"),
        ("smtp inet n - n - - smtpd\n25 inet n - n - - smtpd\n", "port 25 is taken by smtp/inet already"),
        ("smtp inet n - n - 1 postscreen\n", "hands over to smtpd/pass, which is missing"),
        ("10025 inet n - n - - smtpd -o smtpd_relay_restrictions=permit_mynetworks\n", "must hold one of"),
        ("10025 inet n - n - - smtpd -o smtpd_relay_restrictions=permit,reject\n", "must hold one of"),
        ("nosuch inet n - n - - smtpd\n", "not a port: 'nosuch'"),
    ],
)
def test_a_service_that_would_not_serve_is_refused(services: str, reason: str) -> None:
    found = problems({}, services)
    assert len(found) == 1
    assert reason in found[0]


def test_the_same_port_on_two_addresses_is_accepted() -> None:
    assert problems({}, "127.0.0.1:10025 inet n - n - - smtpd\n[::1]:10025 inet n - n - - smtpd\n") == []


def test_a_service_that_postfix_needs_is_missed() -> None:
    found = values.check(main={}, services=[], directory=DIRECTORY)
    assert "master.cf: cleanup: Postfix cannot work without this service" in [str(problem) for problem in found]


def test_a_domain_belongs_to_one_address_class() -> None:
    found = problems({"virtual_mailbox_domains": ["a.test"], "relay_domains": ["A.test"]})
    assert found == ["main.cf: relay_domains: domain 'a.test' is in virtual_mailbox_domains already"]


def test_restriction_classes_are_known_and_checked() -> None:
    classes = {"smtpd_restriction_classes": ["strict"], "strict": "reject_unknwon_sender_domain", "smtpd_sender_restrictions": "strict"}
    assert problems(classes) == ["main.cf: strict: unknown restriction 'reject_unknwon_sender_domain' (did you mean 'reject_unknown_sender_domain'?)"]


def test_a_table_of_the_generation_counts_as_there() -> None:
    assert problems({"virtual_alias_maps": f"texthash:{DIRECTORY}/aliases"}, tables=[Table("aliases", "texthash", "a b\n")]) == []


def test_a_table_compiled_as_another_type_is_refused() -> None:
    found = problems({"virtual_alias_maps": f"lmdb:{DIRECTORY}/aliases"}, tables=[Table("aliases", "cdb", "a b\n")])
    assert found == [f"main.cf: virtual_alias_maps: table {DIRECTORY}/aliases is made as cdb, not as lmdb"]


def test_a_data_table_about_to_be_published_counts_as_there() -> None:
    assert problems({"virtual_alias_maps": "lmdb:/data/aliases"}, paths={"/data/aliases": "lmdb"}) == []


def test_a_transport_named_in_a_table_must_exist() -> None:
    found = problems(
        {"transport_maps": f"texthash:{DIRECTORY}/transport"},
        tables=[Table("transport", "texthash", "a.test smtp:[b.test]\nb.test :[c.test]\nc.test lmpt:unix:x\n")],
    )
    assert found == ["transport: c.test: transport 'lmpt' is not in master.cf"]


def test_without_postfix_only_what_needs_no_postfix_is_checked() -> None:
    found = values.check(
        main={"biff": "yess", "smtpd_tls_security_level": "mya", "virtual_alias_maps": "texthash:/gone"},
        services=master_cf.parse(SERVICES),
        directory=DIRECTORY,
    )
    assert [problem.subject for problem in found] == ["smtpd_tls_security_level"]
