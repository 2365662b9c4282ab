# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that the unit ring checks against their right column and the differential ring against Postfix itself."""

from __future__ import annotations

from typing import Any

# name of the case: text, what Postfix sees (names that both releases know)
MAIN_TEXTS: dict[str, tuple[str, dict[str, str]]] = {
    "an assignment": ("myhostname = mail.example.test\n", {"myhostname": "mail.example.test"}),
    "no blanks around the sign": ("myhostname=mail.example.test\n", {"myhostname": "mail.example.test"}),
    "many blanks around the sign": ("myhostname \t=   mail.example.test  \n", {"myhostname": "mail.example.test"}),
    "no newline at the end": ("myhostname = a.example.test", {"myhostname": "a.example.test"}),
    "an empty value": ("relayhost =\n", {"relayhost": ""}),
    "a continuation": ("mydestination = a.test,\n    b.test\n", {"mydestination": "a.test, b.test"}),
    "a value that begins on the next line": ("mydestination =\n\ta.test,\n\tb.test\n", {"mydestination": "a.test, b.test"}),
    "comments and blank lines inside a value": (
        "mydestination = a.test,\n# one\n\n   # two\n    b.test\n",
        {"mydestination": "a.test, b.test"},
    ),
    "the last of two wins": ("relayhost = [a.test]\nrelayhost = [b.test]\n", {"relayhost": "[b.test]"}),
    "an equals sign in the value": ("smtpd_banner = a=b\n", {"smtpd_banner": "a=b"}),
    "a name in the value stays": ("smtpd_banner = $myhostname ESMTP\n", {"smtpd_banner": "$myhostname ESMTP"}),
    "braces": (
        "smtpd_milters = { inet:127.0.0.1:11332, connect_timeout=3s }\n",
        {"smtpd_milters": "{ inet:127.0.0.1:11332, connect_timeout=3s }"},
    ),
    "carriage returns are blanks": ("relayhost = [a.test]\r\n", {"relayhost": "[a.test]"}),
}
# name of the case: text, what the error says
MAIN_ERRORS: dict[str, tuple[str, str]] = {
    "no sign": ("myhostname\n", "main.cf, line 1: missing '=' after attribute name"),
    "no name": ("\n= x\n", "main.cf, line 2: not a parameter name"),
}
# name of the case: values, rendered text
MAIN_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "a boolean": ({"biff": False, "soft_bounce": True}, "biff = no\nsoft_bounce = yes\n"),
    "a number": ({"message_size_limit": 1024}, "message_size_limit = 1024\n"),
    "an empty string": ({"relayhost": ""}, "relayhost =\n"),
    "an empty list": ({"mydestination": []}, "mydestination =\n"),
    "nothing": ({"relayhost": None}, ""),
    "a short list": ({"mydestination": ["$myhostname", "localhost"]}, "mydestination = $myhostname, localhost\n"),
    "a long list": (
        {"smtpd_recipient_restrictions": ["permit_mynetworks", "check_client_access cidr:/etc/x", "reject_unauth_destination"]},
        "smtpd_recipient_restrictions =\n    permit_mynetworks,\n    check_client_access cidr:/etc/x,\n    reject_unauth_destination\n",
    ),
    "a member in braces": (
        {"smtpd_milters": ["{ inet:127.0.0.1:11332, connect_timeout=3s }"]},
        "smtpd_milters = { inet:127.0.0.1:11332, connect_timeout=3s }\n",
    ),
    "blanks around a string": ({"relayhost": "  [a.test] "}, "relayhost = [a.test]\n"),
    "names in order": ({"relayhost": "b", "biff": "no"}, "biff = no\nrelayhost = b\n"),
    "a backslash": ({"message_reject_characters": r"\0"}, "message_reject_characters = \\0\n"),
}
# name of the case: text, changes, text afterwards
MAIN_EDITS: dict[str, tuple[str, dict[str, Any], str]] = {
    "a value in its place": ("# one\nrelayhost = a\nbiff = no\n", {"relayhost": "b"}, "# one\nrelayhost = b\nbiff = no\n"),
    "the same value": ("relayhost=a\n", {"relayhost": "a"}, "relayhost=a\n"),
    "a new name": ("biff = no\n", {"relayhost": "a"}, "biff = no\nrelayhost = a\n"),
    "a removal": ("biff = no\nrelayhost = a,\n  b\n# end\n", {"relayhost": None}, "biff = no\n# end\n"),
    "duplicates": ("relayhost = a\nbiff = no\nrelayhost = b\n", {"relayhost": "c"}, "biff = no\nrelayhost = c\n"),
    "several lines": ("mydestination = a,\n  b\nbiff = no\n", {"mydestination": ["c"]}, "mydestination = c\nbiff = no\n"),
    "no newline at the end": ("biff = no", {"relayhost": "a"}, "biff = no\nrelayhost = a\n"),
    "an empty file": ("", {"relayhost": "a"}, "relayhost = a\n"),
}

PLAIN = {"private": "n", "unpriv": "-", "chroot": "n", "wakeup": "-", "maxproc": "-"}
# name of the case: text, services in variables
MASTER_TEXTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "a service": ("smtp inet n - n - - smtpd\n", [{"service": "smtp", "type": "inet", **PLAIN, "command": "smtpd", "args": {}}]),
    "an override": (
        "smtp inet n - n - - smtpd\n  -o smtpd_banner=x\n",
        [{"service": "smtp", "type": "inet", **PLAIN, "command": "smtpd", "args": {"smtpd_banner": "x"}}],
    ),
    "an override behind -o without a blank": (
        "smtp inet n - n - - smtpd -osmtpd_banner=x\n",
        [{"service": "smtp", "type": "inet", **PLAIN, "command": "smtpd", "args": {"smtpd_banner": "x"}}],
    ),
    "an override in braces": (
        "smtp inet n - n - - smtpd\n  -o { smtpd_client_restrictions = permit_mynetworks, reject }\n",
        [{"service": "smtp", "type": "inet", **PLAIN, "command": "smtpd", "args": {"smtpd_client_restrictions": "permit_mynetworks, reject"}}],
    ),
    "braces in braces": (
        "smtp inet n - n - - smtpd -o { smtpd_milters = { inet:127.0.0.1:1, connect_timeout=3s } }\n",
        [{"service": "smtp", "type": "inet", **PLAIN, "command": "smtpd", "args": {"smtpd_milters": "{ inet:127.0.0.1:1, connect_timeout=3s }"}}],
    ),
    "a pipe": (
        "x unix - n n - 10 pipe\n  flags=DRhu user=nobody argv=/bin/x ${recipient}\n",
        [
            {
                "service": "x",
                "type": "unix",
                "private": "-",
                "unpriv": "n",
                "chroot": "n",
                "wakeup": "-",
                "maxproc": "10",
                "command": "pipe",
                "args": ["flags=DRhu", "user=nobody", "argv=/bin/x", "${recipient}"],
            }
        ],
    ),
    "a comment between the lines": (
        "# head\nsmtp inet n - n - - smtpd\n# middle\n  -o smtpd_banner=x\n",
        [{"service": "smtp", "type": "inet", **PLAIN, "command": "smtpd", "args": {"smtpd_banner": "x"}}],
    ),
    "a wake-up only if used": (
        "flush unix n - n 1000? 0 flush\n",
        [{"service": "flush", "type": "unix", **PLAIN, "wakeup": "1000?", "maxproc": "0", "command": "flush", "args": {}}],
    ),
    "an address": (
        "127.0.0.1:10025 inet n - n - - smtpd\n",
        [{"service": "127.0.0.1:10025", "type": "inet", **PLAIN, "command": "smtpd", "args": {}}],
    ),
    "an IPv6 address": (
        "[::1]:10025 inet n - n - - smtpd\n",
        [{"service": "[::1]:10025", "type": "inet", **PLAIN, "command": "smtpd", "args": {}}],
    ),
}
# name of the case: text, what our error says
MASTER_ERRORS: dict[str, tuple[str, str]] = {
    "too few fields": ("smtp inet n - n - -\n", "master.cf, line 1: a service has 8 fields, this one 7"),
    "an unknown type": ("smtp tcp n - n - - smtpd\n", "type must be one of inet, unix, unix-dgram, fifo, pass, not 'tcp'"),
    "a word for yes": ("smtp inet no - n - - smtpd\n", "private must be y, n or -, not 'no'"),
    "a word for a limit": ("smtp inet n - n - many smtpd\n", "maxproc must be a number or -, not 'many'"),
    "an override without a value": ("smtp inet n - n - - smtpd -o smtpd_banner\n", "-o wants name=value, not 'smtpd_banner'"),
    "an override with an open brace": ("smtp inet n - n - - smtpd -o { smtpd_banner = x\n", "unbalanced braces"),
}

# name of the case: source, rows; keys fold to lower case in a compiled table
TABLE_TEXTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a row": ("a@example.test b@example.test\n", [("a@example.test", "b@example.test")]),
    "tabs and blanks": ("a \t b c \n", [("a", "b c")]),
    "a continuation": ("a b,\n  c\n", [("a", "b, c")]),
    "comments": ("# x\na b\n  # y\n\nc d\n", [("a", "b"), ("c", "d")]),
    "a quoted key": ('"a b"@example.test c\n', [('"a b"@example.test', "c")]),
    "an empty file": ("", []),
    "no newline at the end": ("a b", [("a", "b")]),
}
# name of the case: source, what our error says; postmap warns of each and drops the row
TABLE_ERRORS: dict[str, tuple[str, str]] = {
    "a key alone": ("a\n", "t, line 1: a row is a key, blanks and a value"),
    "an open quote": ('x y\n"a b c\n', "t, line 2: a key has an open '\"'"),
}

# name of the case: text, its expansion under EXPAND_VALUES
EXPAND_VALUES = {"myhostname": "a.test", "mydomain": "test", "relayhost": "", "smtpd_banner": "$myhostname ESMTP", "compatibility_level": "3.6"}
EXPANSIONS: dict[str, tuple[str, str]] = {
    "a name": ("$myhostname", "a.test"),
    "a name in braces": ("x${myhostname}y", "xa.testy"),
    "a name in a name": ("$smtpd_banner", "a.test ESMTP"),
    "a condition that holds": ("${mydomain?yes}", "yes"),
    "a condition that does not": ("${relayhost?yes}", ""),
    "a condition turned round": ("${relayhost:none}", "none"),
    "two branches": ("${relayhost?{one}:{two}}", "two"),
    "a comparison": ("${{$mydomain} == {test} ? {same} : {other}}", "same"),
    "a comparison of levels": ("${{$compatibility_level} <level {3.10} ? {old} : {new}}", "old"),
    "a name in a branch": ("${mydomain?{$myhostname}:{x}}", "a.test"),
}
