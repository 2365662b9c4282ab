# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import postfix_accepts as accepts
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import values

# Of `postconf -d`: what tells the types of the parameters in the table.
DEFAULTS = {
    **dict.fromkeys(
        (
            *("smtpd_delay_reject", "smtpd_helo_required", "smtpd_tls_auth_only", "smtpd_peername_lookup", "disable_vrfy_command"),
            *("strict_rfc821_envelopes", "always_add_missing_headers", "append_dot_mydomain", "resolve_numeric_domain", "smtp_always_send_ehlo"),
            *("smtp_randomize_addresses", "smtpd_sasl_auth_enable", "smtp_sasl_auth_enable", "smtp_tls_wrappermode", "smtpd_tls_wrappermode"),
        ),
        "no",
    ),
    **dict.fromkeys(
        (
            *("smtpd_hard_error_limit", "smtpd_junk_command_limit", "smtpd_client_connection_rate_limit", "access_map_reject_code"),
            *("virtual_alias_expansion_limit", "qmgr_message_active_limit", "smtp_mx_address_limit", "default_destination_concurrency_limit"),
            *("smtpd_recipient_limit", "smtpd_soft_error_limit", "smtpd_history_flush_threshold", "smtpd_min_data_rate", "address_verify_poll_count"),
            *("hopcount_limit", "initial_destination_concurrency", "queue_minfree", "unverified_recipient_reject_code", "virtual_mailbox_limit"),
            *("default_delivery_slot_discount", "postscreen_pre_queue_limit", "mailbox_size_limit"),
        ),
        "100",
    ),
    **dict.fromkeys(
        (
            *("smtpd_timeout", "smtpd_error_sleep_time", "smtpd_starttls_timeout", "milter_connect_timeout", "bounce_queue_lifetime"),
            *("smtp_connect_timeout", "default_destination_rate_delay", "service_throttle_time", "minimal_backoff_time", "smtp_helo_timeout"),
            *("maximal_queue_lifetime", "postscreen_watchdog_timeout"),
        ),
        "30s",
    ),
    "mailbox_size_limit": "51200000",
    "virtual_mailbox_limit": "51200000",
    "message_size_limit": "10240000",
    "daemon_directory": "/usr/lib/postfix/sbin",
    "smtpd_service_name": "smtpd",
    "local_recipient_maps": "proxy:unix:passwd.byname $alias_maps",
    "proxy_read_maps": "$local_recipient_maps $virtual_alias_maps",
    "virtual_mailbox_base": "",
}
NODE = values.Node(
    defaults=DEFAULTS,
    map_types=frozenset(["lmdb", "cdb", "texthash", "cidr", "pcre", "regexp", "proxy", "static", "inline", "pipemap", "unix"]),
    exists=lambda path: path.rsplit("/", 1)[1] in accepts.PROGRAMS if path.startswith("/usr/lib/postfix") else not path.startswith(accepts.MISSING),
)


@pytest.mark.parametrize("port", [accepts.PORT, accepts.SCREEN])
def test_the_configuration_that_all_cases_change_is_accepted(port: str) -> None:
    assert accepts.problems(accepts.Case("", "", port=port), NODE) == []


@pytest.mark.parametrize("name", [name for name, case in accepts.CASES.items() if case.refused != accepts.PROBE])
def test_what_breaks_a_service_is_refused_by_name_and_value(name: str) -> None:
    found = accepts.problems(accepts.CASES[name], NODE)
    assert [text for text in found if accepts.CASES[name].refused in text], found


@pytest.mark.parametrize("name", [name for name, case in accepts.CASES.items() if case.refused == accepts.PROBE])
def test_what_no_file_shows_is_not_refused(name: str) -> None:
    assert accepts.problems(accepts.CASES[name], NODE) == []


def test_there_are_enough_of_them() -> None:
    assert len(accepts.CASES) >= 60
    assert len({str(case.texts) for case in accepts.CASES.values()}) == len(accepts.CASES)
