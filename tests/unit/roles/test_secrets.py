# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible says, as loud as it can, of a secret that is missing, empty or none: one run with a host for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# What a site has to set, and the role that asks for it.
SECRETS = {"certificates_ca_passphrase": "certificates", "rspamd_controller_password": "rspamd", "valkey_password": "valkey"}
VALUES = {
    "empty": "",
    "no value": None,
    "placeholder": "changeme",
    "short": "hunter2",
    "number": 271828,
    "list": ["hunter2"],
    "dict": {"hunter2": "hunter2"},
    "lost": "{{ hunter['password'] }}",
}
HOSTS = {
    f"{role}-{case.replace(' ', '-')}": (name, {"judge": role} | ({} if case == "missing" else {name: VALUES[case]}))
    for name, role in SECRETS.items()
    for case in ["missing", *VALUES]
}
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - mailcluster.postfix.check_variables: {roles: ["{{ judge }}"]}
"""


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {host: variables for host, (_name, variables) in HOSTS.items()}}}), encoding="utf-8")
    (folder / "play.yml").write_text(PLAY, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "-vvvv", "-i", folder / "hosts.json", folder / "play.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": ".config/ansible.cfg", "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(("host", "name"), [(host, name) for host, (name, _variables) in HOSTS.items()], ids=HOSTS)
def test_a_secret_that_is_none_is_refused_with_name_host_and_reason(output: str, host: str, name: str) -> None:
    assert f"{name} ({host}): " in output


def test_no_secret_is_shown(output: str) -> None:
    assert [word for word in ("hunter2", "271828") if word in output] == []
