# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rings of tests. `make check` runs those that need no container, `make test` all of them."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import images
import yaml
from host import STATE
from lab import BIN, ENVIRONMENT
from steps import CACHE, ROOT, Steps, run

SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
# ansible-test refuses a checkout outside ansible_collections, and a symlink too.
SANITY = CACHE / "sanity" / "ansible_collections" / "mailcluster" / "postfix"
# ansible-test would download its bootstrap of pip; Python brings one.
GET_PIP = """import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", *(a for a in sys.argv[1:] if not a.startswith("--no-"))])
"""
# What ansible-core 2.19 and 2.21 call it.
GET_PIP_FILES = ("get_pip_24_2.py", "get_pip_25_2.py")


def lint(steps: Steps) -> None:
    """Style of Python and of Ansible content."""
    steps.logged("Lint Python", [BIN / "ruff", "check", "."])
    steps.logged("Check types", [BIN / "mypy", "plugins", "molecule/shared"])
    steps.logged("Lint Ansible", [BIN / "ansible-lint", "--offline", "--profile", "production", "-c", ".config/ansible-lint.yml"], env=ENVIRONMENT)


def sanity(steps: Steps, title: str = "Sanity of the collection", *, tests: tuple[str, ...] = ("--skip-test", "pylint")) -> None:
    """Every test of ansible-test sanity but pylint, which takes longer than all the others, in a copy of the tracked files."""
    shutil.rmtree(SANITY, ignore_errors=True)
    SANITY.mkdir(parents=True)
    for name in run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"]).splitlines():
        source, target = ROOT / name, SANITY / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    # Without a repository of its own, the copy counts as ignored by the checkout around it.
    run(["git", "-C", SANITY, "init", "-q"])
    run(["git", "-C", SANITY, "add", "-A"])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command: list[str | Path] = [BIN / "ansible-test", "sanity", "--python", version, "--color", "no", "--enable-optional-errors", *tests]
    home = CACHE / "ansible-test"
    cached = home / ".ansible" / "test" / "cache"
    cached.mkdir(parents=True, exist_ok=True)
    for name in GET_PIP_FILES:
        (cached / name).write_text(GET_PIP, encoding="utf-8")
    steps.logged(title, command, env={"HOME": str(home), "ANSIBLE_CONFIG": ""}, cwd=SANITY)


def pylint(steps: Steps) -> None:
    """The rest of ansible-test sanity."""
    sanity(steps, "Sanity of the collection: pylint", tests=("--test", "pylint"))


def unit(steps: Steps) -> None:
    """Tables and contracts."""
    steps.shown("Unit tests and contracts", [BIN / "pytest", "-q", "tests/unit"], env=ENVIRONMENT)


def on_nodes(steps: Steps, title: str, tests: str, *more: str) -> None:
    """Tests that start their own containers from the images of both releases, and from more."""
    images.build(steps, {*images.RELEASES, *more})
    steps.shown(title, [BIN / "pytest", "-q", tests], env=ENVIRONMENT)


def differential(steps: Steps) -> None:
    """The tables again, judged by the real programs of both releases."""
    # In the world is the name server that judges zones.
    on_nodes(steps, "Differential tests", "tests/differential", "world")


def faults(steps: Steps) -> None:
    """The engine is killed, and what it stands on breaks; MAILCLUSTER_FAULTS_WHOLE turns the sample into all of it."""
    on_nodes(steps, "Faults", "tests/faults")


def scenario(steps: Steps, name: str) -> None:
    """What `molecule test` does, each action with its own time and log."""
    config = yaml.safe_load((ROOT / "molecule" / name / "molecule.yml").read_text(encoding="utf-8"))
    for action in config["scenario"]["test_sequence"]:
        show = steps.shown if action == "verify" else steps.logged
        show(f"Scenario {name}: {action}", [BIN / "molecule", action, "-s", name], env=ENVIRONMENT | {"MOLECULE_COMMAND_BORDERS": "false"})


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["check", "test"])
    options = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    STATE.mkdir(parents=True, exist_ok=True)
    rings: list[Callable[[Steps], None]] = [lint, sanity, unit]
    if options.command == "test":
        rings += [pylint, differential, faults, *((lambda steps, name=name: scenario(steps, name)) for name in SCENARIOS)]
    steps = Steps()
    try:
        for ring in rings:
            with steps.counted():
                ring(steps)
    except KeyboardInterrupt:
        print("\ninterrupted; make demo-down removes what runs", file=sys.stderr)
        return 130
    print(f"\n{steps.table()}\n")
    print(f"{len(rings) - len(steps.failures)} passed, {len(steps.failures)} failed")
    return 1 if steps.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
