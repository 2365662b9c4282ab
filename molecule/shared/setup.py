# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other targets stand on: Debian packages, the virtual environment, the collection's path.

The only file of the lab that runs before there is a virtual environment: nothing but the standard library here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

import host
from steps import CACHE, ROOT, LabError, Steps

VENV = CACHE / "venv"
# Python version -> its pins; a newer one takes the newest.
OLDEST, NEWEST = (3, 11), (3, 13)


def main() -> int:
    steps = Steps()
    try:
        if "--no-lab" not in sys.argv:
            install_packages(steps)
        make_environment(steps)
        link_collection()
    except LabError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


def install_packages(steps: Steps) -> None:
    """Install with apt what this machine lacks, and nothing when it lacks nothing."""
    packages = host.missing_packages()
    if importlib.util.find_spec("ensurepip") is None:
        packages.append("python3-venv")
    if not packages:
        return
    if os.geteuid() != 0:
        raise LabError(f"missing on this machine: {' '.join(packages)}; run make as root, or install them")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    steps.logged("Refresh the package lists", ["apt-get", "-q", "update"], env=quiet)
    steps.logged(f"Install {' '.join(packages)}", ["apt-get", "-qy", "install", "--no-install-recommends", *packages], env=quiet)


def make_environment(steps: Steps) -> None:
    """A virtual environment with exactly the pins; made anew when they change."""
    if sys.version_info < OLDEST:
        raise LabError(f"Python {'.'.join(map(str, OLDEST))} or newer is needed (this is {sys.version.split()[0]}); try make PYTHON=...")
    version = OLDEST if sys.version_info[:2] == OLDEST else NEWEST
    pins = ROOT / ".config" / f"requirements-{'.'.join(map(str, version))}.txt"
    digest = hashlib.sha256(f"{sys.version}\n{pins.read_text(encoding='utf-8')}".encode()).hexdigest()
    # Written last: an interrupted installation is not taken for a whole one.
    stamp = VENV / "pins.sha256"
    if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
        return
    steps.logged("Make the virtual environment", [sys.executable, "-m", "venv", "--clear", VENV])
    install: list[str | Path] = [VENV / "bin" / "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps", "--requirement", pins]
    steps.logged("Install Ansible and the tools", install)
    stamp.write_text(digest, encoding="ascii")


def link_collection() -> None:
    """Let this checkout be found as mailcluster.postfix."""
    link = CACHE / "collections" / "ansible_collections" / "mailcluster" / "postfix"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.resolve() != ROOT:
        link.unlink(missing_ok=True)
        link.symlink_to(ROOT)


if __name__ == "__main__":
    sys.exit(main())
