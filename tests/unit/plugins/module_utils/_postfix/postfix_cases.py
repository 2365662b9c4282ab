# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that the unit ring checks against their right column and the differential ring against Postfix itself."""

from __future__ import annotations

from itertools import product
from typing import Any

HUGE = ",".join(f"host{number}.example.test" for number in range(5000))
# What separates the pieces of a value, and what can end it: every pair of these is a case.
JOINTS = {
    "a blank": "\n ",
    "a tab": "\n\t",
    "blanks at both ends": "  \n    ",
    "a carriage return": "\r\n ",
    "an empty line": "\n\n ",
    "a line of blanks": "\n \t \n ",
    "a comment": "\n# c\n ",
    "an indented comment": "\n   # c\n ",
    "an empty comment between empty lines": "\n\n#\n\n ",
    "a comment with an assignment": "\n#relayhost = c\n ",
}
SIGNS = {
    "nothing": "=",
    "blanks": " = ",
    "tabs": "\t=\t",
    "a blank before": " =",
    "a blank behind": "= ",
    "many of both": " \t =\t  \t",
    "a new line before": "\n =",
    "a new line behind": "=\n ",
    "a comment before": "\n# c\n =",
    "a comment behind": "=\n# c\n ",
}
ENDS = {
    "a new line": "\n",
    "nothing": "",
    "a carriage return": "\r\n",
    "a carriage return without a new line": "\r",
    "blanks": " \t \n",
    "an empty line": "\n\n",
    "a comment": "\n# end\n",
    "an indented comment without a new line": "\n  # end",
    "a line of blanks without a new line": "\n  ",
    "another parameter": "\nbiff = no\n",
}

# name of the case: text, what Postfix sees (names that both releases know, or that no release knows)
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
    "an empty file": ("", {}),
    "blank lines alone": ("\n \n\t\n", {}),
    "comments alone": ("# a = b\n  # c = d\n#\n", {}),
    "a value of blanks": ("relayhost =  \t \n", {"relayhost": ""}),
    "an empty value at the end of the file": ("relayhost =", {"relayhost": ""}),
    "an empty value and a comment": ("relayhost =\n# x\nbiff = no\n", {"relayhost": "", "biff": "no"}),
    "an empty value that a continuation fills": ("relayhost =\n\n\n\t[a.test]\n", {"relayhost": "[a.test]"}),
    "an empty value that wins": ("relayhost = a\nrelayhost =\n", {"relayhost": ""}),
    "a name alone on its line": ("relayhost\n   =\n   [a.test]\n", {"relayhost": "[a.test]"}),
    "the last of three wins, with lines between": (
        "relayhost = a\nbiff = no\nrelayhost = b,\n  c\nbiff = yes\nrelayhost=d\n",
        {"relayhost": "d", "biff": "yes"},
    ),
    "the same twice": ("relayhost = a\nrelayhost = a\n", {"relayhost": "a"}),
    "two signs": ("relayhost = = a\n", {"relayhost": "= a"}),
    "a sign without blanks in the value": ("relayhost ==a=\n", {"relayhost": "=a="}),
    "a number sign in a value": ("relayhost = a#b\n", {"relayhost": "a#b"}),
    "a number sign behind a blank is no comment": ("relayhost = a # b\n", {"relayhost": "a # b"}),
    "a value of a number sign": ("relayhost = #\n", {"relayhost": "#"}),
    "a number sign at the end of a continuation": ("mydestination = a,\n  b #c\n", {"mydestination": "a, b #c"}),
    "a backslash at the end joins nothing": ("relayhost = a\\\nbiff = no\n", {"relayhost": "a\\", "biff": "no"}),
    "quotes are characters": ("relayhost = \"a b\" 'c'\n", {"relayhost": "\"a b\" 'c'"}),
    "an open quote": ('relayhost = "a\nbiff = no\n', {"relayhost": '"a', "biff": "no"}),
    "an open brace": ("relayhost = { a\nbiff = no\n", {"relayhost": "{ a", "biff": "no"}),
    "a closing brace": ("relayhost = a }\n", {"relayhost": "a }"}),
    "braces over lines": (
        "smtpd_milters = {\n  inet:127.0.0.1:1,\n  connect_timeout=3s\n }\n",
        {"smtpd_milters": "{ inet:127.0.0.1:1, connect_timeout=3s }"},
    ),
    "braces in braces": (
        "virtual_alias_maps = pipemap:{ static:{ a b }, inline:{ { c = d } } }\n",
        {"virtual_alias_maps": "pipemap:{ static:{ a b }, inline:{ { c = d } } }"},
    ),
    "a form feed inside a value": ("relayhost = a\fb\n", {"relayhost": "a\fb"}),
    "a vertical tab inside a value": ("relayhost = a\vb\n", {"relayhost": "a\vb"}),
    "a form feed around a value": ("relayhost =\f a \f\n", {"relayhost": "a"}),
    "a vertical tab around a value": ("relayhost = \va\v\n", {"relayhost": "a"}),
    "a form feed continues a line and is no blank": ("mydestination = a,\n\fb\n", {"mydestination": "a,\fb"}),
    "a form feed behind blanks": ("mydestination = a, \n\fb\n \vc\n", {"mydestination": "a, \fb \vc"}),
    "a line of form feeds is blank": ("relayhost = a\n\f\v\nbiff = no\n", {"relayhost": "a", "biff": "no"}),
    "a carriage return continues a line": ("mydestination = a,\n\rb\n", {"mydestination": "a, b"}),
    "every line ends in a carriage return": ("# x\r\nrelayhost = a\r\n\r\nbiff = no\r\n", {"relayhost": "a", "biff": "no"}),
    "a carriage return alone ends no line": ("relayhost = a\rbiff = no\n", {"relayhost": "a\rbiff = no"}),
    "control characters": ("relayhost = a\x01b\x1b[m\x7f\n", {"relayhost": "a\x01b\x1b[m\x7f"}),
    "separators of ASCII are no blanks": ("relayhost = \x1ca\x1d\x1eb\x1f\n", {"relayhost": "\x1ca\x1d\x1eb\x1f"}),
    "UTF-8": ("relayhost = caf\u00e9.\u4f8b\u3048.test\n", {"relayhost": "caf\u00e9.\u4f8b\u3048.test"}),
    "a no-break space is no blank": ("relayhost = \u00a0a\u00a0\n", {"relayhost": "\u00a0a\u00a0"}),
    "an ideographic space is no blank": ("relayhost = \u3000a\u3000\n", {"relayhost": "\u3000a\u3000"}),
    "a line separator ends no line": ("relayhost = a\u2028biff = no\n", {"relayhost": "a\u2028biff = no"}),
    "a next-line character ends no line": ("relayhost = a\u0085b\n", {"relayhost": "a\u0085b"}),
    "Latin-1": ("relayhost = caf\udce9\n", {"relayhost": "caf\udce9"}),
    "a no-break space of Latin-1": ("relayhost = a\udca0\n", {"relayhost": "a\udca0"}),
    "bytes that no encoding has": ("relayhost = \udcff\udcfe\udc80\n", {"relayhost": "\udcff\udcfe\udc80"}),
    "a byte order mark belongs to the name": ("\ufeffrelayhost = a\n", {"\ufeffrelayhost": "a"}),
    "100 kB": (f"mydestination = {HUGE}\n", {"mydestination": HUGE}),
    "100 kB in 5000 lines": ("mydestination =\n  " + HUGE.replace(",", ",\n  ") + "\n", {"mydestination": HUGE.replace(",", ", ")}),
    "100 kB of comment": (f"#{HUGE}\nrelayhost = a\n", {"relayhost": "a"}),
    "100 kB of blanks": (f"relayhost = a{' ' * 100_000}\n", {"relayhost": "a"}),
    "300 entries": (
        "".join(f"t{number}_destination_rate_delay = {number}s\n" for number in range(300)),
        {f"t{number}_destination_rate_delay": f"{number}s" for number in range(300)},
    ),
    "a name in upper case is another": ("RELAYHOST = a\nrelayhost = b\n", {"RELAYHOST": "a", "relayhost": "b"}),
    "a name with a dot": ("some.name = a\n", {"some.name": "a"}),
    "a name with a dash": ("some-name = a\n", {"some-name": "a"}),
    "a name with a slash and brackets": ("[::1]:25/inet/x = a\n", {"[::1]:25/inet/x": "a"}),
    "a name of signs": ("*%!&()[]{}<>?@;,\\|~^`' = a\n", {"*%!&()[]{}<>?@;,\\|~^`'": "a"}),
    "a name that starts with a digit": ("0x = a\n", {"0x": "a"}),
    "a name of one letter": ("x=\n", {"x": ""}),
    "a name with a quote": ('"x" = a\n', {'"x"': "a"}),
    "a name with a dollar sign": ("$x = a\n", {"$x": "a"}),
    "a name with a number sign inside": ("x#y = a\n", {"x#y": "a"}),
    "a name that a value refers to": ("own_list = a\nrelayhost = $own_list\n", {"own_list": "a", "relayhost": "$own_list"}),
    "a condition": ("relayhost = ${mydomain?{a}:{b}}\n", {"relayhost": "${mydomain?{a}:{b}}"}),
    "a comparison": ("relayhost = ${{$mydomain} == {x} ? {a} : {b}}\n", {"relayhost": "${{$mydomain} == {x} ? {a} : {b}}"}),
    "two dollar signs": ("relayhost = a$$b\n", {"relayhost": "a$$b"}),
    **{
        f"sign between {sign}, pieces joined by {joint}": (f"mydestination{SIGNS[sign]}a.test,{JOINTS[joint]}b.test\n", {"mydestination": "a.test, b.test"})
        for sign, joint in product(SIGNS, JOINTS)
    },
    **{
        f"pieces joined by {joint}, ended by {end}": (
            f"mydestination = a b{JOINTS[joint]}c{JOINTS[joint]}d{ENDS[end]}",
            {"mydestination": "a b c d"} | ({"biff": "no"} if "biff" in ENDS[end] else {}),
        )
        for joint, end in product(JOINTS, ENDS)
    },
    **{
        f"an empty value, sign between {sign}, ended by {end}": (
            f"relayhost{SIGNS[sign].rstrip(' ')}{ENDS[end]}",
            {"relayhost": ""} | ({"biff": "no"} if "biff" in ENDS[end] else {}),
        )
        for sign, end in product(("nothing", "blanks", "tabs", "a new line before"), ENDS)
    },
}
# name of the case: text, what the error says; postconf fails or warns
MAIN_ERRORS: dict[str, tuple[str, str]] = {
    "no sign": ("myhostname\n", "main.cf, line 1: missing '=' after attribute name"),
    "no sign behind a good line": ("relayhost = a\n\n# x\nmyhostname\n", "main.cf, line 4: missing '='"),
    "no sign in three lines": ("a\n b\n c\n", "main.cf, line 1: missing '='"),
    "no name": ("\n= x\n", "main.cf, line 2: not a parameter name"),
    "a sign alone": ("=\n", "main.cf, line 1: not a parameter name"),
    "two names": ("my host = x\n", "main.cf, line 1: not a parameter name: 'my host'"),
    "two names on two lines": ("my\n host = x\n", "main.cf, line 1: not a parameter name: 'my host'"),
    "a name behind a form feed": ("my\fhost = x\n", "main.cf, line 1: not a parameter name"),
    "a continuation of nothing": (" relayhost = x\n", "main.cf, line 1: continuation of nothing"),
    "a continuation of a comment": ("# relayhost =\n  a\nbiff = no\n", "main.cf, line 2: continuation of nothing"),
    "a carriage return before the first name": ("\rrelayhost = x\n", "main.cf, line 1: continuation of nothing"),
    "words alone": ("this is no configuration\n", "main.cf, line 1: missing '='"),
    "a service of master.cf": ("smtp inet n - n - - smtpd\n", "main.cf, line 1: missing '='"),
    "a number sign behind a name": ("relayhost # = x\n", "main.cf, line 1: not a parameter name"),
    "a byte order mark alone": ("\ufeff\n", "main.cf, line 1: missing '='"),
    "a NUL byte alone": ("\0\n", "main.cf, line 1: a NUL byte"),
    "a NUL byte for the sign": ("relayhost \0= x\n", "main.cf, line 1: a NUL byte"),
}
# Texts with a NUL byte behind the sign: what Postfix still sees. 3.9 began to warn (postfix.org, RELEASE_NOTES; readlline.c).
MAIN_NULS: dict[str, tuple[str, dict[str, str]]] = {
    "in a value": ("relayhost = a\0b\nbiff = no\n", {"relayhost": "a", "biff": "no"}),
    "at the end of a value": ("relayhost = a\0\n", {"relayhost": "a"}),
    "before a continuation": ("mydestination = a,\0\n b\nbiff = no\n", {"mydestination": "a,", "biff": "no"}),
    "in a continuation": ("mydestination = a,\n b,\0c,\n d\n", {"mydestination": "a, b,"}),
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
    "zero": ({"message_size_limit": 0}, "message_size_limit = 0\n"),
    "a negative number": ({"message_size_limit": -1}, "message_size_limit = -1\n"),
    "a large number": ({"message_size_limit": 2**62}, f"message_size_limit = {2**62}\n"),
    "a number as a string": ({"message_size_limit": "007"}, "message_size_limit = 007\n"),
    "a string of blanks": ({"relayhost": " \t "}, "relayhost =\n"),
    "a tab inside": ({"relayhost": "a\tb"}, "relayhost = a\tb\n"),
    "a list of booleans and numbers": ({"mydestination": [True, 0, False]}, "mydestination = yes, 0, no\n"),
    "a list of one": ({"mydestination": ["a"]}, "mydestination = a\n"),
    "a tuple": ({"mydestination": ("a", "b")}, "mydestination = a, b\n"),
    "a list member with blanks around": ({"mydestination": [" a ", "b\t"]}, "mydestination = a, b\n"),
    "a list member with a sign": ({"mydestination": ["a=b", "="]}, "mydestination = a=b, =\n"),
    "a list member with a number sign inside": ({"mydestination": ["a#b", "c #d"]}, "mydestination = a#b, c #d\n"),
    "a long string stays on its line": ({"smtpd_banner": "x " * 60}, "smtpd_banner = " + ("x " * 60).strip() + "\n"),
    "a long list of one": ({"relayhost": ["x" * 90]}, f"relayhost =\n    {'x' * 90}\n"),
    "braces in braces": ({"virtual_alias_maps": "pipemap:{ a:{ b }, { c = d } }"}, "virtual_alias_maps = pipemap:{ a:{ b }, { c = d } }\n"),
    "an expansion": ({"relayhost": "${mydomain?{a}:{$myhostname}}"}, "relayhost = ${mydomain?{a}:{$myhostname}}\n"),
    "UTF-8": ({"relayhost": "caf\u00e9.test"}, "relayhost = caf\u00e9.test\n"),
    "a no-break space at the end": ({"relayhost": "a\u00a0"}, "relayhost = a\u00a0\n"),
    "bytes that are no UTF-8": ({"relayhost": "caf\udce9"}, "relayhost = caf\udce9\n"),
    "quotes": ({"relayhost": "\"a\" 'b'"}, "relayhost = \"a\" 'b'\n"),
    "a value that starts with a sign": ({"relayhost": "= a"}, "relayhost = = a\n"),
    "a value that starts with a number sign": ({"relayhost": "#a"}, "relayhost = #a\n"),
    "100 kB": ({"mydestination": HUGE}, f"mydestination = {HUGE}\n"),
    "a list of 5000": ({"mydestination": HUGE.split(",")}, "mydestination =\n    " + HUGE.replace(",", ",\n    ") + "\n"),
    "a name with a dot and a dash": ({"my-own.name": "a"}, "my-own.name = a\n"),
    "a name of a transport's own": ({"x_destination_concurrency_limit": 2}, "x_destination_concurrency_limit = 2\n"),
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
    "a comment inside the value stays": ("mydestination = a,\n# why b\n  b\nbiff = no\n", {"mydestination": "c"}, "mydestination = c\n# why b\nbiff = no\n"),
    "an empty line inside the value stays": ("mydestination = a,\n\n  b\nbiff = no\n", {"mydestination": "c"}, "mydestination = c\n\nbiff = no\n"),
    "an indented comment inside a removed value stays": ("relayhost = a,\n  # why\n  b\nbiff = no\n", {"relayhost": None}, "  # why\nbiff = no\n"),
    "a comment before and behind": ("# a\nrelayhost = a\n# b\n", {"relayhost": "c"}, "# a\nrelayhost = c\n# b\n"),
    "a commented parameter is no parameter": ("#relayhost = a\n", {"relayhost": "b"}, "#relayhost = a\nrelayhost = b\n"),
    "a name that is the start of another": ("relayhosts = a\nrelayhost = b\n", {"relayhost": "c"}, "relayhosts = a\nrelayhost = c\n"),
    "a name that ends like another": ("xbiff = a\n", {"biff": "no"}, "xbiff = a\nbiff = no\n"),
    "an empty value": ("relayhost = a\n", {"relayhost": ""}, "relayhost =\n"),
    "a value for an empty one": ("relayhost =\nbiff = no\n", {"relayhost": "a"}, "relayhost = a\nbiff = no\n"),
    "a removal of what is not there": ("biff = no\n", {"relayhost": None}, "biff = no\n"),
    "a removal of duplicates": ("relayhost = a\nbiff = no\nrelayhost = b\n", {"relayhost": None}, "biff = no\n"),
    "a removal of everything": ("relayhost = a\n", {"relayhost": None}, ""),
    "two at once": ("a = 1\nb = 2\nc = 3\n", {"a": "x", "c": None}, "a = x\nb = 2\n"),
    "a sign in the new value": ("relayhost = a\n", {"relayhost": "b=c"}, "relayhost = b=c\n"),
    "carriage returns of others stay": ("biff = no\r\nrelayhost = a\r\n", {"relayhost": "b"}, "biff = no\r\nrelayhost = b\n"),
    "a new name behind a comment": ("biff = no\n# end\n", {"relayhost": "a"}, "biff = no\n# end\nrelayhost = a\n"),
    "a new name behind a continuation": ("mydestination = a,\n  b\n", {"relayhost": "a"}, "mydestination = a,\n  b\nrelayhost = a\n"),
    "bytes of others stay": ("smtpd_banner = \udcff\nrelayhost = a\n", {"relayhost": "b"}, "smtpd_banner = \udcff\nrelayhost = b\n"),
    "a name with a dot": ("a.b = 1\na = 2\n", {"a.b": "3"}, "a.b = 3\na = 2\n"),
    "a name alone on its line": ("relayhost\n  = a\nbiff = no\n", {"relayhost": "b"}, "relayhost = b\nbiff = no\n"),
}

PLAIN = {"private": "n", "unpriv": "-", "chroot": "n", "wakeup": "-", "maxproc": "-"}


def smtpd(args: Any = None, **fields: str) -> list[dict[str, Any]]:
    """The description of the service that most texts hold."""
    return [{"service": "smtp", "type": "inet", **PLAIN, "command": "smtpd", **fields, "args": {} if args is None else args}]


# What follows the command, and the arguments that it means.
OVERRIDES: dict[str, tuple[str, Any]] = {
    "an override": ("-o smtpd_banner=x", {"smtpd_banner": "x"}),
    "an override without a blank": ("-osmtpd_banner=x", {"smtpd_banner": "x"}),
    "an empty override": ("-o smtpd_banner=", {"smtpd_banner": ""}),
    "an override with a sign": ("-o smtpd_banner=a=b", {"smtpd_banner": "a=b"}),
    "an override in braces": ("-o { smtpd_banner = x }", {"smtpd_banner": "x"}),
    "an override in tight braces": ("-o {smtpd_banner=x}", {"smtpd_banner": "x"}),
    "words in braces": ("-o { smtpd_banner = x y, z }", {"smtpd_banner": "x y, z"}),
    "an empty override in braces": ("-o { smtpd_banner = }", {"smtpd_banner": ""}),
    "braces in braces": ("-o { smtpd_milters = { inet:h:1, connect_timeout=3s } }", {"smtpd_milters": "{ inet:h:1, connect_timeout=3s }"}),
    "an expansion": ("-o syslog_name=a/$service_name", {"syslog_name": "a/$service_name"}),
    "a condition without braces around": ("-o smtpd_banner=${mydomain?{a}:{b}}", {"smtpd_banner": "${mydomain?{a}:{b}}"}),
    "a condition over words": ("-o smtpd_banner=${mydomain ? {a b} : {c}}", {"smtpd_banner": "${mydomain ? {a b} : {c}}"}),
    "two overrides": ("-o smtpd_banner=x -o biff=no", {"smtpd_banner": "x", "biff": "no"}),
    "the same override twice": ("-o smtpd_banner=x -o smtpd_banner=y", ["-o smtpd_banner=x", "-o smtpd_banner=y"]),
    "a flag": ("-v", ["-v"]),
    "a flag before an override": ("-v -o smtpd_banner=x", ["-o smtpd_banner=x", "-v"]),
    "a flag behind an override": ("-o smtpd_banner=x -v -v", ["-o smtpd_banner=x", "-v", "-v"]),
    "a flag and an override in one word": ("-vo smtpd_banner=x", ["-o smtpd_banner=x", "-v"]),
    "two flags and an override in one word": ("-vvosmtpd_banner=x", ["-o smtpd_banner=x", "-vv"]),
    "a flag and braces": ("-vo { smtpd_banner = x y }", ["-o { smtpd_banner = x y }", "-v"]),
}
BEHIND = {"a blank": " ", "a tab": "\t", "a new line": "\n  ", "a comment": "\n# -o biff=yes\n  ", "an empty line": "\n\n\t", "a carriage return": "\r\n "}
# name of the case: text, services in variables
MASTER_TEXTS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "a service": ("smtp inet n - n - - smtpd\n", smtpd()),
    "an empty file": ("# nothing\n\n", []),
    "tabs": ("smtp\tinet\tn\t-\tn\t-\t-\tsmtpd\n", smtpd()),
    "many blanks": ("smtp      inet  n       -       n       -       -       smtpd   \n", smtpd()),
    "a carriage return": ("smtp inet n - n - - smtpd\r\n", smtpd()),
    "no new line at the end": ("smtp inet n - n - - smtpd", smtpd()),
    "a field on each line": ("smtp\n inet\n n\n -\n n\n -\n -\n smtpd\n", smtpd()),
    "fields over two lines": ("smtp inet n -\n\tn - - smtpd -o\n\tsmtpd_banner=x\n", smtpd({"smtpd_banner": "x"})),
    "comments between the fields": ("smtp inet n -\n# x\n\n   # y\n n - - smtpd\n# z\n", smtpd()),
    "a commented service": ("#smtp inet n - n - - smtpd\n#  -o biff=no\nsmtp inet n - n - - smtpd\n", smtpd()),
    **{
        f"{name} behind {blank}": (f"smtp inet n - n - - smtpd{BEHIND[blank]}{text}\n", smtpd(args))
        for blank in BEHIND
        for name, (text, args) in OVERRIDES.items()
    },
    **{
        f"{kind} with {private}{unpriv}{chroot}": (
            f"x {kind} {private} {unpriv} {chroot} - - smtp\n",
            [
                {
                    "service": "x",
                    "type": kind,
                    "private": private,
                    "unpriv": unpriv,
                    "chroot": chroot,
                    "wakeup": "-",
                    "maxproc": "-",
                    "command": "smtp",
                    "args": {},
                }
            ],
        )
        for kind, private, unpriv, chroot in [
            ("unix", "-", "-", "-"),
            ("unix", "y", "n", "y"),
            ("unix", "n", "y", "n"),
            ("fifo", "n", "-", "-"),
            ("pass", "-", "-", "n"),
            ("pass", "n", "n", "-"),
            ("unix-dgram", "n", "-", "n"),
        ]
    },
    **{f"wakes up after {wakeup}": (f"smtp inet n - n {wakeup} - smtpd\n", smtpd(wakeup=wakeup)) for wakeup in ("0", "60", "60?", "0?", "007")},
    **{f"{maxproc} processes": (f"smtp inet n - n - {maxproc} smtpd\n", smtpd(maxproc=maxproc)) for maxproc in ("0", "1", "100", "00", "2147483647")},
    **{
        f"the service {name}": (f"{name} inet n - n - - smtpd\n", smtpd(service=name))
        for name in ("25", "127.0.0.1:10025", "[::1]:10025", "localhost:smtp", "[2001:db8::1]:25", "a.example.test:submission")
    },
    **{
        f"the socket {name}": (f"{name} unix - - n - - smtp\n", [{**smtpd()[0], "service": name, "type": "unix", "private": "-", "command": "smtp"}])
        for name in ("x", "x-y", "x_y.z", "127.0.0.1:10025", "X", "caf\u00e9", "caf\udce9", "x=y", "x#y")
    },
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
    "arguments in braces": ("smtp inet n - n - - smtpd a {b c} { d e } {f}\n", smtpd(["a", "{b c}", "{ d e }", "{f}"])),
    "what looks like an override behind an argument": ("smtp inet n - n - - smtpd a -o biff=no\n", smtpd(["a", "-o", "biff=no"])),
    "the end of options": ("smtp inet n - n - - smtpd -o biff=no -- -o smtpd_banner=x\n", smtpd(["-o biff=no", "--", "-o", "smtpd_banner=x"])),
    "a number sign in an argument": ("smtp inet n - n - - smtpd -o smtpd_banner=a#b\n", smtpd({"smtpd_banner": "a#b"})),
    "a number sign behind a blank is no comment": ("smtp inet n - n - - smtpd -o { smtpd_banner = a #b }\n", smtpd({"smtpd_banner": "a #b"})),
    "a no-break space is no blank": ("smtp inet n - n - - smtpd -o smtpd_banner=a\u00a0b\n", smtpd({"smtpd_banner": "a\u00a0b"})),
    "bytes that are no UTF-8": ("smtp inet n - n - - smtpd -o smtpd_banner=\udcff\n", smtpd({"smtpd_banner": "\udcff"})),
    "two services": (
        "smtp inet n - n - - smtpd\n  -o biff=no\n\n# x\n25 inet n - n - - smtpd\n",
        [*smtpd({"biff": "no"}), *smtpd(service="25")],
    ),
    "one name of two types": (
        "smtp inet n - n - - smtpd\nsmtp unix - - n - - smtp\n",
        [*smtpd(), {**smtpd()[0], "type": "unix", "private": "-", "command": "smtp"}],
    ),
    "100 kB": (f"smtp inet n - n - - smtpd -o mydestination={HUGE}\n", smtpd({"mydestination": HUGE})),
    "200 services": (
        "".join(f"s{number} unix - - n - - smtp\n" for number in range(200)),
        [{**smtpd()[0], "service": f"s{number}", "type": "unix", "private": "-", "command": "smtp"} for number in range(200)],
    ),
}
# name of the case: text, what our error says
MASTER_ERRORS: dict[str, tuple[str, str]] = {
    "too few fields": ("smtp inet n - n - -\n", "master.cf, line 1: a service has 8 fields, this one 7"),
    "one field": ("x\nsmtp inet n - n - - smtpd\n", "master.cf, line 1: a service has 8 fields, this one 1"),
    "too few fields over lines": ("# a\nsmtp inet n\n  - n\n  -o biff=no\n", "master.cf, line 2: a service has 8 fields, this one 7"),
    "fields in braces": ("smtp inet {n - n - - smtpd}\n", "a service has 8 fields, this one 3"),
    "an unknown type": ("smtp tcp n - n - - smtpd\n", "type must be one of inet, unix, unix-dgram, fifo, pass, not 'tcp'"),
    "a type in upper case": ("smtp INET n - n - - smtpd\n", "type must be one of"),
    "no type": ("smtp - n - n - - smtpd\n", "type must be one of"),
    "a word for yes": ("smtp inet no - n - - smtpd\n", "private must be y, n or -, not 'no'"),
    "a capital for yes": ("smtp inet n Y n - - smtpd\n", "unpriv must be y, n or -, not 'Y'"),
    "a digit for no": ("smtp inet n - 0 - - smtpd\n", "chroot must be y, n or -, not '0'"),
    "a word for a limit": ("smtp inet n - n - many smtpd\n", "maxproc must be a number or -, not 'many'"),
    "a negative limit": ("smtp inet n - n - -1 smtpd\n", "maxproc must be a number or -, not '-1'"),
    "a fraction": ("smtp inet n - n - 1.5 smtpd\n", "maxproc must be a number or -, not '1.5'"),
    "a limit with a question mark": ("smtp inet n - n - 1? smtpd\n", "maxproc must be a number or -, not '1\\?'"),
    "digits that are not of ASCII": ("smtp inet n - n - \u0661 smtpd\n", "maxproc must be a number or -"),
    "a wake-up with a unit": ("smtp inet n - n 60s - smtpd\n", "wakeup must be seconds, seconds followed by \\? or -, not '60s'"),
    "a wake-up in words": ("smtp inet n - n soon - smtpd\n", "wakeup must be seconds"),
    "a shifted row": ("smtp inet n - n - smtpd -o biff=no\n", "maxproc must be a number or -, not 'smtpd'"),
    "a continuation of nothing": ("  -o biff=no\nsmtp inet n - n - - smtpd\n", "master.cf, line 1: continuation of nothing"),
}
# Texts that postconf(1) lets pass; master(8) or the daemon dies of them (seen in the ring of what Postfix accepts).
MASTER_UNSEEN: dict[str, tuple[str, str]] = {
    "an override without a value": ("smtp inet n - n - - smtpd -o smtpd_banner\n", "-o wants name=value, not 'smtpd_banner'"),
    "an override with blanks around the sign": ("smtp inet n - n - - smtpd -o smtpd_banner = x\n", "-o wants name=value, not 'smtpd_banner'"),
    "an override without a name": ("smtp inet n - n - - smtpd -o =x\n", "-o wants name=value, not '=x'"),
    "an override of nothing": ("smtp inet n - n - - smtpd -o\n", "-o wants name=value, not ''"),
    "an override with an open brace": ("smtp inet n - n - - smtpd -o { smtpd_banner = x\n", "unbalanced braces"),
    "text behind the braces": ("smtp inet n - n - - smtpd -o {smtpd_banner=x}y\n", "unbalanced braces"),
    "braces beside braces": ("smtp inet n - n - - smtpd -o {smtpd_banner=x}{biff=no}\n", "unbalanced braces"),
    "braces without a blank": ("smtp inet n - n - - smtpd -o{ smtpd_banner = x }\n", "a blank is missing behind -o"),
    "a private inet service": ("smtp inet y - n - - smtpd\n", "an inet service cannot be private"),
    "an inet service that is private by default": ("smtp inet - - n - - smtpd\n", "an inet service cannot be private"),
    "a command with a path": ("smtp inet n - n - - /usr/lib/postfix/sbin/smtpd\n", "command must be a program name"),
    "a wake-up of a question mark": ("smtp inet n - n ? - smtpd\n", "wakeup must be seconds"),
    "a wake-up of a dash and a question mark": ("smtp inet n - n -? - smtpd\n", "wakeup must be seconds"),
    "a limit beyond 32 bits": ("smtp inet n - n - 4294967295 smtpd\n", "maxproc must not be larger than 2147483647"),
    "a wake-up beyond 32 bits": ("smtp inet n - n 4294967295 - smtpd\n", "wakeup must not be larger than 2147483647"),
}
# What master.cf shall become: text, the edit, the commands of postconf(1) with that effect.
MASTER_EDITS: dict[str, tuple[str, dict[str, Any], list[list[str]]]] = {
    "a field": ("smtp inet n - y - - smtpd\n", {"fields": {"chroot": "n"}}, [["-F", "smtp/inet/chroot=n"]]),
    "two fields": ("smtp inet n - y - - smtpd\n", {"fields": {"wakeup": "60?", "maxproc": "5"}}, [["-F", "smtp/inet/wakeup=60?", "smtp/inet/process_limit=5"]]),
    "a command": ("smtp inet n - y - - smtpd\n  -o biff=no\n", {"fields": {"command": "postscreen"}}, [["-F", "smtp/inet/command=postscreen -o biff=no"]]),
    "a new override": ("smtp inet n - y - - smtpd\n", {"args": {"biff": "no"}}, [["-P", "smtp/inet/biff=no"]]),
    "an override changed": ("smtp inet n - y - - smtpd\n  -o biff=no\n  -o x=y\n", {"args": {"biff": "yes"}}, [["-P", "smtp/inet/biff=yes"]]),
    "an override of words": (
        "smtp inet n - y - - smtpd\n",
        {"args": {"smtpd_client_restrictions": ["permit_mynetworks", "reject"]}},
        [["-M", "smtp/inet=smtp inet n - y - - smtpd -o { smtpd_client_restrictions = permit_mynetworks, reject }"]],
    ),
    "an override removed": ("smtp inet n - y - - smtpd -o biff=no -o x=y\n", {"args": {"biff": None}}, [["-PX", "smtp/inet/biff"]]),
    "the last override removed": ("smtp inet n - y - - smtpd\n  -o biff=no\n", {"args": {"biff": None}}, [["-PX", "smtp/inet/biff"]]),
    "a service taken out": ("smtp inet n - y - - smtpd\n  -o biff=no\nx unix - - n - - smtp\n", {"enabled": False}, [["-M#", "smtp/inet"]]),
    "a field of a service on many lines": ("smtp inet n\n  - y - -\n  smtpd\n  -o biff=no\n", {"fields": {"chroot": "n"}}, [["-F", "smtp/inet/chroot=n"]]),
    "a field of one of two services": ("smtp unix - - y - - smtp\nsmtp inet n - y - - smtpd\n", {"fields": {"chroot": "n"}}, [["-F", "smtp/inet/chroot=n"]]),
    "a new service": ("x unix - - n - - smtp\n", {"fields": {"command": "smtpd", "private": "n"}}, [["-M", "smtp/inet=smtp inet n - n - - smtpd"]]),
}

KEYS = {
    "a word": ("a", "a"),
    "a capital": ("A.Test", "a.test"),
    "an address": ("a@example.test", "a@example.test"),
    "a domain's": ("@example.test", "@example.test"),
    "a parent domain": (".example.test", ".example.test"),
    "an extension": ("a+b@example.test", "a+b@example.test"),
    "an IP address": ("192.0.2.1", "192.0.2.1"),
    "an IPv6 address": ("[2001:db8::1]", "[2001:db8::1]"),
    "a quoted local part": ('"a b"@example.test', '"a b"@example.test'),
    "a quoted quote": (r'"a\" b"@example.test', r'"a\" b"@example.test'),
    "a blank behind a backslash": ("a\\ b", "a\\ b"),
    "a quote behind a backslash": ('a\\"b', 'a\\"b'),
    "a sign": ("a=b", "a=b"),
    "a number sign inside": ("a#b", "a#b"),
    "a dollar sign": ("$a", "$a"),
    "UTF-8": ("\u00e9@example.test", "\u00e9@example.test"),
    "UTF-8 in capitals": ("\u00c9@EXAMPLE.test", "\u00e9@example.test"),
    "a no-break space": ("a\u00a0b", "a\u00a0b"),
}
GAPS = {"a blank": " ", "a tab": "\t", "many": " \t  ", "a new line": "\n  ", "a comment": "\n# x y\n\t", "a form feed": " \f"}
# name of the case: source, rows; keys fold to lower case in a compiled table
TABLE_TEXTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a row": ("a@example.test b@example.test\n", [("a@example.test", "b@example.test")]),
    "tabs and blanks": ("a \t b c \n", [("a", "b c")]),
    "a continuation": ("a b,\n  c\n", [("a", "b, c")]),
    "comments": ("# x\na b\n  # y\n\nc d\n", [("a", "b"), ("c", "d")]),
    "a quoted key": ('"a b"@example.test c\n', [('"a b"@example.test', "c")]),
    "an empty file": ("", []),
    "no newline at the end": ("a b", [("a", "b")]),
    "a value of many lines": ("a b,\n# c\n  d,\n\n\te\nf g\n", [("a", "b, d, e"), ("f", "g")]),
    "a number sign in the value": ("a b#c #d\n", [("a", "b#c #d")]),
    "a sign as the value": ("a = b\n", [("a", "= b")]),
    "quotes in the value": ('a "b c\n', [("a", '"b c')]),
    "an expansion in the value": ("a $1 ${x?y}\n", [("a", "$1 ${x?y}")]),
    "a backslash at the end of the value": ("a b\\\nc d\n", [("a", "b\\"), ("c", "d")]),
    "UTF-8 in the value": ("a \u4f8b\u3048\u00a0\n", [("a", "\u4f8b\u3048\u00a0")]),
    "100 kB": (f"a {HUGE}\n", [("a", HUGE)]),
    "1000 rows": ("".join(f"a{number} b\n" for number in range(1000)), [(f"a{number}", "b") for number in range(1000)]),
    **{f"{key}, then {gap}": (f"{KEYS[key][0]}{GAPS[gap]}b c\n", [(KEYS[key][0], "b c")]) for key, gap in product(KEYS, GAPS)},
    **{f"a row ended by {end}": (f"a b{ENDS[end]}", [("a", "b")] + ([("biff", "= no")] if "biff" in ENDS[end] else [])) for end in ENDS},
    **{f"pieces joined by {joint}": (f"a b{JOINTS[joint]}c{JOINTS[joint]}d\ne f\n", [("a", "b c d"), ("e", "f")]) for joint in JOINTS},
}
FOLDED = dict(KEYS.values())
# name of the case: source, what our error says; postmap warns of each and drops the row
TABLE_ERRORS: dict[str, tuple[str, str]] = {
    "a key alone": ("a\n", "t, line 1: a row is a key, blanks and a value"),
    "a key and blanks": ("a b\nc  \t\n", "t, line 2: a row is a key, blanks and a value"),
    "a key and a comment": ("a\n# b\n", "t, line 1: a row is a key, blanks and a value"),
    "an open quote": ('x y\n"a b c\n', "t, line 2: a key has an open '\"'"),
    "an open quote behind a word": ('a"b c\n', "t, line 1: a key has an open '\"'"),
    "a quote that a backslash keeps open": ('"a\\" b\n', "t, line 1: a key has an open '\"'"),
    "a backslash that takes the blank": ("a\\ b\n", "t, line 1: a row is a key, blanks and a value"),
    "a continuation of nothing": ("  a b\nc d\n", "t, line 1: continuation of nothing"),
    "Latin-1": ("a b\ncaf\udce9 c\n", "t, line 2: a row is not UTF-8"),
    "Latin-1 in the value": ("a caf\udce9\n", "t, line 1: a row is not UTF-8"),
}

# name of the case: text, its expansion under EXPAND_VALUES
EXPAND_VALUES = {"myhostname": "a.test", "mydomain": "test", "relayhost": "", "smtpd_banner": "$myhostname ESMTP", "compatibility_level": "3.6"}
# Template, its expansion where the name has a value, and where its value is empty. V is the value.
CONDITIONS: dict[str, tuple[str, str, str]] = {
    "plain": ("<$N>", "<V>", "<>"),
    "in braces": ("<${N}>", "<V>", "<>"),
    "in parentheses": ("<$(N)>", "<V>", "<>"),
    "in wide braces": ("<${ N }>", "<V>", "<>"),
    "beside a dot": ("$N.$N-$N", "V.V-V", ".-"),
    "if": ("<${N?y}>", "<y>", "<>"),
    "if, in parentheses": ("<$(N?y)>", "<y>", "<>"),
    "if not": ("<${N:n}>", "<>", "<n>"),
    "if, in braces": ("<${N?{y}}>", "<y>", "<>"),
    "if not, in braces": ("<${N:{n}}>", "<>", "<n>"),
    "if, else": ("<${N?{y}:{n}}>", "<y>", "<n>"),
    "if, else in parentheses": ("<$(N?{y}:{n})>", "<y>", "<n>"),
    "if, else without braces": ("<${N?{y}:n:o}>", "<y>", "<n:o>"),
    "if, with a colon": ("<${N?y:n}>", "<y:n>", "<>"),
    "if, with two marks": ("<${N??{y}}>", "<?{y}>", "<>"),
    "if, with nothing": ("<${N?}>", "<>", "<>"),
    "if not, with nothing": ("<${N:}>", "<>", "<>"),
    "if, with empty braces": ("<${N?{}:{}}>", "<>", "<>"),
    "blanks around the marks": ("<${N ? {y} : {n} }>", "<y>", "<n>"),
    "blanks inside the braces stay": ("<${N?{ y }:{ n }}>", "< y >", "< n >"),
    "blanks without braces stay": ("<${N? y }>", "< y >", "<>"),
    "braces in braces": ("<${N?{y{z}}:{{n}}}>", "<y{z}>", "<{n}>"),
    "a name in a branch": ("<${N?{$N$mydomain}:{$myhostname}}>", "<Vtest>", "<a.test>"),
    "a name without braces in a branch": ("<${N?$N}>", "<V>", "<>"),
    "a condition in a branch": ("<${N?{${mydomain?{a}:{b}}}:{${relayhost?{c}:{d}}}}>", "<a>", "<d>"),
    "a condition four deep": ("${N?{${N?{${N?{${N?{y}}}}}}}:{${N:{${N:{${N:n}}}}}}}", "y", "n"),
    "a dollar sign in a branch": ("${N?{$$x}:{$$$$}}", "$x", "$$"),
    "compared with nothing": ("${{$N} == {} ? {n} : {y}}", "y", "n"),
    "not nothing": ("${{$N} != {} ? {y} : {n}}", "y", "n"),
    "compared in a branch": ("${N?{${{a} == {a}?{y}}}:{${{a} == {b}?{x}:{n}}}}", "y", "n"),
}
OPERATORS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
# Left, right, how they stand to each other: numbers where both sides are digits, else bytes.
PAIRS = [
    ("1", "2", "<"),
    ("2", "10", "<"),
    ("10", "10", "="),
    ("007", "7", "="),
    ("a", "b", "<"),
    ("a", "a", "="),
    ("", "a", "<"),
    ("", "", "="),
    ("10", "9x", "<"),
    ("-1", "1", "<"),
    ("3.10", "3.6", "<"),
    ("3.10", "3.9", "<"),
    ("$mydomain", "test", "="),
    ("$relayhost", "x", "<"),
    ("Z", "a", "<"),
    (" a", "a", "<"),
    ("a ", "a", ">"),
    ("z", "\u00e9", "<"),
    ("99999999999", "1", ">"),
    ("$myhostname", "${mydomain}", "<"),
]
LEVELS = [
    ("3.6", "3.10", "<"),
    ("2", "2.0", "="),
    ("2", "2.0.0", "="),
    ("3.10", "3.9.9", ">"),
    ("$compatibility_level", "3.6", "="),
    ("0", "1", "<"),
    ("10", "9", ">"),
]
EXPANSIONS: dict[str, tuple[str, str]] = {
    "a name in a name": ("$smtpd_banner", "a.test ESMTP"),
    "no name": ("a.test", "a.test"),
    "names side by side": ("$mydomain$mydomain${mydomain}", "testtesttest"),
    "a name ends at a dash": ("$mydomain-x", "test-x"),
    "two dollar signs": ("a$$mydomain", "a$mydomain"),
    "four dollar signs": ("a$$$$b", "a$$b"),
    "two dollar signs and a name": ("$$$mydomain", "$test"),
    "braces without a dollar sign": ("{a} {b c} }{", "{a} {b c} }{"),
    "a condition on a name in a name": ("${smtpd_banner?{$smtpd_banner}}", "a.test ESMTP"),
    "a comparison without a result": ("${{a} == {a}}", "true"),
    "a false comparison without a result": ("<${{a} == {b}}>", "<>"),
    "a comparison turned round": ("${{a} == {b}:{c}}", "c"),
    "a comparison with a plain result": ("${{a} == {a}?b:c}", "b:c"),
    "a comparison of conditions": ("${{${mydomain?{a}:{b}}} == {${relayhost?{b}:{a}}} ? {same} : {other}}", "same"),
    "a comparison of words with blanks": ("${{a b} == {a b}?{same}:{other}}", "same"),
    **{
        f"{name}, {kind}": (template.replace("N", key), (full if kind == "set" else empty).replace("V", "test"))
        for name, (template, full, empty) in CONDITIONS.items()
        for key, kind in (("mydomain", "set"), ("relayhost", "empty"))
    },
    **{
        f"{left!r} {sign} {right!r}": (f"${{{{{left}}} {sign} {{{right}}} ? {{yes}} : {{no}}}}", "yes" if set(OPERATORS[sign]) & set(stands) else "no")
        for sign in OPERATORS
        for left, right, stands in PAIRS
    },
    **{
        f"level {left} {sign} {right}": (f"${{{{{left}}} {sign}level {{{right}}} ? {{yes}} : {{no}}}}", "yes" if set(OPERATORS[sign]) & set(stands) else "no")
        for sign in OPERATORS
        for left, right, stands in LEVELS
    },
}
# name of the case: text, what our error says; postconf fails or warns
EXPANSION_ERRORS: dict[str, tuple[str, str]] = {
    "a dollar sign alone": ("a$", "no name behind '\\$'"),
    "a dollar sign and a blank": ("$ 5", "no name behind"),
    "a dollar sign before a sign": ("$-", "no name behind"),
    "empty braces": ("${}", "no name behind"),
    "empty parentheses": ("$()", "no name behind"),
    "an open brace": ("${mydomain", "no '}' for '{mydomain'"),
    "an open parenthesis": ("$(mydomain}", "no '\\)'"),
    "an open brace inside": ("${mydomain?{a}", "no '}'"),
    "an open brace in parentheses": ("$(mydomain?{a)", "no '}' for '{a'"),
    "a dash in a name": ("${my-domain}", "not a name: 'my-domain'"),
    "two words for a name": ("${my domain}", "not a name"),
    "a dot in a name": ("${mydomain.x?y}", "not a name"),
    "text behind the first branch": ("${mydomain?{a}b}", "':' expected before 'b'"),
    "a second question mark": ("${mydomain?{a}?{b}}", "':' expected"),
    "text behind the second branch": ("${mydomain?{a}:{b}c}", "nothing can follow"),
    "text behind the only branch": ("${mydomain:{a}b}", "nothing can follow"),
    "one sign of equality": ("${{a} = {a}?{b}}", "not an operator: '='"),
    "no operator": ("${{a} {a}?{b}}", "not an operator: ''"),
    "a word for an operator": ("${{a} eq {a}?{b}}", "not an operator: 'eq'"),
    "an unknown suffix": ("${{1} <size {2}?{b}}", "not an operator: '<size'"),
    "no right side": ("${{a} == b?{b}}", "'{' expected behind '=='"),
    "text behind a comparison": ("${{a} == {a} b}", "'\\?' or ':' expected"),
    "a level that is none": ("${{new} <level {3.6}?{b}}", "not a compatibility level: 'new'"),
    "a level with a blank behind": ("${{3.6 } <level {3.6}?{b}}", "not a compatibility level: '3.6 '"),
    "an error in the branch taken": ("${mydomain?{$}}", "no name behind"),
    "an error in the right side": ("${{a} == {${}}?{b}}", "no name behind"),
    "a number beyond 64 bits": ("${{99999999999999999999} > {1}?{a}}", "a number is too large"),
    "a name that refers to itself": ("$virtual_mailbox_base", "names that refer to each other"),
}
