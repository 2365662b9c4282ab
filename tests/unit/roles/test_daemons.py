# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles of daemons share with what writes or asks beside them."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mailcluster.postfix.plugins.module_utils import _accounts
from ansible_collections.mailcluster.postfix.plugins.module_utils._haproxy import config as haproxy

ROLES = Path(__file__).resolve().parents[3] / "roles"
# How many sockets HAProxy puts into a message (MAX_SEND_FD).
FULL = 252
# Seconds until the kernel asks, and between its questions (tcp(7)).
KEEPALIVE = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)


def read(path: str) -> Any:
    return yaml.safe_load((ROLES / path).read_text(encoding="utf-8"))


def test_dovecot_reads_the_accounts_where_they_are_published() -> None:
    assert read("dovecot/vars/main.yml")["__dovecot_users_file"] == _accounts.DOVECOT_USERS


def test_haproxy_is_reloaded_for_the_certificates_that_its_configuration_names() -> None:
    (task,) = [task for task in read("haproxy/tasks/configure.yml") if "mailcluster.postfix.file_set" in task]
    named = {word for word in (haproxy._MUTUAL_TLS + " " + haproxy.PUBLIC_TLS).split() if word.startswith("/")}
    assert set(task["mailcluster.postfix.file_set"]["also_read"]) == named


@pytest.mark.parametrize("path", sorted(str(path.relative_to(ROLES)) for path in ROLES.glob("*/tasks/*.yml")))
def test_no_task_leaves_a_reload_to_a_handler_that_a_killed_run_never_reaches(path: str) -> None:
    assert "notify:" not in (ROLES / path).read_text(encoding="utf-8")


class Resolver:
    """A resolver that answers each question with one RCODE."""

    def __init__(self, rcode: int) -> None:
        self.rcode = rcode
        self.asked = b""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._answer, daemon=True)
        self.thread.start()

    def _answer(self) -> None:
        self.asked, client = self.socket.recvfrom(512)
        self.socket.sendto(self.asked[:2] + bytes([0x81, 0x80 | self.rcode]) + self.asked[4:], client)

    def judge(self, zone: str) -> subprocess.CompletedProcess[str]:
        script = (ROLES / "resolver/files/ask.py").read_text(encoding="utf-8")
        script = script.replace('("127.0.0.1", 53)', f'("127.0.0.1", {self.socket.getsockname()[1]})')
        return subprocess.run([sys.executable, "-c", script, zone, "/etc/resolv.conf"], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def resolver(request: pytest.FixtureRequest) -> Iterator[Resolver]:
    made = Resolver(request.param)
    yield made
    made.socket.close()


@pytest.mark.parametrize(
    ("resolver", "said"),
    [
        pytest.param(0, "", id="NOERROR"),
        pytest.param(3, "", id="NXDOMAIN"),
        pytest.param(2, "unbound does not resolve corp.example. (RCODE 2); /etc/resolv.conf stays as it was\n", id="SERVFAIL"),
        pytest.param(5, "unbound does not resolve corp.example. (RCODE 5); /etc/resolv.conf stays as it was\n", id="REFUSED"),
    ],
    indirect=["resolver"],
)
def test_only_a_resolver_that_has_an_answer_is_asked_from_then_on(resolver: Resolver, said: str) -> None:
    answer = resolver.judge("corp.example.")
    assert (answer.stderr, answer.returncode) == (said, 1 if said else 0)


@pytest.mark.parametrize("resolver", [0], indirect=True)
def test_a_resolver_is_asked_for_the_soa_of_the_zone(resolver: Resolver) -> None:
    resolver.judge("corp.example.")
    assert resolver.asked[12:] == b"\4corp\7example\0\0\6\0\1"


class Haproxy:
    """What a balancer says behind its socket: who it is, and what it listens on. An old one waits for an answer only after a full message.

    Its first worker is this process; the one that it has after so many questions begins then.
    """

    def __init__(self, path: Path, *listeners: socket.socket, after: int = 0, old: bool = False) -> None:
        self.path, self.listeners, self.after, self.old = path, listeners, after, old
        self.worker = os.getpid()
        self.asked: list[bytes] = []
        self.answers: list[bytes] = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.thread = threading.Thread(target=self._answer, daemon=True)
        self.thread.start()

    def _answer(self) -> None:
        while True:
            try:
                asker, _address = self.socket.accept()
            except OSError:
                return
            with asker:
                self.asked.append(asker.recv(100))
                if self.asked[-1] == b"show info\n":
                    if self.asked.count(b"show info\n") == self.after:
                        self.worker = subprocess.Popen(["sleep", "2"]).pid
                    asker.sendall(f"Name: HAProxy\nPid: {self.worker}\nUptime_sec: 0\n".encode())
                elif self.listeners:
                    asker.sendall(struct.pack("i", len(self.listeners)))
                    numbers = [listener.fileno() for listener in self.listeners]
                    for start in range(0, len(numbers), FULL):
                        some = numbers[start : start + FULL]
                        socket.send_fds(asker, [b"\0\0\0\0\0\0" * len(some)], some)
                        self.answers += [asker.recv(4)] if len(some) == FULL or not self.old else []

    def change(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the script, which has less patience here, until it and what answers it are done."""
        script = (ROLES / "haproxy/files/keepalive.py").read_text(encoding="utf-8").replace("PATIENCE = 5.0", "PATIENCE = 1.0")
        done = subprocess.run([sys.executable, "-Ic", script, self.path, *words], capture_output=True, text=True, check=False, timeout=60)
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(60)
        return done


def listener(family: int) -> socket.socket:
    made = socket.socket(family)
    made.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    made.listen()
    return made


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def test_the_kernel_asks_a_client_whom_the_balancer_has_not_taken(tmp_path: Path, family: int) -> None:
    with listener(family) as first, listener(family) as door, socket.socket(socket.AF_UNIX) as local, socket.socket(family, socket.SOCK_DGRAM) as log:
        done = Haproxy(tmp_path / "admin.sock", first, local, log, door).change()
        with socket.create_connection(door.getsockname()[:2]), door.accept()[0] as taken:
            asked = (taken.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), *(taken.getsockopt(socket.IPPROTO_TCP, option) for option in KEEPALIVE))
    assert (asked, done.returncode, done.stderr) == ((1, 1, 1), 0, "")


@pytest.mark.parametrize(("old", "answers"), [(False, [FULL, FULL + 1]), (True, [FULL])], ids=["new", "old"])
def test_the_last_of_many_doors_is_reached(tmp_path: Path, old: bool, answers: list[int]) -> None:
    with listener(socket.AF_INET) as first, listener(socket.AF_INET) as last:
        haproxy = Haproxy(tmp_path / "admin.sock", *[first] * FULL, last, old=old)
        assert haproxy.change().returncode == 0
        assert last.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert [struct.unpack("i", answer)[0] for answer in haproxy.answers] == answers


def test_after_a_reload_the_new_worker_is_waited_for(tmp_path: Path) -> None:
    with listener(socket.AF_INET) as door:
        haproxy = Haproxy(tmp_path / "admin.sock", door, after=3)
        assert haproxy.change("reloaded").returncode == 0
    assert haproxy.asked == [b"show info\n", b"_getsocks\n"] * 3


def test_without_a_new_worker_the_old_one_has_it_and_that_is_said(tmp_path: Path) -> None:
    with listener(socket.AF_INET) as door:
        done = Haproxy(tmp_path / "admin.sock", door).change("reloaded")
        assert door.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert (done.returncode, done.stderr) == (1, "no new worker answers\n")


def test_a_balancer_that_hands_out_no_sockets_is_told_of(tmp_path: Path) -> None:
    done = Haproxy(tmp_path / "admin.sock").change()
    assert (done.returncode, done.stderr) == (1, "no answer to _getsocks\n")
