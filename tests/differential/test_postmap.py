# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of every type, published by the module and looked up by the postmap of both releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from conftest import Machine

FOLDER = "/srv/tables"
SERVER = "memcache = inet:127.0.0.1:{port}\nkey_format = %s\n"
UP, DOWN = 11299, 11298
SECRET = "geheim-4712"
SUFFIXES = {"lmdb": ".lmdb", "cdb": ".cdb", "hash": ".db", "btree": ".db"}
# Type, rows, options, a key and its result.
GOOD: dict[str, tuple[str, str, dict[str, Any], str, str]] = {
    "lmdb": ("lmdb", "b@x.test  2\n# c\nA@x.test 1,\n   one\n", {}, "a@x.test", "1, one"),
    "cdb": ("cdb", "b 2\na 1\n", {}, "b", "2"),
    "hash": ("hash", "b 2\na 1\n", {}, "a", "1"),
    "btree": ("btree", "b 2\na 1\n", {}, "a", "1"),
    "texthash": ("texthash", "b 2\na 1\n", {}, "b", "2"),
    "cidr": ("cidr", "192.0.2.0/24 net\n::/0 six\n", {}, "192.0.2.9", "net"),
    "regexp": ("regexp", "/^a(.)$/ $1\n", {}, "az", "z"),
    "pcre": ("pcre", "/^a(\\d)$/ $1\n", {}, "a7", "7"),
    "aliases": ("lmdb", "Root: bob,eve\nx: bob\n", {"aliases": True}, "root", "bob, eve"),
    "server": ("memcache", SERVER.format(port=UP), {}, "bob", "yes"),
}
# What is published over the good one of the type, and refused with what reason.
BAD: dict[str, tuple[str, str, str]] = {
    "a network that is none": ("cidr", "192.0.2.0/33 x\n", "192.0.2.0/33"),
    "an address that is none": ("cidr", "192.0.2 x\n", "192.0.2"),
    "a pattern that does not end": ("regexp", "/a x\n", "no closing regexp delimiter"),
    "a bracket that does not close": ("regexp", "/[a/ x\n", "regexp map"),
    "a group that does not close": ("pcre", "/(a/ x\n", "parenthes"),
    "a key twice": ("texthash", "a 1\na 2\n", "line 2: a: the key occurs twice (first on line 1)"),
    "a compiled key twice": ("lmdb", "a 1\nA 2\n", "line 2: A: the key occurs twice (first on line 1)"),
    "a server that does not answer": ("memcache", SERVER.format(port=DOWN), "memcache"),
    "a type that is not installed": ("pgsql", f"hosts = db\npassword = {SECRET}\n", "unsupported dictionary type: pgsql"),
    "a password that is no parameter": ("mysql", f"{SECRET}\n", "line 1: a line is the name of a parameter"),
}


def published(name: str, kind: str, text: str, **options: Any) -> dict[str, Any]:
    return {"path": f"{FOLDER}/{name}", "type": kind, "content": text, **options}


def over(kind: str) -> str:
    return next((name for name, (good, *_rest) in GOOD.items() if good == kind), "new")


@pytest.fixture(scope="session")
def seen(machine: Machine) -> dict[str, Any]:
    """All good tables at once, twice, and then each bad one over the good one of its type."""
    machine.ask("ask_server.py", {"port": UP, "rows": {"bob": "yes"}})
    tables = [published(name, kind, text, **options) for name, (kind, text, options, _key, _said) in GOOD.items()]
    good: dict[str, Any] = {"mailcluster.postfix.postmap": {"tables": tables}}
    bad = [{"mailcluster.postfix.postmap": {"tables": [published(over(kind), kind, text)]}} for kind, text, _reason in BAD.values()]
    first, second, *refused = machine.play(good, good, *bad, options=["--diff"])
    listed = machine.run("sh", "-c", f"cd {FOLDER} && ls -A | while read -r name; do stat -c '%n %U:%G %a' \"$name\"; done")
    return {
        "first": first,
        "second": second,
        "refused": dict(zip(BAD, refused, strict=True)),
        "files": dict(line.split(" ", 1) for line in listed.splitlines()),
        "said": {name: machine.run("postmap", "-q", key, f"{kind}:{FOLDER}/{name}") for name, (kind, _text, _options, key, _said) in GOOD.items()},
    }


def test_all_good_tables_are_published_once(seen: dict[str, Any]) -> None:
    assert [entry["changed"] for entry in seen["first"].get("tables", [seen["first"]])] == [True] * len(GOOD)
    assert [entry["changed"] for entry in seen["second"]["tables"]] == [False] * len(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_a_table_says_what_its_source_says(seen: dict[str, Any], name: str) -> None:
    assert seen["said"][name] == GOOD[name][-1]


def test_nothing_else_is_left_beside_tables(seen: dict[str, Any]) -> None:
    assert sorted(seen["files"]) == sorted([*GOOD, *(name + SUFFIXES[kind] for name, (kind, *_rest) in GOOD.items() if kind in SUFFIXES)])


def test_a_source_that_names_a_server_is_for_postfix_only(seen: dict[str, Any]) -> None:
    assert (seen["files"]["server"], seen["files"]["lmdb.lmdb"]) == ("root:postfix 640", "root:root 640")


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_answer_a_lookup_is_refused(seen: dict[str, Any], name: str) -> None:
    answer = seen["refused"][name]
    assert answer.get("failed"), answer
    assert BAD[name][-1] in answer["msg"]


def test_no_password_is_shown(seen: dict[str, Any]) -> None:
    assert SECRET not in json.dumps(seen)


# In no order, with what makes a piece of the file something else than rows as they are published.
MANY = [f"user{number:06d}@x.test box{number}" for number in range(120_000, 0, -1)]
ODD = ["# a comment", "", "Capital@X.test\tbox of Capital", "continued@x.test one,", "   two", "zoë@x.test ünïcode"]
LARGE_FILE = "\n".join([*MANY[:40_000], *ODD, *MANY[40_000:]]) + "\n"
ASKED = {
    "user000001@x.test": "box1",
    "user120000@x.test": "box120000",
    "capital@x.test": "box of Capital",
    "continued@x.test": "one, two",
    "zoë@x.test": "ünïcode",
}
PASSWORD = "only a test"


@pytest.fixture(scope="session")
def large(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A large file of the controller, published, changed, encrypted, and with a key twice."""
    folder = tmp_path_factory.mktemp("large")
    secret = VaultSecret(PASSWORD.encode())
    texts = {
        "first": LARGE_FILE,
        "shuffled": "\n".join([*ODD, *reversed(MANY)]) + "\n",
        "changed": LARGE_FILE.replace(" box7\n", " box8\n"),
        "twice": LARGE_FILE + "USER000003@x.test again\n",
        "encrypted": VaultLib([("default", secret)]).encrypt(LARGE_FILE, secret=secret).decode(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "password").write_text(PASSWORD)

    def publish(name: str, kind: str = "lmdb", table: str = "large") -> dict[str, Any]:
        return {"mailcluster.postfix.postmap": {"tables": [{"path": f"{FOLDER}-large/{table}", "type": kind, "src": str(folder / name)}]}}

    names = ("first", "first", "shuffled", "changed", "twice", "changed")
    done = machine.play(*map(publish, names), publish("first", "cdb", "other"), options=["--diff"])
    encrypted = machine.play(publish("encrypted", table="secret"), options=["--vault-password-file", str(folder / "password")])
    tables = {"lmdb": "large", "cdb": "other"}
    return {
        "done": done,
        "encrypted": encrypted[0],
        "twice": str(folder / "twice"),
        "said": {kind: {key: machine.run("postmap", "-q", key, f"{kind}:{FOLDER}-large/{table}") for key in ASKED} for kind, table in tables.items()},
        "changed": machine.run("postmap", "-q", "user000007@x.test", f"lmdb:{FOLDER}-large/large"),
        "files": machine.run("ls", "-A", f"{FOLDER}-large").split(),
        "source": machine.run("cat", f"{FOLDER}-large/other"),
        "secret": machine.run("cat", f"{FOLDER}-large/secret"),
    }


def test_a_large_file_is_published_when_its_rows_change(large: dict[str, Any]) -> None:
    assert [bool(result.get("failed")) for result in large["done"]] == [False, False, False, False, True, False, False]
    assert [result["changed"] for result in large["done"]] == [True, False, False, True, False, False, True]
    assert large["changed"] == "box8"


@pytest.mark.parametrize("kind", ["lmdb", "cdb"])
def test_a_table_of_a_large_file_says_what_its_source_says(large: dict[str, Any], kind: str) -> None:
    assert large["said"][kind] == ASKED


def test_a_large_source_lies_on_the_node_in_order(large: dict[str, Any]) -> None:
    lines = large["source"].split("\n")
    assert lines == sorted(lines, key=lambda line: line.partition(" ")[0].lower())
    assert large["done"][-1]["tables"][0]["entries"] == len(lines) == len(MANY) + len(ASKED) - 2


def test_a_key_twice_in_a_large_file_is_refused_with_its_lines(large: dict[str, Any]) -> None:
    lines = (Path(large["twice"])).read_text().split("\n")
    first, second = lines.index("user000003@x.test box3") + 1, lines.index("USER000003@x.test again") + 1
    assert large["done"][4]["msg"] == f"{large['twice']}, line {second}: USER000003@x.test: the key occurs twice (first on line {first})"


def test_the_diff_of_a_large_table_is_short(large: dict[str, Any]) -> None:
    (first,), (changed,) = large["done"][0]["diff"], large["done"][3]["diff"]
    assert len(first["after"].splitlines()) == 12
    assert changed["before"].splitlines()[1:] == ["user000007@x.test box7"]
    assert changed["after"].splitlines()[1:] == ["user000007@x.test box8"]


def test_a_large_encrypted_file_is_published_decrypted(large: dict[str, Any]) -> None:
    assert (large["encrypted"].get("changed"), large["secret"]) == (True, large["source"])


def test_nothing_else_is_left_beside_large_tables(large: dict[str, Any]) -> None:
    assert sorted(large["files"]) == ["large", "large.lmdb", "other", "other.cdb", "secret", "secret.lmdb"]
