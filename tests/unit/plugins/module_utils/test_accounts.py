# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils import _accounts as core

HASH = "{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuu5Lr"
SITE = core.site(
    domains=["example.test", "Example.ORG"],
    members={"mailbox": [{"name": "east1", "address": "10.91.1.61"}, {"name": "west1", "address": "10.91.2.61"}]},
    ports={"lmtp": {"local": 11024}, "imap": {"local": 11143}, "internal": {"local": 11027}},
)
ACCOUNTS = f"# staff\n\nbob@example.test:west1:{HASH}\nAlice@example.test:east1:{HASH}\n"
DIRECTORIES = {"mx": ["/mx"], "relay": ["/relay"], "submission": ["/submission"]}


def known(accounts: str = ACCOUNTS, aliases: str = "") -> core.Directory:
    return core.directory(accounts, aliases, site=SITE)


def published(known_: core.Directory, **arguments: object) -> dict[str, core.DataTable]:
    options: dict[str, object] = {"node": "east1", "tiers": ["mx"], "directories": DIRECTORIES, **arguments}
    return {table.path: table for table in core.tables(known_, site=SITE, **options)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"a@example.test:east1:{HASH}\nA@example.test:west1:{HASH}",
            "accounts, line 2: a@example.test: duplicate address (first on line 1)",
        ),
        (f"a@other.test:east1:{HASH}", "accounts, line 1: a@other.test: domain other.test is not in mailcluster_domains"),
        (f"a@example.test:north1:{HASH}", "accounts, line 1: a@example.test: home north1 is not a mailbox node (east1, west1)"),
        ("a@example.test:east1:", "accounts, line 1: a@example.test: the password hash is missing"),
        ("a@example.test:east1", "accounts, line 1: a@example.test: the password hash is missing"),
        ("a@example.test::x", "accounts, line 1: a@example.test: the home is missing"),
        ("a@example.test", "accounts, line 1: a@example.test: the home is missing"),
        (
            "a@example.test:east1:{PLAIN}geheim",
            "accounts, line 1: a@example.test: the password is in clear text; write its hash (doveadm pw)",
        ),
        (
            "a@example.test:east1:{CLEARTEXT.B64}Zw==",
            "accounts, line 1: a@example.test: the password is in clear text; write its hash (doveadm pw)",
        ),
        ("a@example.test:east1:geheim", "accounts, line 1: a@example.test: the third field is not a hash with its scheme"),
        (f"a@example.test:east1:{HASH}:x", "accounts, line 1: a@example.test: more than three fields"),
        (f"../a@example.test:east1:{HASH}", "accounts, line 1: '../a@example.test' cannot be the address of an account"),
        (f"a/b@example.test:east1:{HASH}", "cannot be the address of an account"),
        (f"a+b@example.test:east1:{HASH}", "cannot be the address of an account"),
        (f"a@b@example.test:east1:{HASH}", "cannot be the address of an account"),
        (f"{'a' * 65}@example.test:east1:{HASH}", "the local part is longer than 64 characters"),
        ("nonsense", "accounts, line 1: expected address:home:hash"),
    ],
)
def test_a_bad_account_is_refused_with_file_line_and_reason(text: str, message: str) -> None:
    with pytest.raises(core.AccountsError) as error:
        known(text)
    assert message in str(error.value)


@pytest.mark.parametrize("secret", ["geheim", "{PLAIN}geheim", f"{HASH}:geheim"])
def test_no_error_repeats_a_password(secret: str) -> None:
    with pytest.raises(core.AccountsError) as error:
        known(f"a@example.test:east1:{secret}")
    assert "geheim" not in str(error.value)


def test_every_problem_is_reported_up_to_ten() -> None:
    with pytest.raises(core.AccountsError) as error:
        known("".join(f"a{number}@example.test:east1:\n" for number in range(12)))
    assert str(error.value).splitlines()[-1] == "... and 2 more"
    assert len(error.value.problems) == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alice@example.test bob@example.test", "aliases, line 1: alice@example.test: the alias is an account"),
        ("x@example.test bob@example.test\nX@example.test alice@example.test", "line 2: x@example.test: duplicate alias (first on line 1)"),
        ("x@other.test bob@example.test", "domain other.test is not in mailcluster_domains"),
        ("x@example.test nobody@example.test", "destination nobody@example.test is neither an account nor an alias"),
        ("x@example.test bob", "destination bob has no domain"),
        ("x@example.test bob@example.test alice@example.test", "separate destinations by commas"),
        ("@example.org @example.test", "destination @example.test is a domain"),
        ("x@example.test ,", "the destination is missing"),
        ("postmaster bob@example.test", "an alias is an address or @domain"),
        ("x@example.test y@example.test\ny@example.test x@example.test", "line 1: x@example.test: the alias leads back to itself"),
        ("x@example.test", "aliases, line 1: a row is a key"),
    ],
)
def test_a_bad_alias_is_refused_with_file_line_and_reason(text: str, message: str) -> None:
    with pytest.raises(core.AccountsError) as error:
        known(aliases=text)
    assert message in str(error.value)


@pytest.mark.parametrize("destination", ["someone@elsewhere.example", "bob+lists@example.test", "alice@example.test,\n  bob@example.test"])
def test_a_destination_elsewhere_with_an_extension_or_continued_is_accepted(destination: str) -> None:
    assert known(aliases=f"x@example.test {destination}").aliases.keys() == {"x@example.test"}


def test_an_mx_knows_domains_recipients_aliases_and_homes() -> None:
    tables = published(known(aliases="info@example.test bob@example.test, alice@example.test"))
    assert {path: table.content for path, table in tables.items()} == {
        "/mx/domains": "example.org mailcluster\nexample.test mailcluster\n",
        "/mx/recipients": "alice@example.test mailcluster\nbob@example.test mailcluster\n",
        "/mx/aliases": "info@example.test bob@example.test, alice@example.test\n",
        "/mx/mailbox_transport": "alice@example.test lmtp:inet:[127.91.1.61]:11024\nbob@example.test lmtp:inet:[127.91.2.61]:11024\n",
    }


@pytest.mark.parametrize(
    ("aliases", "rows"),
    [
        ("", []),
        ("info@example.test bob@example.test, alice@example.test", ["info@example.test bob@example.test,alice@example.test"]),
        (
            "all@example.test info@example.test, bob@example.test\ninfo@example.test bob+info@example.test",
            ["all@example.test bob@example.test", "info@example.test bob@example.test"],
        ),
        ("out@example.test someone@elsewhere.example", []),
    ],
)
def test_a_sender_belongs_to_the_accounts_it_leads_to(aliases: str, rows: list[str]) -> None:
    own = ["alice@example.test alice@example.test", "bob@example.test bob@example.test"]
    table = published(known(aliases=aliases), tiers=["submission"])["/submission/senders"]
    assert table.content.splitlines() == sorted([*own, *rows])


def test_a_catch_all_does_not_catch_the_accounts_of_its_domain() -> None:
    table = published(known(aliases="@example.test alice@example.test"))["/mx/aliases"]
    assert table.content.splitlines() == [
        "@example.test alice@example.test",
        "alice@example.test alice@example.test",
        "bob@example.test bob@example.test",
    ]


@pytest.mark.parametrize(
    ("tiers", "bob"),
    [
        (["submission"], f"bob@example.test:{HASH}::::::"),
        (["mailbox"], f"bob@example.test:{HASH}::::::proxy=y host=127.91.2.61 port=11143 userdb_tempfail=y"),
        (["submission", "mailbox"], f"bob@example.test:{HASH}::::::proxy=y host=127.91.2.61 port=11143 userdb_tempfail=y"),
    ],
)
def test_a_login_is_proxied_to_its_home_by_mailbox_nodes_only(tiers: list[str], bob: str) -> None:
    table = published(known(), tiers=tiers)[core.DOVECOT_USERS]
    assert table.content.splitlines() == [f"alice@example.test:{HASH}::::::", bob]


def test_a_quote_in_an_address_is_written_as_dovecot_looks_it_up() -> None:
    accounts = f"o'neil@example.test:east1:{HASH}"
    table = published(known(accounts), tiers=["mailbox"])[core.DOVECOT_USERS]
    assert table.content == f"o\\'neil@example.test:{HASH}::::::\n"


def test_the_users_of_a_node_do_not_depend_on_the_tier_that_publishes_them() -> None:
    both = ["submission", "mailbox"]
    assert published(known(), tiers=both, publish=["submission"])[core.DOVECOT_USERS] == published(known(), tiers=both, publish=["mailbox"])[core.DOVECOT_USERS]


def test_hashes_are_secret_and_readable_by_dovecot_only() -> None:
    table = published(known(), tiers=["mailbox"])[core.DOVECOT_USERS]
    assert (table.secret, table.owner, table.group, table.mode, table.type) == (True, "root", "dovecot", "0640", "plain")


@pytest.mark.parametrize("tier", ["edge", "filter"])
def test_a_tier_without_data_gets_no_table(tier: str) -> None:
    assert published(known(), tiers=[tier]) == {}


def test_the_relay_sends_own_domains_to_the_local_door_of_the_mail_exchangers() -> None:
    rows = published(known(), tiers=["relay"])["/relay/domain_transport"].content.splitlines()
    assert rows == [f"{domain} internal:[127.0.0.1]:11027, [127.0.0.1]:11027, [127.0.0.1]:11027" for domain in ("example.org", "example.test")]


def test_a_removed_account_is_in_no_table() -> None:
    tables = published(known(f"bob@example.test:west1:{HASH}"), tiers=["mx", "submission", "mailbox"])
    assert not any("alice" in table.content for table in tables.values())


def test_a_hundred_thousand_accounts_take_seconds_not_minutes() -> None:
    text = "".join(f"user{number}@example.test:east1:{HASH}\n" for number in range(100_000))
    start = time.process_time()
    published(known(text), tiers=["mx", "submission", "mailbox"])
    assert time.process_time() - start < 5


def test_every_instance_of_a_tier_gets_its_tables() -> None:
    found = published(known(), tiers=["relay"], directories={"relay": ["/one", "/two"]})
    assert [(path, table.content) for path, table in found.items()] == [
        (f"/{name}/domain_transport", found["/one/domain_transport"].content) for name in ("one", "two")
    ]
