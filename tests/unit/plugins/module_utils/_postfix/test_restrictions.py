# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import restrictions, values
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from hypothesis import given
from hypothesis import strategies as st

CLIENT, HELO, SENDER, RELAY, RECIPIENT, DATA, END_OF_DATA, ETRN = (
    f"smtpd_{stage}_restrictions" for stage in ("client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn")
)
STOP = "reject_unauth_destination"
TABLE = "lmdb:/etc/postfix/t"


def judged(source: Any, context: str = RECIPIENT, **options: Any) -> list[str]:
    return restrictions.restriction_list(source, context, **options)


@pytest.mark.parametrize(
    ("source", "context", "result"),
    [
        pytest.param([], RELAY, [], id="an empty relay list leaves the decision to the recipient list"),
        pytest.param("permit_mynetworks,reject", RECIPIENT, ["permit_mynetworks", "reject"], id="text with commas"),
        pytest.param("permit_mynetworks\n    reject\n", RECIPIENT, ["permit_mynetworks", "reject"], id="text over lines"),
        pytest.param([f"check_sender_access  {TABLE}"], SENDER, [f"check_sender_access {TABLE}"], id="an argument in the element"),
        pytest.param(["check_sender_access", TABLE], SENDER, [f"check_sender_access {TABLE}"], id="an argument in the next element"),
        pytest.param(["Permit_MyNetworks", "REJECT"], RECIPIENT, ["permit_mynetworks", "reject"], id="names in capitals"),
        pytest.param("reject_unknown_client, reject_rbl z.test", CLIENT, ["reject_unknown_client_hostname", "reject_rbl_client z.test"], id="old names"),
        pytest.param("reject_unknown_hostname", HELO, ["reject_unknown_helo_hostname"], id="an old name of HELO"),
        pytest.param(TABLE, SENDER, [f"check_sender_access {TABLE}"], id="a table alone means the sender in the sender list"),
        pytest.param(TABLE, ETRN, [f"check_etrn_access {TABLE}"], id="a table alone means the domain in the ETRN list"),
        pytest.param([STOP, TABLE], RELAY, [STOP, f"check_recipient_access {TABLE}"], id="a table alone means the recipient in the relay list"),
        pytest.param(
            "check_policy_service { unix:private/policy, timeout=10s, default_action=DUNNO }",
            DATA,
            ["check_policy_service { unix:private/policy, timeout=10s, default_action=DUNNO }"],
            id="an argument in braces",
        ),
        pytest.param(
            "warn_if_reject reject_rbl_client z.test reject_rbl_client z.test",
            CLIENT,
            ["warn_if_reject reject_rbl_client z.test", "reject_rbl_client z.test"],
            id="a warning is no duplicate of a rejection",
        ),
        pytest.param(
            "reject_rbl_client a.test, reject_rbl_client b.test, Reject_RBL_client a.test",
            CLIENT,
            ["reject_rbl_client a.test", "reject_rbl_client b.test"],
            id="the first of two stays",
        ),
        pytest.param("reject_unknown_client, reject_unknown_client_hostname", CLIENT, ["reject_unknown_client_hostname"], id="old and new name are one"),
        pytest.param("sleep 1, sleep 1", CLIENT, ["sleep 1", "sleep 1"], id="pauses add up"),
        pytest.param("permit_mynetworks, reject, reject", CLIENT, ["permit_mynetworks", "reject"], id="a second end is a duplicate"),
        pytest.param("warn_if_reject reject, permit_mynetworks", CLIENT, ["warn_if_reject reject", "permit_mynetworks"], id="a warning ends nothing"),
    ],
)
def test_a_list_has_one_spelling_and_no_duplicates(source: Any, context: str, result: list[str]) -> None:
    assert judged(source, context) == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        pytest.param(
            f"permit_mynetworks, reject_non_fqdn_sender, reject_unverified_recipient, {STOP}, reject_rbl_client z.test",
            ["permit_mynetworks", STOP, "reject_non_fqdn_sender", "reject_unverified_recipient", "reject_rbl_client z.test"],
            id="ahead of what only rejects, behind what permits",
        ),
        pytest.param("reject_non_fqdn_sender, defer_unauth_destination", ["defer_unauth_destination", "reject_non_fqdn_sender"], id="the deferring one"),
        pytest.param(f"warn_if_reject reject_non_fqdn_sender, {STOP}", ["warn_if_reject reject_non_fqdn_sender", STOP], id="not over a warning"),
        pytest.param(f"defer_if_reject, {STOP}", ["defer_if_reject", STOP], id="not over what changes the reply"),
        pytest.param(f"sleep 1, {STOP}", ["sleep 1", STOP], id="not over a pause"),
        pytest.param(f"check_sender_mx_access {TABLE}, {STOP}", [f"check_sender_mx_access {TABLE}", STOP], id="not over a table"),
        pytest.param("reject_non_fqdn_sender, reject", ["reject_non_fqdn_sender", "reject"], id="an unconditional end stays the end"),
    ],
)
@pytest.mark.parametrize("context", [RELAY, RECIPIENT])
def test_only_the_refusal_to_relay_moves(source: str, result: list[str], context: str) -> None:
    assert judged(source, context) == result


OUTCOMES = {
    "permit_mynetworks": ("OK", "DUNNO"),
    "permit_sasl_authenticated": ("OK", "DUNNO"),
    "reject_non_fqdn_recipient": ("REJECT", "DUNNO"),
    "reject_unknown_sender_domain": ("REJECT", "DUNNO", "DEFER_IF_PERMIT"),
    "reject_rbl_client z.test": ("REJECT", "DUNNO"),
    "warn_if_reject reject_unverified_sender": ("DUNNO",),
    "defer_if_permit": ("DEFER_IF_PERMIT",),
    "defer_if_reject": ("DEFER_IF_REJECT",),
    STOP: ("REJECT", "DUNNO"),
}


def accepted(entries: list[str], outcome: dict[str, str]) -> bool:
    """What smtpd(8) makes of a list (generic_checks, smtpd_check_rcpt), as far as acceptance goes."""
    deferred: set[str] = set()
    for entry in entries:
        if outcome[entry] == "REJECT":
            return False
        if outcome[entry] == "OK":
            break
        deferred |= {outcome[entry]} - {"DUNNO"}
        if deferred == {"DEFER_IF_PERMIT", "DEFER_IF_REJECT"}:
            break
    return "DEFER_IF_PERMIT" not in deferred


@given(st.lists(st.sampled_from(sorted(OUTCOMES)), max_size=8), st.fixed_dictionaries({name: st.sampled_from(said) for name, said in OUTCOMES.items()}))
def test_the_same_recipients_are_accepted_after_it(entries: list[str], outcome: dict[str, str]) -> None:
    assert accepted(judged(entries), outcome) == accepted(entries, outcome)


@given(st.lists(st.sampled_from(sorted(OUTCOMES)), max_size=8))
def test_a_result_is_its_own_result(entries: list[str]) -> None:
    assert judged(judged(entries)) == judged(entries)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("reject_unauth_destinaton", "unknown restriction 'reject_unauth_destinaton' (did you mean 'reject_unauth_destination'?)"),
        ("check_client_access", "check_client_access wants an argument"),
        (f"check_client_access, {STOP}", f"check_client_access wants type:table, not '{STOP}'"),
        ("check_client_access /etc/postfix/t", "check_client_access wants type:table, not '/etc/postfix/t'"),
        (f"reject_rbl_client, {STOP}", f"reject_rbl_client wants an argument, but {STOP} follows"),
        ("check_policy_service 10023", "check_policy_service wants inet:host:port or unix:path, not '10023'"),
        ("sleep 1s", "sleep wants a number of seconds, not '1s'"),
        (f"{STOP}, warn_if_reject", "warn_if_reject does nothing at the end"),
        ("warn_if_reject permit_mynetworks, reject", "warn_if_reject does nothing to permit_mynetworks"),
        ("warn_if_reject warn_if_reject reject", "warn_if_reject does nothing to warn_if_reject"),
        ("check_relay_domains", "Postfix 3.9 removed check_relay_domains, use reject_unauth_destination"),
        (["permit_naked_ip_address", STOP], "Postfix 3.9 removed permit_naked_ip_address"),
        ("reject_maps_rbl", "Postfix 3.9 removed reject_maps_rbl, use reject_rbl_client"),
        (f"reject, {STOP}", f"{STOP} is never reached behind reject"),
        (f"{STOP}, permit, reject_rbl_client z.test", "reject_rbl_client z.test is never reached behind permit"),
        ("defer, reject", "reject is never reached behind defer"),
        ([STOP, 5], "an entry is a text, not int: 5"),
        ([f"{STOP}\0"], "control character"),
    ],
)
def test_what_postfix_misreads_is_refused(source: Any, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        judged(source)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{RECIPIENT}: ")


def test_a_context_that_is_no_list_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"is no list of restrictions \(did you mean 'smtpd_recipient_restrictions'\?\)"):
        judged(STOP, "smtpd_recipients_restrictions")


@pytest.mark.parametrize("context", [DATA, END_OF_DATA])
def test_a_table_alone_means_nothing_behind_data(context: str) -> None:
    with pytest.raises(ConfigError, match=f"{TABLE} wants a restriction such as check_client_access before it"):
        judged(TABLE, context)


STRANGERS = [
    f"check_client_access {TABLE}",
    f"check_helo_access {TABLE}",
    f"check_sender_access {TABLE}",
    f"check_recipient_access {TABLE}",
    f"warn_if_reject check_sender_access {TABLE}",
    TABLE,
    "check_client_access static:OK",
    "check_client_access static:530",
    "check_sasl_access static:ok",
    "check_policy_service unix:private/policy",
    "permit_dnswl_client list.test",
    "permit_rhswl_client list.test",
    "permit_mx_backup",
    "permit_tls_all_clientcerts",
    "$extra",
]
SAFE = [
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "permit_tls_clientcerts",
    "permit_inet_interfaces",
    "permit_auth_destination",
    "reject_rbl_client z.test",
    f"check_sender_mx_access {TABLE}",
    f"check_reverse_client_hostname_access {TABLE}",
    f"check_reverse_client_hostname_ns_access {TABLE}",
    f"check_sasl_access {TABLE}",
    f"check_ccert_access {TABLE}",
    "check_client_access static:{530 5.7.0 Authentication required}",
    "check_client_access static:REJECT",
]


@pytest.mark.parametrize("entry", STRANGERS)
@pytest.mark.parametrize("stop", [STOP, "reject"])
@pytest.mark.parametrize("context", [RELAY, RECIPIENT])
def test_what_may_permit_strangers_is_refused_ahead_of_what_denies_relaying(entry: str, stop: str, context: str) -> None:
    with pytest.raises(ConfigError, match=f" ahead of {stop}, which decides who may relay"):
        judged(["permit_mynetworks", entry, stop], context)


@pytest.mark.parametrize("entry", STRANGERS)
def test_the_same_is_taken_behind_it(entry: str) -> None:
    assert len(judged([STOP, entry], RELAY)) == 2


@pytest.mark.parametrize("entry", STRANGERS)
def test_the_same_is_taken_where_relaying_is_decided_elsewhere(entry: str) -> None:
    assert len(judged([entry], RECIPIENT)) == 1


@pytest.mark.parametrize("entry", STRANGERS)
def test_the_same_is_taken_when_somebody_vouches_for_it(entry: str) -> None:
    assert len(judged([entry, STOP], RELAY, vouched=[entry.removeprefix("warn_if_reject ")])) == 2


@pytest.mark.parametrize("entry", SAFE)
def test_what_permits_no_stranger_may_stand_ahead(entry: str) -> None:
    assert sorted(judged([entry, STOP], RELAY)) == sorted([entry, STOP])


def test_a_voucher_that_fits_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="check_client_access lmdb:/y is vouched for, but not in the list"):
        judged(STOP, vouched="check_client_access lmdb:/y")


@pytest.mark.parametrize("source", ["permit_mynetworks", "permit_mynetworks, permit", f"warn_if_reject {STOP}"])
def test_a_relay_list_that_denies_nobody_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="everybody may relay: it must hold one of defer, .*reject_unauth_destination"):
        judged(source, RELAY)


@pytest.mark.parametrize(
    ("entry", "looks_at"),
    [
        ("reject_plaintext_session", "encryption"),
        ("reject_non_fqdn_helo_hostname", "HELO"),
        ("reject_rhsbl_helo z.test", "HELO"),
        (f"check_helo_mx_access {TABLE}", "HELO"),
        (f"check_sender_access {TABLE}", "sender"),
        ("reject_sender_login_mismatch", "sender"),
        ("reject_unknown_sender_domain", "sender"),
        ("reject_unlisted_sender", "sender"),
        (f"check_recipient_access {TABLE}", "recipient"),
        (STOP, "recipient"),
        ("permit_auth_destination", "recipient"),
        ("permit_mx_backup", "recipient"),
        ("reject_unverified_recipient", "recipient"),
        ("reject_multi_recipient_bounce", "number"),
        (f"check_etrn_access {TABLE}", "domain"),
        (f"check_client_access {TABLE}", "client"),
        ("reject_unauth_pipelining", "client"),
        ("reject_rhsbl_client z.test", "client"),
    ],
)
def test_a_restriction_is_taken_where_postfix_knows_what_it_looks_at(entry: str, looks_at: str) -> None:
    places = {
        # postconf(5): always, and only while smtpd_delay_reject is on
        "client": ({CLIENT, HELO, SENDER, RELAY, RECIPIENT, DATA, END_OF_DATA, ETRN}, set()),
        "encryption": ({SENDER, RELAY, RECIPIENT, DATA, END_OF_DATA, ETRN}, {CLIENT, HELO}),
        "HELO": ({HELO, SENDER, RELAY, RECIPIENT, DATA, END_OF_DATA, ETRN}, {CLIENT}),
        "sender": ({SENDER, RELAY, RECIPIENT, DATA, END_OF_DATA}, {CLIENT, HELO}),
        "recipient": ({RELAY, RECIPIENT}, {CLIENT, HELO, SENDER}),
        "number": ({DATA, END_OF_DATA}, set()),
        "domain": ({ETRN}, {CLIENT, HELO}),
    }

    def taken(*, delay_reject: bool) -> set[str]:
        found = set()
        for context in values.RESTRICTION_LISTS:
            # Behind a refusal to relay, so that only the place is judged.
            source = [STOP, entry] if context == RELAY else [entry]
            with contextlib.suppress(ConfigError):
                judged(source, context, delay_reject=delay_reject)
                found.add(context)
        return found

    always, delayed = places[looks_at]
    assert (taken(delay_reject=False), taken(delay_reject=True)) == (always, always | delayed)


def test_the_error_names_the_list_where_a_sender_rule_belongs() -> None:
    with pytest.raises(ConfigError, match=r"only while smtpd_delay_reject is on: it belongs into smtpd_sender_restrictions"):
        judged(f"check_sender_access {TABLE}", CLIENT)


@pytest.mark.parametrize(
    ("mynetworks", "balancers"),
    [
        (["192.0.2.0/24"], ["192.0.2.7"]),
        ("127.0.0.0/8, 192.0.2.7", "198.51.100.1, 192.0.2.7"),
        ("[2001:db8::]/32", "[2001:db8::7]"),
        (["2001:db8::/32"], ["2001:db8::7"]),
        ("!192.0.2.8, 192.0.2.0/24", "192.0.2.7"),
    ],
)
@pytest.mark.parametrize("context", [CLIENT, RELAY, DATA])
def test_a_trusted_balancer_is_refused(mynetworks: Any, balancers: Any, context: str) -> None:
    with pytest.raises(ConfigError, match=r"permit_mynetworks permits everybody: balancer \S+7 is inside \S+ of mynetworks"):
        judged("permit_mynetworks, reject", context, mynetworks=mynetworks, balancers=balancers)


@pytest.mark.parametrize(
    ("source", "mynetworks", "balancers"),
    [
        ("permit_mynetworks, reject", ["192.0.2.0/24"], ["198.51.100.7"]),
        ("permit_mynetworks, reject", ["192.0.2.0/24"], []),
        ("permit_mynetworks, reject", "!192.0.2.7, 192.0.2.0/24", "192.0.2.7"),
        ("permit_sasl_authenticated, reject", ["192.0.2.0/24"], ["192.0.2.7"]),
        ("permit_mynetworks, reject", "", ["2001:db8::7"]),
        ("permit_inet_interfaces, reject", None, ["192.0.2.7"]),
    ],
)
def test_a_balancer_that_is_not_trusted_is_taken(source: str, mynetworks: Any, balancers: Any) -> None:
    assert judged(source, RELAY, mynetworks=mynetworks, balancers=balancers) == source.split(", ")


@pytest.mark.parametrize(
    ("source", "options", "reason"),
    [
        ("permit_inet_interfaces, reject", {"balancers": ["127.0.0.1"]}, "connections come from balancer 127.0.0.1"),
        ("permit_mynetworks, reject", {"balancers": ["192.0.2.7"]}, "cannot be judged by balancers without mynetworks"),
        ("permit_mynetworks, reject", {"balancers": ["lb"], "mynetworks": []}, "balancers: not an address: 'lb'"),
        ("permit_mynetworks, reject", {"balancers": ["192.0.2.7"], "mynetworks": "cidr:/etc/x"}, "mynetworks: 'cidr:/etc/x' is no network"),
        ("permit_mynetworks, reject", {"balancers": ["192.0.2.7"], "mynetworks": "192.0.2.1/24"}, "has host bits set"),
    ],
)
def test_trust_that_cannot_be_judged_is_refused(source: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        judged(source, RELAY, **options)


@pytest.mark.parametrize(
    ("source", "classes", "reason"),
    [
        pytest.param(["friends", STOP], {"friends": ["permit_dnswl_client w.test"]}, "permit_dnswl_client w.test .* ahead of", id="permits"),
        pytest.param(["warn_if_reject strict"], {"strict": [STOP]}, "everybody may relay", id="a warning warns for all members"),
        pytest.param(["strict", "permit_mynetworks"], {"strict": [STOP, "reject"]}, "permit_mynetworks is never reached", id="ends the list"),
        pytest.param(["a", STOP], {"a": "b", "b": "a"}, "the class a holds itself", id="in a circle"),
        pytest.param(["a", STOP], {"a": "reject_nothing"}, "unknown restriction 'reject_nothing'", id="unknown member"),
        pytest.param(["A", STOP], {"a": "reject_unlisted_sender"}, "unknown restriction 'A'", id="a class has its capitals"),
    ],
)
def test_a_class_is_judged_as_if_its_members_stood_there(source: list[str], classes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        judged(source, RELAY, classes=classes)


def test_a_class_stays_a_name() -> None:
    assert judged(["Own", STOP], RELAY, classes={"Own": [f"check_sender_ns_access {TABLE}"]}) == ["Own", STOP]


def test_a_class_may_hold_what_denies_relaying() -> None:
    assert judged(["own"], RELAY, classes={"own": ["permit_mynetworks", STOP]}) == ["own"]


def test_every_restriction_that_postfix_knows_is_taken_somewhere() -> None:
    arguments = {"check_policy_service": "unix:private/p", "sleep": "1", **dict.fromkeys(values._TABLE_RESTRICTIONS, TABLE)}
    known = values._PLAIN_RESTRICTIONS | values._TABLE_RESTRICTIONS | values._WORD_RESTRICTIONS
    for verb in known - restrictions._REMOVED.keys() - {"warn_if_reject"}:
        entry = f"{verb} {arguments.get(verb, 'z.test')}" if verb in values._TABLE_RESTRICTIONS | values._WORD_RESTRICTIONS else verb
        places = []
        for context in values.RESTRICTION_LISTS:
            with contextlib.suppress(ConfigError):
                places.append(judged([entry], context))
        assert places, entry
