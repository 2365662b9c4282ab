# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records on their way to a name server that speaks on loopback, and into files."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.mailcluster.postfix.plugins.action import dns_zones

pytest.importorskip("dns")
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rcode
import dns.rdataclass
import dns.rrset
import dns.tsig

SECRET = "c2VjcmV0LW9mLXRoZS10ZXN0LW9mLWRucw=="
MX = {"zone": "example.org", "name": "example.org", "type": "MX", "ttl": 60, "value": "10 mail.east.example.org."}
SPF = {"zone": "example.org", "name": "example.org", "type": "TXT", "ttl": 3600, "value": "v=spf1 -all"}


class NameServer:
    """Answers from `lines` by UDP, and keeps the updates that come by TCP; `code` is what it says to them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.authoritative = True
        self.code = dns.rcode.NOERROR
        self.updates: list[Any] = []
        self.key = dns.tsig.Key("mailcluster", SECRET, "hmac-sha256")
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        for serve in (self._answer, self._update):
            threading.Thread(target=serve, daemon=True).start()

    def _answer(self) -> None:
        while True:
            try:
                wire, client = self.udp.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(wire)
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.AA if self.authoritative else 0
            known = [dns.rrset.from_text(*line.split(" ", 4)[:4], *line.split(" ", 4)[4].split("|")) for line in self.lines]
            answer.answer = [rrset for rrset in known if rrset.rdtype in (query.question[0].rdtype, 5)]
            self.udp.sendto(answer.to_wire(), client)

    def _update(self) -> None:
        while True:
            try:
                connection, _client = self.tcp.accept()
            except OSError:
                return
            with connection:
                update, _time = dns.query.receive_tcp(connection, keyring=self.key)
                self.updates.append(update)
                answer = dns.message.make_response(update)
                answer.set_rcode(self.code)
                dns.query.send_tcp(connection, answer)

    def close(self) -> None:
        self.udp.close()
        self.tcp.close()


@pytest.fixture
def server() -> Iterator[NameServer]:
    found = NameServer()
    yield found
    found.close()


def run(*, check: bool = False, **arguments: Any) -> dict[str, Any]:
    task = MagicMock(args=arguments, async_val=0, check_mode=check, diff=True)
    action = dns_zones.ActionModule(task, MagicMock(), MagicMock(), DataLoader(), MagicMock(), None)
    return action.run(task_vars={})


def send(to: NameServer, *records: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
    where = {"server": "127.0.0.1", "port": to.port, "key_name": "mailcluster", "key_secret": SECRET, "timeout": 5}
    return run(check=check, records=list(records), **{**where, **more})


def lines(update: Any) -> list[str]:
    """The update section: what is deleted (class ANY), and what is added."""
    return [line for rrset in update.update for line in rrset.to_text().splitlines()]


def test_what_is_missing_is_added_in_one_signed_update(server: NameServer) -> None:
    assert send(server, MX, SPF)["changes"] == ["example.org MX", "example.org TXT"]
    assert [(update.had_tsig, sorted(line for line in lines(update) if " IN " in line)) for update in server.updates] == [
        (True, ['example.org. 3600 IN TXT "v=spf1 -all"', "example.org. 60 IN MX 10 mail.east.example.org."])
    ]


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512"])
def test_an_update_is_signed_by_the_algorithm_of_the_key(server: NameServer, algorithm: str) -> None:
    server.key = dns.tsig.Key("mailcluster", SECRET, algorithm)
    send(server, MX, key_algorithm=algorithm)
    assert [update.keyalgorithm.to_text() for update in server.updates] == [f"{algorithm}."]


def test_nothing_is_sent_when_nothing_differs(server: NameServer) -> None:
    server.lines = ["example.org. 60 IN MX 10 Mail.East.example.org."]
    assert (send(server, MX)["changed"], server.updates) == (False, [])


def test_a_text_of_others_goes_back_in_its_own_strings(server: NameServer) -> None:
    server.lines = ['example.org. 60 IN TXT "v=spf1 +all"|"site-" "verification"']
    send(server, SPF)
    assert [line for line in lines(server.updates[0]) if " IN " in line] == [
        'example.org. 3600 IN TXT "site-" "verification"',
        'example.org. 3600 IN TXT "v=spf1 -all"',
    ]


def test_check_mode_asks_and_sends_nothing(server: NameServer) -> None:
    server.lines = ["example.org. 60 IN MX 10 mail.west.example.org."]
    result = send(server, MX, check=True)
    assert (result["changed"], server.updates) == (True, [])
    assert (result["diff"][0]["before"], result["diff"][0]["after"]) == (
        "example.org. 60 IN MX 10 mail.west.example.org.\n",
        "example.org. 60 IN MX 10 mail.east.example.org.\n",
    )


def test_every_zone_gets_its_own_update(server: NameServer) -> None:
    send(server, MX, {**MX, "zone": "example.net", "name": "example.net"})
    assert {str(update.zone[0].name) for update in server.updates} == {"example.org.", "example.net."}


@pytest.mark.parametrize(
    ("state", "error"),
    [
        pytest.param({"authoritative": False}, "example.org MX: answers NOERROR, and not as one that has the zone example.org", id="that has no such zone"),
        pytest.param({"lines": ["example.org. 60 IN CNAME www.example.org."]}, "is another name of www.example.org. (CNAME)", id="with an alias there"),
        pytest.param({"code": dns.rcode.NOTAUTH}, "update of example.org: refused with NOTAUTH", id="that refuses"),
    ],
)
def test_a_server(server: NameServer, state: dict[str, Any], error: str) -> None:
    vars(server).update(state)
    with pytest.raises(AnsibleActionFail) as caught:
        send(server, MX)
    assert f"127.0.0.1 port {server.port}: " in str(caught.value)
    assert error in str(caught.value)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"key_secret": "not base64!"}, "key_secret: is no base64"),
        ({"key_secret": None}, "key_secret"),
        ({"server": "no-such-host.invalid"}, "no-such-host.invalid: "),
        ({"port": 9, "timeout": 0.2}, "127.0.0.1 port 9: example.org MX: no answer"),
    ],
    ids=["a secret that is none", "no secret", "a server that is none", "nobody there"],
)
def test_what_cannot_be_sent_is_refused_without_the_secret(server: NameServer, more: dict[str, Any], error: str) -> None:
    with pytest.raises(AnsibleError, match=error) as caught:
        send(server, MX, **more)
    assert SECRET not in str(caught.value)
    assert "not base64!" not in str(caught.value)


def test_a_result_shows_no_secret(server: NameServer) -> None:
    assert SECRET not in repr(send(server, MX))


@pytest.mark.parametrize("check", [True, False], ids=["check mode", "a run"])
def test_a_file_for_each_zone_is_written_once(tmp_path: Path, check: bool) -> None:
    folder = tmp_path / "dns"
    records = [MX, {**MX, "zone": "example.net", "name": "example.net"}]
    first, second = (run(check=check, records=records, directory=str(folder)) for _again in range(2))
    assert (first["changed"], second["changed"]) == (True, check)
    assert first["files"] == [f"{folder}/example.org.zone", f"{folder}/example.net.zone"]
    written = {path.name: path.read_text(encoding="ascii") for path in folder.iterdir()} if folder.exists() else {}
    assert written == ({} if check else {f"{zone}.zone": f"{zone}. 60 IN MX 10 mail.east.example.org.\n" for zone in ("example.org", "example.net")})
