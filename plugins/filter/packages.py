# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian packages of roles, read from the roles themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import yaml
from ansible.errors import AnsibleFilterError

ROLES = Path(__file__).resolve().parents[2] / "roles"


@cache
def _packages(role: str, release: str) -> frozenset[str]:
    """Return what C(<role>_packages) names for a Debian release such as C("13")."""
    if not (ROLES / role).is_dir():
        raise AnsibleFilterError(f"role_packages: the collection has no role {role!r}")
    files = [ROLES / role / "vars" / name for name in ("main.yml", f"debian-{release}.yml")]
    read = [yaml.safe_load(file.read_text(encoding="utf-8")) or {} for file in files if file.exists()]
    return frozenset(name for data in read for name in data.get(f"{role}_packages", []))


def role_packages(roles: Iterable[str], release: str | int) -> list[str]:
    """Return the sorted union of the packages of C(roles) on a Debian release."""
    return sorted(frozenset().union(*(_packages(role, str(release)) for role in roles)))


class FilterModule:
    """Filters over the package lists of roles."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"role_packages": role_packages}
