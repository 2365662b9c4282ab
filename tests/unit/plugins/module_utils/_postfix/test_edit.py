# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import edit, main_cf, master_cf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from hypothesis import given
from hypothesis import strategies as st

MAIN = """\
# Debian's

a = 1
list = x, y,
    z
  # between
b=2
"""
MASTER = """\
# service type
smtp      inet  n       -       y       -       -       smtpd
#smtp      inet  n       -       y       -       1       postscreen
#submission inet n       -       y       -       -       smtpd
#  -o syslog_name=postfix/submission
#  -o smtpd_tls_security_level=encrypt
#628       inet  n       -       y       -       -       qmqpd
relay     unix  -       -       y       -       -       smtp
        -o syslog_name=postfix/$service_name
#       -o smtp_helo_timeout=5
uucp      unix  -       n       n       -       -       pipe
  flags=Fqhu user=uucp argv=uux -r $nexthop
"""


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({"values": {"b": 2}}, "b=2", "b=2"),
        ({"values": {"b": 3}}, "b=2", "b = 3"),
        ({"values": {"a": None}}, "a = 1\n", ""),
        ({"values": {"c": ["p", "q"]}}, "b=2\n", "b=2\nc = p, q\n"),
        ({"values": {}, "append": {"list": ["y"]}}, "b=2", "b=2"),
        ({"values": {}, "append": {"new": ["p", "p"]}}, "b=2\n", "b=2\nnew = p\n"),
        ({"values": {}, "append": {"new": ["p"]}, "defaults": {"new": "$d e"}}, "b=2\n", "b=2\nnew = $d e p\n"),
        ({"values": {}, "remove": {"new": ["e"]}, "defaults": {"new": "d, e"}}, "b=2\n", "b=2\nnew = d\n"),
        ({"values": {}, "append": {"list": ["w"]}, "remove": {"list": ["y"]}}, "list = x, y,\n    z\n", "list = x, z, w\n"),
        ({"values": {}, "remove": {"list": ["nothing"]}}, "b=2", "b=2"),
    ],
)
def test_only_the_lines_of_a_changed_parameter_change(options: dict[str, Any], before: str, after: str) -> None:
    assert edit.main(MAIN, **options) == MAIN.replace(before, after)


def test_a_parameter_set_as_a_whole_and_by_element_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"main\.cf: a: is set as a whole and element by element"):
        edit.main(MAIN, values={"a": "1"}, append={"a": ["2"]})


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        ({"service": "smtp", "type": "inet", "enabled": False}, "\nsmtp      inet", "\n#smtp      inet"),
        (
            {"service": "relay", "type": "unix", "enabled": False},
            "relay     unix  -       -       y       -       -       smtp\n        -o",
            "#relay     unix  -       -       y       -       -       smtp\n#        -o",
        ),
        ({"service": "628", "type": "inet", "enabled": False}, "", ""),
        (
            {"service": "submission", "type": "inet"},
            "#submission inet n       -       y       -       -       smtpd\n#  -o syslog_name=postfix/submission\n#  -o smtpd_tls",
            "submission inet n       -       y       -       -       smtpd\n  -o syslog_name=postfix/submission\n  -o smtpd_tls",
        ),
        (
            {"service": "relay", "type": "unix", "fields": {"chroot": "n", "maxproc": "10"}},
            "relay     unix  -       -       y       -       -       smtp",
            "relay     unix  -       -       n       -       10      smtp",
        ),
        (
            {"service": "smtp", "type": "inet", "fields": {"command": "smtpd", "chroot": "y"}},
            "",
            "",
        ),
        (
            {"service": "relay", "type": "unix", "args": {"syslog_name": None, "smtp_bind_address": "192.0.2.1"}},
            "        -o syslog_name=postfix/$service_name",
            "    -o smtp_bind_address=192.0.2.1",
        ),
        (
            {"service": "uucp", "type": "unix", "args": {"a": "b c"}},
            "  flags=Fqhu",
            "    -o { a = b c }\n    flags=Fqhu",
        ),
        (
            {"service": "extra", "type": "unix", "fields": {"command": "smtp"}},
            "r $nexthop\n",
            "r $nexthop\nextra      unix       -  -  n  -      -    smtp\n",
        ),
    ],
)
def test_only_the_lines_of_a_changed_service_change(change: dict[str, Any], before: str, after: str) -> None:
    edited = edit.services(MASTER, [edit.ServiceEdit(**change)])
    assert edited == MASTER.replace(before, after)
    assert edit.services(edited, [edit.ServiceEdit(**change)]) == edited


def test_a_service_that_is_nowhere_cannot_be_enabled_without_a_command() -> None:
    with pytest.raises(ConfigError, match=r"master\.cf: extra/unix: there is no such service"):
        edit.services(MASTER, [edit.ServiceEdit(service="extra", type="unix")])


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"service": "relay", "type": "unix", "fields": {"maxproc": "many"}}, "line 8: relay/unix: maxproc"),
        ({"service": "relay", "type": "unix", "args": ["-o", "biff"]}, "line 8: relay/unix: -o wants name=value"),
        ({"service": "new", "type": "unix", "fields": {"command": "smtp", "wakeup": "soon"}}, "line 13: new/unix: wakeup"),
    ],
)
def test_a_wrong_field_has_its_line(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError, match=f"^master.cf, {place}"):
        edit.services(MASTER, [edit.ServiceEdit(**change)])


def test_enabling_with_a_command_takes_the_comment_with_that_command() -> None:
    change = edit.ServiceEdit(service="smtp", type="inet", fields={"command": "postscreen"})
    disabled = edit.services(MASTER, [edit.ServiceEdit(service="smtp", type="inet", enabled=False)])
    assert [entry.command for entry in master_cf.parse(edit.services(disabled, [change])) if entry.type == "inet"] == ["postscreen"]


WORDS = st.text(alphabet="abc$./:", min_size=1, max_size=6)


@given(st.lists(WORDS, unique=True), st.lists(WORDS, unique=True))
def test_what_is_appended_is_there_once_and_can_be_removed_again(present: list[str], added: list[str]) -> None:
    text = main_cf.render({"list": present, "other": "1"})
    appended = edit.main(text, values={}, append={"list": added})
    assert set(main_cf.parameters(appended).get("list", "").replace(",", " ").split()) == {*present, *added}
    assert edit.main(appended, values={}, append={"list": added}) == appended
    removed = edit.main(appended, values={}, remove={"list": [word for word in added if word not in present]})
    assert main_cf.parameters(removed) == main_cf.parameters(text) | {"list": ", ".join(present)}


@pytest.mark.parametrize("text", ["relayhost = a\nbiff = no\nrelayhost = b\n", "relayhost=b # not a comment\nrelayhost =  b\n"])
def test_a_value_that_counts_already_leaves_every_line(text: str) -> None:
    assert edit.main(text, values={"relayhost": "b"}) == text


def test_all_arguments_of_a_service_are_set_at_once() -> None:
    text = "x  unix - n n - - pipe\n  flags=F user=c argv=/bin/d\n# end\n"
    change = edit.ServiceEdit(service="x", type="unix", args=["flags=R", "user=a", "argv=/bin/b ${recipient}"])
    after = edit.services(text, [change])
    assert after == "x  unix - n n - - pipe\n    flags=R user=a argv=/bin/b ${recipient}\n# end\n"
    assert edit.services(after, [change]) == after


def test_arguments_that_are_there_already_leave_every_line() -> None:
    text = "x  unix - n n - - pipe\n  -o biff=no\n# why\n  flags=F user=c\n  argv=/bin/d\n"
    assert edit.services(text, [edit.ServiceEdit(service="x", type="unix", args=["-o biff=no", "flags=F user=c argv=/bin/d"])]) == text
