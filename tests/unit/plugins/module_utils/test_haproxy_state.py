# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States of HAProxy's servers, from the answers of its socket."""

from __future__ import annotations

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import state
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy.state import Server

HEADER = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight"
STATE = f"""1
{HEADER}
2 mx-in 1 local 127.0.0.1 2 0 1
17 serving 1 mx 127.0.0.1 0 1 1
17 serving 2 relay 127.0.0.1 2 8 1
17 serving 3 imap 127.0.0.1 2 0 1
"""
STATISTICS = """# pxname,svname,qcur,qmax,scur,smax
mx-in,local,0,0,3,9
relay-in,local,0,0,0,2
"""
STATUS = state.parse_status(STATE)


@pytest.mark.parametrize(
    ("server", "expected"),
    [("mx-in/local", "ready"), ("serving/mx", "maint"), ("serving/relay", "drain"), ("serving/lmtp", None)],
)
def test_the_administrative_state_is_read(server: str, expected: str | None) -> None:
    assert STATUS.state(Server.parse(server)) == expected


@pytest.mark.parametrize(
    ("servers", "wanted", "todo"),
    [
        (["serving/mx", "serving/imap"], "maint", ["serving/imap"]),
        (["serving/mx", "serving/imap"], "ready", ["serving/mx"]),
        (["serving/lmtp"], "maint", []),
    ],
)
def test_only_servers_in_another_state_are_told(servers: list[str], wanted: str, todo: list[str]) -> None:
    planned = state.plan(STATUS, [Server.parse(text) for text in servers], wanted)
    assert [str(server) for server in planned] == todo


def test_a_star_is_every_server_of_the_backend() -> None:
    found = state.expand(STATUS, [Server.parse("serving/*")])
    assert [server.name for server in found] == ["mx", "relay", "imap"]


def test_an_unknown_server_is_reported() -> None:
    assert state.unknown(STATUS, [Server.parse("serving/lmtp")]) == [Server("serving", "lmtp")]


def test_only_drained_servers_of_the_backend_are_remembered() -> None:
    kept = state.to_remember(STATUS, "serving").splitlines()
    assert kept == ["1", HEADER, "17 serving 1 mx 127.0.0.1 0 1 1", "17 serving 2 relay 127.0.0.1 2 8 1"]


def test_sessions_are_counted_by_server() -> None:
    assert state.parse_sessions(STATISTICS)[Server("mx-in", "local")] == 3


@pytest.mark.parametrize("text", ["", "2\n# be_id\n", "Permission denied\n"])
def test_an_unknown_answer_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="unknown format"):
        state.parse_status(text)


@pytest.mark.parametrize("text", ["mx", "mx/", "/local", "a/b; shutdown sessions", "a/b\nshow info"])
def test_a_name_that_could_be_a_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not BACKEND/SERVER"):
        Server.parse(text)


def test_a_command_sets_one_server() -> None:
    assert state.commands([Server("serving", "mx")], "maint") == ["set server serving/mx state maint"]


@pytest.mark.parametrize(("backends", "count"), [(["mx-in"], 3), (["mx*-in"], 3), (["*-in"], 3), (["relay-in"], 0), (["mx"], 0), ([], 0)])
def test_sessions_are_those_of_the_backends_that_were_named(backends: list[str], count: int) -> None:
    assert state.sessions(STATISTICS, backends) == count


# As 2.6 and 3.0 answer, with the columns that are read.
SHOWN = """# pxname,svname,scur,stot,status,weight,bck,lastchg,check_status,type,dcon
mx,FRONTEND,3,90,OPEN,,,,,0,4
mx,mx1,2,60,UP,95,0,77,L7OK,2,
mx,mx2,1,30,DOWN 1/2,95,1,5,L4CON,2,
mx,BACKEND,3,90,UP,95,0,77,,1,
serving,edge,0,0,no check,1,0,9,,2,
serving,BACKEND,0,0,UP,1,0,9,,1,
"""


def test_every_proxy_is_shown_with_its_servers() -> None:
    mx, serving = state.proxies(SHOWN)
    assert (mx["name"], mx["status"], mx["sessions"], mx["sessions_total"], mx["denied"]) == ("mx", "OPEN", 3, 90, 4)
    assert mx["servers"][1] == {
        "name": "mx2", "status": "DOWN 1/2", "sessions": 1, "sessions_total": 30, "weight": 95, "backup": True, "check": "L4CON", "seconds_in_status": 5,
    }  # fmt: skip
    assert serving["status"] == "UP"


def test_information_is_read_by_name() -> None:
    assert state.information("Name: HAProxy\nVersion: 3.0.11-1\nUptime: 0d 0h00m05s\n\n") == {
        "Name": "HAProxy",
        "Version": "3.0.11-1",
        "Uptime": "0d 0h00m05s",
    }
