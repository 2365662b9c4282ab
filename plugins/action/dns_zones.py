# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the records of zones to what is wanted, from the controller: by signed DNS updates, in files, or both."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.mailcluster.postfix.plugins.module_utils import _dns

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.tsig
    import dns.update

    HAS_DNSPYTHON = True
except ImportError:  # pragma: no cover - the requirement is named in the error
    HAS_DNSPYTHON = False

RECORD = {
    "zone": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "required": True},
    "ttl": {"type": "int", "required": True},
    "value": {"type": "str", "required": True},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "records": {"type": "list", "elements": "dict", "required": True, "options": RECORD},
    "directory": {"type": "path"},
    "server": {"type": "str"},
    "port": {"type": "int", "default": 53},
    "key_name": {"type": "str"},
    "key_secret": {"type": "str", "no_log": True},
    "key_algorithm": {"type": "str", "default": "hmac-sha256"},
    "timeout": {"type": "float", "default": 10},
}
ZONES_AT_ONCE = 8


class ServerError(Exception):
    """What a name server said, or did not say."""


def text_of(rdata: Any) -> str:
    """Return the data of a record as `_dns.Record` has its value."""
    if rdata.rdtype == dns.rdatatype.TXT:
        text: str = b"".join(rdata.strings).decode(errors="backslashreplace")
        return text
    return str(rdata.to_text()).lower()


@dataclass
class Server:
    """The name server that answers for the zones and takes their updates. Nothing of it shows the key."""

    name: str
    address: str
    port: int
    timeout: float
    key: Any

    def __repr__(self) -> str:
        return f"{self.name} port {self.port}"

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Server:
        try:
            address = socket.getaddrinfo(arguments["server"], arguments["port"], type=socket.SOCK_DGRAM)[0][4][0]
            key = dns.tsig.Key(arguments["key_name"], arguments["key_secret"], arguments["key_algorithm"])
        except OSError as error:
            raise ServerError(f"{arguments['server']}: {error}") from error
        except (ValueError, dns.exception.DNSException):
            raise ServerError("key_secret: is no base64, or key_name is no name; the secret is not shown") from None
        return cls(arguments["server"], str(address), arguments["port"], arguments["timeout"], key)

    def ask(self, name: _dns.SetName) -> tuple[_dns.RecordSet, dict[str, Any]]:
        """Return the record set that the server has, and its records by value."""
        zone, owner, kind = name
        query = dns.message.make_query(owner, kind, flags=0)
        try:
            answer, _by_tcp = dns.query.udp_with_fallback(query, self.address, timeout=self.timeout, port=self.port)
        except (OSError, dns.exception.DNSException) as error:
            raise ServerError(f"{self!r}: {owner} {kind}: no answer: {error}") from error
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not answer.flags & dns.flags.AA:
            code = dns.rcode.to_text(answer.rcode())
            raise ServerError(f"{self!r}: {owner} {kind}: answers {code}, and not as one that has the zone {zone}")
        found = {rrset.rdtype: rrset for rrset in answer.answer if rrset.name == dns.name.from_text(owner)}
        if alias := found.get(dns.rdatatype.CNAME):
            # An update would be taken and do nothing (RFC 2136, 3.4.2.2).
            raise ServerError(f"{self!r}: {owner} is another name of {alias[0].target} (CNAME); remove that record first")
        rrset = found.get(dns.rdatatype.from_text(kind))
        if rrset is None:
            return _dns.RecordSet(), {}
        data = {text_of(rdata): rdata for rdata in rrset}
        return _dns.RecordSet(rrset.ttl, frozenset(data)), data

    def update(self, zone: str, changes: Sequence[_dns.Change], present: Mapping[_dns.SetName, Mapping[str, Any]]) -> None:
        """Replace record sets of a zone, all or none."""
        message = dns.update.UpdateMessage(zone, keyring=self.key)
        for change in changes:
            owner = dns.name.from_text(change.name)
            message.delete(owner, change.type)
            for value in sorted(change.after.values):
                # What others have written goes back as it was, in its own strings.
                same = present[change.zone, change.name, change.type].get(value)
                message.add(owner, change.after.ttl, rdata_of(change.type, value) if same is None else same)
        try:
            answer = dns.query.tcp(message, self.address, timeout=self.timeout, port=self.port)
        except (OSError, dns.exception.DNSException) as error:
            raise ServerError(f"{self!r}: update of {zone}: {str(error) or type(error).__name__}") from error
        if answer.rcode() != dns.rcode.NOERROR:
            raise ServerError(f"{self!r}: update of {zone}: refused with {dns.rcode.to_text(answer.rcode())}")


def rdata_of(kind: str, value: str) -> Any:
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), _dns.quoted(value) if kind == "TXT" else value)


class ActionModule(ActionBase):
    """Implements M(mailcluster.postfix.dns_zones)."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        _validation, arguments = self.validate_argument_spec(
            ARGUMENTS, required_one_of=[["directory", "server"]], required_by={"server": ["key_name", "key_secret"]}
        )
        records = [_dns.Record.from_dict(record) for record in arguments["records"]]
        try:
            changes = self._by_update(records, arguments) if arguments["server"] else []
            files = self._in_files(records, Path(arguments["directory"])) if arguments["directory"] else []
        except (ServerError, OSError) as error:
            raise AnsibleActionFail(f"dns_zones: {error}") from error
        result.update(
            changed=bool(changes or files),
            changes=[f"{change.name} {change.type}" for change in changes],
            files=[str(path) for path, _before, _after in files],
            diff=[
                *(_diff(zone, [change for change in changes if change.zone == zone]) for zone in dict.fromkeys(change.zone for change in changes)),
                *({"before_header": str(path), "after_header": str(path), "before": before, "after": after} for path, before, after in files),
            ],
        )
        return result

    def _by_update(self, records: Sequence[_dns.Record], arguments: Mapping[str, Any]) -> list[_dns.Change]:
        if not HAS_DNSPYTHON:
            raise AnsibleActionFail("dns_zones: the controller lacks the Python package dnspython")
        server = Server.of(arguments)
        wanted = _dns.wanted_sets(records)

        def bring(zone: str) -> list[_dns.Change]:
            own = {name: want for name, want in wanted.items() if name[0] == zone}
            answers = {name: server.ask(name) for name in own}
            changes = _dns.changes(own, {name: found for name, (found, _data) in answers.items()})
            if changes and not self._task.check_mode:
                server.update(zone, changes, {name: data for name, (_found, data) in answers.items()})
            return changes

        with ThreadPoolExecutor(ZONES_AT_ONCE) as pool:
            return [change for changes in pool.map(bring, dict.fromkeys(zone for zone, _name, _type in wanted)) for change in changes]

    def _in_files(self, records: Sequence[_dns.Record], directory: Path) -> list[tuple[Path, str, str]]:
        zones = dict.fromkeys(record.zone for record in records)
        wanted = {directory / f"{zone}.zone": _dns.zone_text(record for record in records if record.zone == zone) for zone in zones}
        found = [(path, path.read_text(encoding="ascii", errors="replace") if path.is_file() else "", text) for path, text in wanted.items()]
        changed = [(path, before, after) for path, before, after in found if before != after]
        if changed and not self._task.check_mode:
            directory.mkdir(parents=True, exist_ok=True)
            for path, _before, after in changed:
                _write(path, after)
        return changed


def _write(path: Path, text: str) -> None:
    """Replace a file by rename; it is public."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(text)
    os.chmod(name, 0o644)
    os.replace(name, path)


def _diff(zone: str, changes: Sequence[_dns.Change]) -> dict[str, str]:
    return {
        "before_header": zone,
        "after_header": zone,
        "before": "".join(_dns.set_text(change.name, change.type, change.before) for change in changes),
        "after": "".join(_dns.set_text(change.name, change.type, change.after) for change in changes),
    }
