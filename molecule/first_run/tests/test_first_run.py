# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first run on a virgin host: check mode foretells it, and a run killed half way is finished by the next one.

The host has no package of any role.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testing import ROOT, Site, ansible, etc, the_site

# Seconds after the beginning of the first task whose name holds this.
KILLED = (("Install the packages", 8), ("firewall : ", 0.5), ("dovecot : ", 1), ("Run the Postfix instance", 0.7))
# What the host draws for itself, or keeps about its packages, whichever run it was.
OF_THE_HOST = re.compile(r"^/etc/(machine-id|ld\.so\.cache|aliases\.db|ssl/(certs|private)/ssl-cert-snakeoil\.(pem|key))$")
CERTIFICATES = "mailcluster.postfix.certificates"
TASK = re.compile(r"^TASK \[(?P<task>.+)\] \*+$", re.MULTILINE)


def lab(command: str, *more: str) -> None:
    program = [sys.executable, ROOT / "molecule/shared/lab.py", command, "--site", the_site().name, *more]
    subprocess.run(program, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


@pytest.fixture(scope="module", autouse=True)
def virgin() -> Iterator[None]:
    lab("create", "--plain")
    yield
    lab("destroy")


def site_run(*more: str) -> tuple[int, str]:
    done = ansible("ansible-playbook", "mailcluster.postfix.site", "-i", the_site().inventory, *more, seconds=600)
    return done.returncode, done.stdout + done.stderr


def changed_tasks(output: str) -> list[str]:
    """The names of the tasks that changed a host, in the order of the play; issuing certificates counts as one."""
    parts = TASK.split(output)[1:]
    changed = [task for task, said in zip(parts[::2], parts[1::2], strict=True) if re.search(r"^changed: ", said, re.MULTILINE)]
    return [CERTIFICATES if task.startswith(CERTIFICATES) else task for task in changed]


def secrets_of(site: Site) -> list[str]:
    return [path.read_text().strip() for path in (site.state / "secrets").iterdir()]


@pytest.fixture(scope="module")
def virgin_etc(site: Site, virgin: None) -> dict[str, dict[str, str]]:
    return etc(site)


@pytest.fixture(scope="module")
def foretold(virgin_etc: dict[str, dict[str, str]]) -> tuple[int, str]:
    return site_run("--check", "--diff")


@pytest.fixture(scope="module")
def first(foretold: tuple[int, str]) -> tuple[int, str]:
    return site_run("--diff")


@pytest.fixture(scope="module")
def undisturbed(site: Site, first: tuple[int, str]) -> dict[str, str]:
    """What /etc holds after a run that nothing disturbed."""
    return contents(site)


def contents(site: Site) -> dict[str, str]:
    """Path -> mode, owner and digest in /etc of the one node, without times and without what every host draws anew."""
    (files,) = etc(site).values()
    return {path: line.rsplit(" ", 1)[0] for path, line in files.items() if not OF_THE_HOST.match(path)}


def test_check_mode_answers(foretold: tuple[int, str]) -> None:
    """On a virgin host `--check --diff` runs to its end"""
    assert foretold[0] == 0, foretold[1][-6000:]


def test_check_mode_changes_nothing(site: Site, virgin_etc: dict[str, dict[str, str]], foretold: tuple[int, str]) -> None:
    """It leaves /etc as it was"""
    assert etc(site) == virgin_etc


def test_first_run(first: tuple[int, str]) -> None:
    """The run after it succeeds"""
    assert first[0] == 0, first[1][-6000:]


def test_check_mode_foretells(foretold: tuple[int, str], first: tuple[int, str]) -> None:
    """It changes what check mode had said"""
    told, done = changed_tasks(foretold[1]), changed_tasks(first[1])
    assert ([task for task in done if task not in told], [task for task in told if task not in done]) == ([], [])


def test_no_secret_is_shown(site: Site, foretold: tuple[int, str], first: tuple[int, str]) -> None:
    """No secret is in what the two have printed"""
    assert [secret for secret in secrets_of(site) if secret in foretold[1] + first[1]] == []


def test_killed_half_way(site: Site, undisturbed: dict[str, str]) -> None:
    """On a virgin host again, a run killed four times is finished by the next one, to the same content of /etc"""
    lab("destroy")
    lab("create", "--plain")
    for task, seconds in KILLED:
        killed(task, seconds)
    code, said = site_run()
    assert code == 0, said[-6000:]
    now = contents(site)
    differing = sorted(path for path in undisturbed.keys() | now.keys() if undisturbed.get(path) != now.get(path))
    assert differing == []


def test_settled() -> None:
    """The run after that changes nothing"""
    code, said = site_run()
    assert (code, changed_tasks(said)) == (0, []), said[-6000:]


def killed(task: str, seconds: float) -> None:
    """Start the playbook and kill all its processes so many seconds after a task began."""
    program = Path(sys.executable).parent / "ansible-playbook"
    words = [program, "mailcluster.postfix.site", "-i", the_site().inventory]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout
        assert any(line.startswith("TASK [") and task in line for line in run.stdout), f"the run ended without {task}"
        time.sleep(seconds)
        assert run.poll() is None, f"the run ended within {seconds} s of {task}"
        os.killpg(run.pid, signal.SIGKILL)
