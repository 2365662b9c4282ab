# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The golden configurations of edges, judged by the keepalived of both releases."""

from __future__ import annotations

import subprocess

import cluster_cases as cases
import pytest
from conftest import Container

FILE = "/tmp/keepalived.conf"
# The container has no interface but lo, which VRRP refuses.
WITHOUT_INTERFACE = "global_defs {\n    dynamic_interfaces\n}\n"


def ask(container: Container, text: str) -> subprocess.CompletedProcess[str]:
    inside = ["podman", "exec", "--interactive", container.name]
    subprocess.run([*inside, "tee", FILE], input=WITHOUT_INTERFACE + text, capture_output=True, text=True, check=True)
    # As the first process of an exec: keepalived 2.2.7 misses its parent otherwise (see roles/keepalived/vars/debian-12.yml).
    return subprocess.run([*inside, "keepalived", "--config-test", "--log-console", "--use-file", FILE], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("node", cases.KEEPALIVED_GOLDEN)
def test_keepalived_takes_the_golden_configuration(container: Container, node: str) -> None:
    answer = ask(container, (cases.GOLDEN / f"keepalived/{node}.conf").read_text(encoding="utf-8"))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_keepalived_takes_several_addresses_and_a_command(container: Container) -> None:
    answer = ask(container, cases.keepalived_chosen_text("east-edge2"))
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("virtual_router_id 51", "virtual_router_id 300"), ("advert_int", "advrt_int"), ("/usr/bin/bash", "/usr/bin/no-such")],
)
def test_keepalived_refuses_what_is_wrong(container: Container, right: str, wrong: str) -> None:
    text = cases.keepalived_text("east-edge1")
    assert right in text
    assert ask(container, text.replace(right, wrong)).returncode != 0
