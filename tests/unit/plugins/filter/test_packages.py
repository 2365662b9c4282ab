# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.filter import packages


@pytest.fixture
def roles(tmp_path, monkeypatch):
    files = {
        "one/vars/main.yml": "one_packages: [shared, always]\n",
        "one/vars/debian-13.yml": "one_packages: [new]\n",
        "two/vars/debian-12.yml": "two_packages: [shared, old]\nother_packages: [never]\n",
        "bare/tasks/main.yml": "[]\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(packages, "ROLES", tmp_path)
    packages._packages.cache_clear()


@pytest.mark.usefixtures("roles")
@pytest.mark.parametrize(
    ("names", "release", "expected"),
    [
        (["one"], "13", ["always", "new", "shared"]),
        (["one"], "12", ["always", "shared"]),
        (["one", "two"], "12", ["always", "old", "shared"]),
        (["two"], 12, ["old", "shared"]),
        (["bare"], "13", []),
        ([], "13", []),
    ],
)
def test_packages_are_the_sorted_union_of_what_the_roles_name(names, release, expected):
    assert packages.role_packages(names, release) == expected


@pytest.mark.usefixtures("roles")
def test_an_unknown_role_is_named():
    with pytest.raises(AnsibleFilterError, match="no role 'three'"):
        packages.role_packages(["three"], "13")
