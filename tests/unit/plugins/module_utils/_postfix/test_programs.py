# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import postfix_accepts as accepts
import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import master_cf, programs


@pytest.mark.parametrize("line", accepts.SERVICES.replace("@", "").replace("PORT", "25").replace("SCREEN", "26").splitlines())
def test_the_services_of_the_distribution_are_accepted(line: str) -> None:
    (entry,) = master_cf.parse(line)
    assert [str(problem) for problem in programs.problems(entry)] == []


@pytest.mark.parametrize(
    "line",
    [
        "x unix - n n - 10 pipe flags=DRXhuq. user=a:b directory=/tmp eol=\\r\\n null_sender= size=0 argv=/bin/x -f ${sender} user=root",
        "x unix - n n - - pipe user=a argv={/bin/x y}",
        "x unix - n n - 0 spawn user=a argv=/bin/x",
        "127.0.0.1:1 inet n n n - 0 spawn user=a argv=/bin/x",
        # A listener that only shows that master(8) lives.
        "127.0.0.1:1 inet n - n - 1 anvil",
        "127.0.0.1:1 inet n - n - 0 tlsproxy",
        "25 inet n y n - - smtpd -v -o a=b",
        "25 inet n - n - - smtpd -vv -D",
        "x unix - - n - - own-program any argument",
        "x unix - - n - 01 verify",
    ],
)
def test_what_a_program_takes_is_accepted(line: str) -> None:
    (entry,) = master_cf.parse(line)
    assert [str(problem) for problem in programs.problems(entry)] == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x unix n - n - - pickup", "maxproc must be 1 for pickup, not '-'"),
        ("x unix - - n - 2 tlsmgr", "maxproc must be 1 for tlsmgr, not '2'"),
        ("x unix - - n - - bounce", "maxproc must be 0 for bounce, not '-'"),
        ("x unix - - n - - local", "unpriv must be n for local, not '-'"),
        ("x unix - n n - - smtpd", "unpriv must not be n for smtpd"),
        ("x unix y - n - - showq", "private must be n for showq, not 'y'"),
        ("x unix n - n - - smtp", "private must not be n for smtp"),
        ("25 inet n - n - - lmtp", "lmtp serves no port"),
        ("25 inet n - n - - smtpd x", "smtpd takes no argument: 'x'"),
        ("25 inet n - n - - smtpd -W", "unknown option '-W'"),
        ("25 inet n - n - - smtpd -- -o", "smtpd takes no argument: '-o'"),
        ("25 inet n - n - - smtpd -m 5 x", "smtpd takes no argument: 'x'"),
        ("x unix - n n - - pipe argv=/bin/x", "pipe needs user="),
        ("x unix - n n - - pipe user=0 argv=/bin/x", "pipe refuses user=root"),
        ("x unix - n n - - spawn user=a flags=R argv=/bin/x", "unknown attribute of spawn: 'flags=R'"),
    ],
)
def test_what_a_program_dies_of_is_refused(line: str, reason: str) -> None:
    (entry,) = master_cf.parse(line)
    assert [problem.reason for problem in programs.problems(entry)] == [reason]
