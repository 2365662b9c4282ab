# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.mailcluster.postfix.plugins.action import postmap
from ansible_collections.mailcluster.postfix.plugins.module_utils import _tables

LARGE = "".join(f"user{number}@example.test value\n" for number in range(10_000))
HASH = "{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuu5Lr"


class Node(postmap.ActionModule):
    """The action with a node that has the tables of C(present), by path, and remembers what it was asked."""

    def __init__(self, arguments: dict[str, Any], present: dict[str, str] | None = None) -> None:
        task = MagicMock(args=arguments, async_val=0, check_mode=False, diff=False)
        super().__init__(task, MagicMock(), MagicMock(), DataLoader(), MagicMock(), None)
        self.present = {path: _tables.digest(text) for path, text in (present or {}).items()}
        self.remembered = "cat: No such file or directory"
        self.calls: list[dict[str, Any]] = []
        self.sent: dict[str, str] = {}

    def _find_needle(self, dirname: str, needle: str) -> str:
        return needle

    def _low_level_execute_command(self, cmd: str, *_arguments: Any, **_options: Any) -> dict[str, Any]:
        assert cmd == f"cat {_tables.ORIGINS}"
        return {"rc": 1, "stdout": self.remembered}

    def remember(self, path: str, origin: str) -> None:
        self.remembered = json.dumps({path: {"origin": origin}})

    def _send(self, contents: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
        stream = io.BytesIO()
        digests = _tables.pack(contents, stream)
        self._receive(stream)
        return "/tmp/tables", digests

    def _receive(self, stream: io.BytesIO) -> None:
        with zipfile.ZipFile(stream) as archive:
            contents = _tables.Contents(archive)
            self.sent |= {path: contents.text(path) for path in archive.namelist()}

    def _execute_module(self, **call: Any) -> dict[str, Any]:
        arguments = call["module_args"]
        self.calls.append(arguments)
        if "bundle" in arguments:
            self._receive(io.BytesIO(base64.b64decode(arguments["bundle"])))
        missing = [table["path"] for table in arguments["wanted"] if self.present.get(table["path"]) != (table["digest"] or table["origin"])]
        if set(missing) - self.sent.keys():
            return {"changed": False, "missing": missing}
        return {"changed": bool(missing), "tables": arguments["wanted"]}


def table(text: str, path: str = "/t", **arguments: Any) -> dict[str, Any]:
    return {"path": path, "content": text, **arguments}


def test_nothing_differs_is_one_call_without_content() -> None:
    node = Node({"tables": [table(LARGE)]}, {"/t": _sorted(LARGE)})
    assert not node.run()["changed"]
    assert len(node.calls) == 1
    assert node.sent == {}


def test_small_tables_travel_with_the_question() -> None:
    node = Node({"tables": [table("b 1\na 2\n")]})
    assert node.run()["changed"]
    assert len(node.calls) == 1
    assert node.sent == {"/t": "a 2\nb 1\n"}


def test_of_large_tables_only_those_that_differ_are_sent_in_a_file() -> None:
    node = Node({"tables": [table(LARGE), table(LARGE + "z 1\n", "/u")]}, {"/t": _sorted(LARGE)})
    assert node.run()["changed"]
    assert node.sent.keys() == {"/u"}
    assert [set(call) - {"wanted"} for call in node.calls] == [set(), {"bundle_path"}]


def test_no_content_is_among_the_plain_arguments() -> None:
    node = Node({"tables": [table("k geheim\n", secret=True)]})
    node.run()
    assert "geheim" not in str(node.calls)


def test_a_broken_row_of_credentials_is_not_shown() -> None:
    with pytest.raises(AnsibleActionFail) as error:
        Node({"tables": [table("geheim\n", secret=True)]}).run()
    assert "geheim" not in str(error.value)


def test_the_order_of_rows_is_no_difference() -> None:
    assert Node({"tables": [table("b 1\na 2")]}).run() == Node({"tables": [table("a 2\n# c\nb 1\n")]}).run()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tables": [table("a 1\nA 2\n")]}, "/t, line 2: A: the key occurs twice"),
        ({"tables": [table("a\n")]}, "/t, line 1: a row is a key"),
        ({"tables": [table("a 1", src="/etc/hostname")]}, "/t: content and src exclude each other"),
        ({"tables": [table("a 1"), table("b 1")]}, "a path occurs twice"),
        ({"tables": [table("a 1", mode="rw")]}, "mode must be an octal string"),
        ({"tables": [{"path": "/t", "src": "/no/such/file"}]}, "/no/such/file"),
    ],
)
def test_bad_tables_are_refused_before_the_node_is_asked(arguments: dict[str, Any], message: str) -> None:
    node = Node(arguments)
    with pytest.raises(AnsibleActionFail, match=message):
        node.run()
    assert node.calls == []


def accounts(path: Path, text: str, **arguments: Any) -> dict[str, Any]:
    path.write_text(text)
    return {
        "accounts": {
            "accounts": str(path),
            "domains": ["example.test"],
            "members": {"mailbox": [{"name": "m1", "address": "10.91.1.61"}]},
            "ports": {"lmtp": {"local": 11024}, "imap": {"local": 11143}, "internal": {"local": 11027}},
            "node": "m1",
            "tiers": ["mailbox"],
            **arguments,
        }
    }


def test_accounts_become_the_tables_of_the_tier(tmp_path: Path) -> None:
    node = Node(accounts(tmp_path / "accounts", f"a@example.test:m1:{HASH}\n"))
    assert node.run()["changed"]
    assert node.sent == {"/etc/mailcluster/dovecot/data/users": f"a@example.test:{HASH}::::::\n"}


def test_a_node_without_data_is_not_asked(tmp_path: Path) -> None:
    node = Node(accounts(tmp_path / "accounts", f"a@example.test:m1:{HASH}\n", tiers=["edge"]))
    assert node.run() == {"changed": False, "tables": []}
    assert node.calls == []


def test_a_bad_account_names_file_and_line(tmp_path: Path) -> None:
    node = Node(accounts(tmp_path / "accounts", "\na@example.test:m2:{BLF-CRYPT}x\n"))
    with pytest.raises(AnsibleActionFail, match=r"accounts, line 2: a@example\.test: home m2 is not a mailbox node"):
        node.run()


def _sorted(text: str) -> str:
    return "".join(sorted(text.splitlines(keepends=True)))


def test_a_table_without_rows_is_the_one_that_lies_on_the_node() -> None:
    node = Node({"tables": [{"path": "/t"}]})
    node.run()
    assert [call["wanted"][0]["digest"] for call in node.calls] == [""]
    assert node.sent == {}


@pytest.mark.parametrize(
    ("arguments", "access"),
    [
        ({}, ("root", 0o640, False)),
        ({"secret": True}, ("root", 0o600, True)),
        ({"type": "pgsql"}, ("postfix", 0o640, True)),
        ({"type": "mysql", "group": "root", "mode": "0600", "secret": True}, ("root", 0o600, True)),
    ],
)
def test_a_source_with_a_password_is_secret_and_for_postfix(arguments: dict[str, Any], access: tuple[str, int, bool]) -> None:
    node = Node({"tables": [{"path": "/t", "content": "a = 1\n" if "type" in arguments else "a 1\n", **arguments}]})
    node.run()
    (wanted,) = node.calls[0]["wanted"]
    assert (wanted["group"], wanted["mode"], wanted["secret"]) == access


def test_a_migration_is_the_affair_of_the_node() -> None:
    node = Node({"migrate": {"unit": "postfix.service"}})
    node._execute_module = lambda **call: call["module_args"]  # type: ignore[method-assign]
    assert node.run() == {"migrate": {"config_directory": "/etc/postfix", "type": "lmdb", "unit": "postfix.service"}}


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A large file whose rows nobody may read: it is no table."""
    path = tmp_path / "rows"
    path.write_text("no-value\n" * 10_000)
    return path


def test_a_large_file_is_not_read_when_the_node_knows_its_digest(large: Path) -> None:
    node = Node({"tables": [{"path": "/t", "src": str(large)}]}, {"/t": large.read_text()})
    node.remember("/t", _tables.digest_of(large))
    assert not node.run()["changed"]
    (call,) = node.calls
    assert (call["wanted"][0]["src"], node.sent) == (str(large), {})


@pytest.mark.parametrize("kind", ["lmdb", "cdb", "plain"])
def test_a_large_file_is_sent_as_it_is_and_the_node_makes_the_table(large: Path, kind: str) -> None:
    node = Node({"tables": [{"path": "/t", "src": str(large), "type": kind}]})
    assert node.run()["changed"]
    assert node.sent == {"/t": large.read_text()}
    assert [call["wanted"][0]["digest"] for call in node.calls] == [""]


@pytest.mark.parametrize("remembered", ["", "{", "[]", '{"/t": {"origin": "of an older file"}}', '{"/u": {}}'])
def test_a_large_file_that_the_node_does_not_remember_is_sent_with_the_first_call(large: Path, remembered: str) -> None:
    node = Node({"tables": [{"path": "/t", "src": str(large)}]})
    node.remembered = remembered
    assert node.run()["changed"]
    assert [set(call) - {"wanted"} for call in node.calls] == [{"bundle_path"}]


def test_a_large_file_that_the_node_remembers_is_sent_when_the_table_was_edited(large: Path) -> None:
    node = Node({"tables": [{"path": "/t", "src": str(large)}]})
    node.remember("/t", _tables.digest_of(large))
    assert node.run()["changed"]
    assert [set(call) - {"wanted"} for call in node.calls] == [set(), {"bundle_path"}]


def test_a_table_that_differs_is_sent_together_with_the_file_that_was_sent_before(large: Path) -> None:
    node = Node({"tables": [{"path": "/t", "src": str(large)}, table(LARGE, "/u")]})
    assert node.run()["changed"]
    assert node.sent == {"/t": large.read_text(), "/u": _sorted(LARGE)}
    assert [set(call) - {"wanted"} for call in node.calls] == [{"bundle_path"}, {"bundle_path"}]


def test_of_a_file_that_changes_meanwhile_the_digest_is_that_of_what_was_sent(large: Path) -> None:
    class Slow(Node):
        def _send(self, contents: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
            large.write_text("changed meanwhile\n")
            return super()._send(contents)

    before = _tables.digest_of(large)
    node = Slow({"tables": [{"path": "/t", "src": str(large)}]})
    node.run()
    assert node.calls[-1]["wanted"][0]["origin"] == _tables.digest("changed meanwhile\n") != before


@pytest.mark.parametrize("kind", ["texthash", "cidr"])
def test_a_large_file_of_another_type_is_read_here(large: Path, kind: str) -> None:
    large.write_text("".join(f"10.{number // 256}.{number % 256}.0/24 x\n" for number in range(5_000)))
    node = Node({"tables": [{"path": "/t", "src": str(large), "type": kind}]})
    node.run()
    assert (node.calls[0]["wanted"][0]["digest"], node.calls[0]["wanted"][0]["origin"]) == (_tables.digest(large.read_text()), "")


def test_an_encrypted_file_is_decrypted_and_never_sent_as_it_is(large: Path) -> None:
    secret = VaultSecret(b"password")
    large.write_bytes(VaultLib([("default", secret)]).encrypt(LARGE.encode(), secret=secret))
    node = Node({"tables": [{"path": "/t", "src": str(large)}]})
    node._loader.set_vault_secrets([("default", secret)])
    node.run()
    assert node.sent == {"/t": _sorted(LARGE)}
