# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Native settings as text."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mailcluster.postfix.plugins.filter.daemon_config import directives, ucl


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, ""),
        ({"port": 6379}, "port 6379\n"),
        ({"save": "300 10"}, "save 300 10\n"),
        ({"appendonly": True, "daemonize": False}, "appendonly yes\ndaemonize no\n"),
        ({"include": ["a", "b"]}, "include a\ninclude b\n"),
        ({"include": []}, ""),
    ],
)
def test_directives(settings: dict[str, object], text: str) -> None:
    assert directives(settings) == text  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [{"a": 1}, None, "x\nrequirepass y", ["x\ny"]])
def test_directives_refuse_what_is_not_one_line(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^directives: save: "):
        directives({"save": value})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({}, ""),
        ({"timeout": 300, "enabled": False}, '"timeout" = 300;\n"enabled" = false;\n'),
        ({"message": 'say "no"'}, '"message" = "say \\"no\\"";\n'),
        ({"upstream": {}}, '"upstream" = {};\n'),
    ],
)
def test_ucl(section: dict[str, object], text: str) -> None:
    assert ucl(section) == text
