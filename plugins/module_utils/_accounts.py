# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts and aliases of the site, and every data table that follows from them. Pure.

The accounts file has one account a line, C(address:home:hash); the aliases file is a Postfix
virtual(5) source. Both become rows of the tables that Postfix and Dovecot read, and
L(tables) is the one place that says which tier reads which table from which path.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ._cluster import door_address
from ._postfix.lines import ConfigError
from ._postfix.source import Row, rows

# Narrower than RFC 5321: an address is also a path below the mail store and a table key, and the
# recipient delimiter (+), routing characters (% ! @) and quoting never belong to an account.
_ADDRESS = r"[a-z0-9_=&'~^-]+(?:\.[a-z0-9_=&'~^-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*"
_LINE = re.compile(rf"({_ADDRESS}):([^:\s]+):(\{{[A-Z0-9.-]+\}}[^:\s]+)")
_IS_ADDRESS = re.compile(_ADDRESS).fullmatch
_CLEAR_SCHEMES = frozenset({"PLAIN", "CLEAR", "CLEARTEXT", "PLAIN-TRUNC"})
_LONGEST_LOCAL_PART = 64  # RFC 5321 section 4.5.3.1.1
_SHOWN = 10

DOVECOT_USERS = "/etc/mailcluster/dovecot/data/users"


class AccountsError(Exception):
    """What is wrong with accounts and aliases: one line a problem, each with file and line."""

    def __init__(self, problems: Sequence[ConfigError]) -> None:
        self.problems = tuple(problems)
        more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        super().__init__("\n".join([*map(str, problems[:_SHOWN]), *more]))


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the accounts are judged by: mail domains, mailbox nodes (name to IPv4), ports of the local doors."""

    domains: Sequence[str]
    homes: Mapping[str, str]
    lmtp_port: int
    imap_port: int
    internal_port: int


@dataclass(frozen=True, slots=True)
class Account:
    """Home node and password hash of one address."""

    home: str
    hash: str


@dataclass(frozen=True, kw_only=True)
class Directory:
    """Accounts and aliases that passed every check, in lower case, sorted by address."""

    accounts: Mapping[str, Account]
    aliases: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class DataTable:
    """One table as a node shall have it; C(path) without the suffix of the compiled file."""

    path: str
    type: str
    content: str
    entries: int
    owner: str = "root"
    group: str = "root"
    mode: str = "0640"
    secret: bool = False


def site(*, domains: Sequence[str], members: Mapping[str, Sequence[Mapping[str, object]]], ports: Mapping[str, Mapping[str, object]]) -> Site:
    """Build a L(Site) from C(mailcluster_domains), C(mailcluster_members) and C(mailcluster_ports)."""
    return Site(
        domains=tuple(domain.lower() for domain in domains),
        homes={str(member["name"]): str(member["address"]) for member in members.get("mailbox", ())},
        lmtp_port=int(str(ports["lmtp"]["local"])),
        imap_port=int(str(ports["imap"]["local"])),
        internal_port=int(str(ports["internal"]["local"])),
    )


def directory(accounts: str, aliases: str = "", *, site: Site, accounts_file: str = "accounts", aliases_file: str = "aliases") -> Directory:
    """Parse and judge both files together. Raises L(AccountsError) with every problem found."""
    found, problems = _accounts(accounts, site=site, file=accounts_file)
    try:
        alias_map, alias_problems = _aliases(list(rows(aliases, file=aliases_file)), accounts=found, site=site, file=aliases_file)
    except ConfigError as error:
        raise AccountsError([*problems, error]) from error
    if problems or alias_problems:
        raise AccountsError([*problems, *alias_problems])
    return Directory(accounts=dict(sorted(found.items())), aliases=dict(sorted(alias_map.items())))


def _accounts(text: str, *, site: Site, file: str) -> tuple[dict[str, Account], list[ConfigError]]:
    found: dict[str, Account] = {}
    lines: dict[str, int] = {}
    problems: list[ConfigError] = []
    domains, homes, match = frozenset(site.domains), site.homes, _LINE.fullmatch
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] == "#":
            continue
        written, colon, rest = line.partition(":")
        address = written.lower()
        fields = match(address + colon + rest)
        problem = _account_problem(address, fields.groups(), domains, homes, lines) if fields else _syntax_problem(line)
        if problem:
            # A malformed line may hold a password where the address belongs.
            subject = address if fields else ""
            problems.append(ConfigError(problem, file=file, line=number, subject=subject))
        elif fields:
            found[address] = Account(fields[2], fields[3])
        lines.setdefault(address, number)
    return found, problems


def _account_problem(address: str, fields: Sequence[str], domains: Collection[str], homes: Mapping[str, str], lines: Mapping[str, int]) -> str | None:
    _address, home, password = fields
    local, _at, domain = address.rpartition("@")
    if address in lines:
        return f"duplicate address (first on line {lines[address]})"
    if domain not in domains:
        return f"domain {domain} is not in mailcluster_domains"
    if home not in homes:
        return f"home {home} is not a mailbox node ({', '.join(sorted(homes)) or 'there is none'})"
    if password[1 : password.index("}")].partition(".")[0] in _CLEAR_SCHEMES:
        return "the password is in clear text; write its hash (doveadm pw)"
    if len(local) > _LONGEST_LOCAL_PART:
        return f"the local part is longer than {_LONGEST_LOCAL_PART} characters"
    return None


def _syntax_problem(line: str) -> str:
    """Say why a line is no account, without repeating what may be a password."""
    address, *fields = line.split(":")
    if not _IS_ADDRESS(address.lower()):
        return f"{address!r} cannot be the address of an account" if "@" in address else "expected address:home:hash"
    if not fields or not fields[0].strip():
        return f"{address}: the home is missing"
    if len(fields) == 1 or not fields[1].strip():
        return f"{address}: the password hash is missing"
    if len(fields) > 2:
        return f"{address}: more than three fields (a hash holds no colon)"
    return f"{address}: the third field is not a hash with its scheme, such as {{BLF-CRYPT}}... (doveadm pw)"


def _aliases(source: Sequence[Row], *, accounts: Mapping[str, Account], site: Site, file: str) -> tuple[dict[str, tuple[str, ...]], list[ConfigError]]:
    found: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    problems: list[ConfigError] = []
    domains = frozenset(site.domains)
    for row in source:
        alias = row.key.lower()
        destinations = tuple(part.strip().lower() for part in row.value.split(",") if part.strip())
        problem = _alias_problem(alias, destinations, accounts, domains, lines)
        if problem:
            problems.append(ConfigError(problem, file=file, line=row.line, subject=alias))
        else:
            found[alias] = destinations
        lines.setdefault(alias, row.line)
    caught = {domain for domain in domains if f"@{domain}" in found}
    own = domains - caught
    problems += [
        ConfigError(problem, file=file, line=lines[alias], subject=alias)
        for alias, destinations in found.items()
        for problem in _destination_problems(alias, destinations, own, accounts, found)
    ]
    return found, problems


def _alias_problem(alias: str, destinations: Sequence[str], accounts: Collection[str], domains: Collection[str], lines: Mapping[str, int]) -> str | None:
    domain = alias.rpartition("@")[2]
    if alias in lines:
        return f"duplicate alias (first on line {lines[alias]})"
    if not _IS_ADDRESS(f"x{alias}" if alias.startswith("@") else alias):
        return "an alias is an address or @domain"
    if domain not in domains:
        return f"domain {domain} is not in mailcluster_domains"
    if alias in accounts:
        return "the alias is an account"
    if not destinations:
        return "the destination is missing"
    return next(filter(None, map(_destination_syntax_problem, destinations)), None)


def _destination_syntax_problem(destination: str) -> str | None:
    if destination.startswith("@"):
        # A whole-domain alias makes every address of the domain valid at RCPT and bounces later.
        return f"destination {destination} is a domain; list the addresses"
    if "@" not in destination:
        return f"destination {destination} has no domain"
    if re.search(r"\s", destination):
        return f"destination {destination!r} contains white space; separate destinations by commas"
    return None


def _destination_problems(
    alias: str, destinations: Sequence[str], own: Collection[str], accounts: Collection[str], aliases: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    for destination in destinations:
        names = (destination, _base(destination))
        if names[1].rpartition("@")[2] in own and not any(name in accounts or name in aliases for name in names):
            yield f"destination {destination} is neither an account nor an alias"
    if alias in {_base(address) for address in _reached(alias, aliases)}:
        yield "the alias leads back to itself"


def _base(address: str) -> str:
    """Return the address without its extension (recipient_delimiter = +)."""
    local, _at, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"


def _next(address: str, aliases: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return aliases.get(address) or aliases.get(_base(address)) or ()


def _reached(alias: str, aliases: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield every address that mail to the alias passes, the alias itself only if it comes back."""
    seen: set[str] = set()
    waiting = list(reversed(_next(alias, aliases)))
    while waiting:
        address = waiting.pop()
        if address not in seen:
            seen.add(address)
            yield address
            waiting.extend(reversed(_next(address, aliases)))


def owners(alias: str, known: Directory) -> list[str]:
    """Return the accounts that an alias leads to, in the order of its destinations, each once."""
    reached = (_base(address) if address not in known.accounts else address for address in _reached(alias, known.aliases))
    return list(dict.fromkeys(address for address in reached if address in known.accounts))


def takes(address: str, known: Directory) -> bool:
    """Tell whether mail to an address of one of the domains arrives somewhere."""
    return address in known.accounts or address in known.aliases or f"@{address.rpartition('@')[2]}" in known.aliases


def domain_rows(site: Site) -> list[str]:
    """Rows of virtual_mailbox_domains; the value says nothing (postconf(5))."""
    return [f"{domain} mailcluster" for domain in sorted(set(site.domains))]


def domain_transport_rows(site: Site) -> list[str]:
    """Rows of transport_maps of the relay: the site's own domains go to the local door of its mail exchangers."""
    # More than once: what breaks off there is tried again at once, and by then the balancers know better servers (transport(5)): one of
    # the mail exchangers, two of the filters.
    doors = ", ".join([f"[127.0.0.1]:{site.internal_port}"] * 3)
    return [f"{domain} internal:{doors}" for domain in sorted(set(site.domains))]


def recipient_rows(known: Directory) -> list[str]:
    """Rows of virtual_mailbox_maps: every account exists; the value says nothing."""
    return [f"{address} mailcluster" for address in known.accounts]


def mailbox_transport_rows(known: Directory, site: Site) -> list[str]:
    """Rows of transport_maps: each account goes to the LMTP door of its home."""
    doors = {home: f"lmtp:inet:[{door_address(address)}]:{site.lmtp_port}" for home, address in site.homes.items()}
    return [f"{address} {doors[account.home]}" for address, account in known.accounts.items()]


def alias_rows(known: Directory) -> list[str]:
    """Rows of virtual_alias_maps.

    A catch-all (@domain) also matches the accounts of its domain (virtual(5), table search order):
    they get a row that leads to themselves.
    """
    caught = {alias[1:] for alias in known.aliases if alias.startswith("@")}
    own = {address: (address,) for address in known.accounts if address.rpartition("@")[2] in caught} if caught else {}
    return [f"{alias} {', '.join(destinations)}" for alias, destinations in sorted({**own, **known.aliases}.items())]


def sender_rows(known: Directory) -> list[str]:
    """Rows of smtpd_sender_login_maps: an account owns its address, an alias is owned by the accounts it leads to."""
    aliased = {alias: ",".join(owners(alias, known)) for alias in known.aliases}
    owned = {**{address: address for address in known.accounts}, **{alias: logins for alias, logins in aliased.items() if logins}}
    return [f"{sender} {logins}" for sender, logins in sorted(owned.items())]


def user_rows(known: Directory, site: Site, *, node: str = "") -> list[str]:
    """Rows of a Dovecot passwd-file: address and hash.

    With C(node), the name of a mailbox node, accounts at home elsewhere carry the passdb fields
    that make Dovecot proxy their login to the IMAP door of their home, and a userdb field by which
    mail that strays here waits instead of making a second mailbox.
    """
    proxied = {
        home: f"proxy=y host={door_address(address)} port={site.imap_port} userdb_tempfail=y" if node and home != node else ""
        for home, address in site.homes.items()
    }
    # Dovecot looks an address up with its quotes escaped, and reads the file as it is.
    return ["{}:{}::::::{}".format(address.replace("'", "\\'"), account.hash, proxied[account.home]) for address, account in known.accounts.items()]


def tables(
    known: Directory,
    *,
    site: Site,
    node: str,
    tiers: Collection[str],
    publish: Collection[str] | None = None,
    directories: Mapping[str, Sequence[str]],
) -> list[DataTable]:
    """Return the data tables of a node.

    C(tiers) are all tiers of the node and decide the content, C(publish) (default: all of them)
    selects those whose tables are wanted now, C(directories) holds the data directories of the Postfix
    instances of the mx, relay and submission tiers.
    """
    wanted = set(tiers) & set(tiers if publish is None else publish)

    def lmdb(tier: str, name: str, lines: list[str]) -> list[DataTable]:
        content = _text(lines)
        return [DataTable(path=f"{directory}/{name}", type="lmdb", content=content, entries=len(lines)) for directory in directories[tier]]

    found: list[DataTable] = []
    if "mx" in wanted:
        found += lmdb("mx", "domains", domain_rows(site))
        found += lmdb("mx", "recipients", recipient_rows(known))
        found += lmdb("mx", "aliases", alias_rows(known))
        found += lmdb("mx", "mailbox_transport", mailbox_transport_rows(known, site))
    if "relay" in wanted:
        found += lmdb("relay", "domain_transport", domain_transport_rows(site))
    if "submission" in wanted:
        found += lmdb("submission", "senders", sender_rows(known))
    if wanted & {"submission", "mailbox"}:
        lines = user_rows(known, site, node=node if "mailbox" in tiers else "")
        found.append(DataTable(path=DOVECOT_USERS, type="plain", content=_text(lines), entries=len(lines), group="dovecot", secret=True))
    return found


def _text(lines: Sequence[str]) -> str:
    return "\n".join([*lines, ""]) if lines else ""
