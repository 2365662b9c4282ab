# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An edge reads a new configuration, or stands still: none of its clients is refused, and none waits for a greeting that never comes."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import faults
import pytest
from client import podman_exec, run_python
from testing import STRANGER, Site, entrances_of

pytestmark = pytest.mark.operation
EDGE = "east-edge1"
# Of each address, whom HAProxy had accepted, but not greeted, at the moment of the freeze.
BETWEEN = 1
# As an SMTP client does, each of them only waits for a greeting.
CLIENTS = """
import selectors, socket, time
def waits(addresses, port, number, apart, patience):
    waiting, told = selectors.DefaultSelector(), []
    begin = time.monotonic()
    for turn in range(int((number * apart + patience) / apart)):
        if turn < number:
            for address in addresses:
                client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
                client.setblocking(False)
                client.connect_ex((address, port))
                waiting.register(client, selectors.EVENT_READ, (address, time.monotonic()))
        while time.monotonic() < begin + (turn + 1) * apart:
            for key, _events in waiting.select(max(0, begin + (turn + 1) * apart - time.monotonic())):
                try:
                    how = "greeting" if key.fileobj.recv(1) else "end"
                except OSError as error:
                    how = type(error).__name__
                told.append([key.data[0], how, time.monotonic() - key.data[1]])
                waiting.unregister(key.fileobj)
                key.fileobj.close()
    return told + [[key.data[0], "nothing", patience] for key in waiting.get_map().values()]
"""


def worker() -> str:
    """The process that serves; a reload begins a new one."""
    return podman_exec(EDGE, "sh", "-c", "pgrep -u haproxy -x haproxy").strip()


@pytest.fixture(scope="module")
def addresses() -> list[str]:
    return [entrance.address for entrance in entrances_of("east")]


def test_reloaded(site: Site, addresses: list[str]) -> None:
    """While the balancer of an edge reloads three times, each of forty clients a second is greeted, over IPv4 and IPv6"""
    assert faults.owner(site, "east") == EDGE
    before = worker()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run_python, STRANGER, CLIENTS, "waits", addresses, 587, 100, 0.05, 2.0)
        for _turn in range(3):
            time.sleep(1)
            podman_exec(EDGE, "systemctl", "reload", "haproxy")
        told = asked.result()
    assert worker() != before
    assert [wait for wait in told if wait[1] != "greeting"] == []
    assert len(told) == 100 * len(addresses)


def test_told(site: Site, addresses: list[str]) -> None:
    """Clients whom an edge that stands still took before its addresses moved are reset within 3 s, over IPv4 and IPv6"""
    with faults.cleaned(site), ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run_python, STRANGER, CLIENTS, "waits", addresses, 587, 40, 0.1, 4.0)
        time.sleep(2)
        faults.podman("pause", EDGE)
        told = asked.result()
    late = Counter(address for address, _how, seconds in told if seconds > 3)
    assert max(late.values(), default=0) <= BETWEEN, told
    for address in addresses:
        hows = Counter(how for where, how, _seconds in told if where == address)
        # Or nothing was tried.
        assert hows["ConnectionResetError"] > BETWEEN, told
        assert hows["greeting"] > BETWEEN, told
