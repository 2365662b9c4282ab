# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module postmap: makes the tables, and sends only those that differ."""

from __future__ import annotations

import base64
import io
import os
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import is_encrypted_file
from ansible.plugins.action import ActionBase
from ansible_collections.mailcluster.postfix.plugins.module_utils import _accounts, _tables
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.lines import ConfigError
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.source import normal
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.table import CONNECTED

MODULE = "mailcluster.postfix.postmap"
# Up to so many bytes of content travel in the module's arguments, more in a file.
INLINE = 65536
_WAYS = ["tables", "accounts", "migrate"]
# Rows in memory, or a file of which they never are.
Content = str | Path


class ActionModule(ActionBase):
    """Ask the node for digests, then send what it lacks; one module call when nothing differs."""

    _supports_check_mode = True
    _supports_diff = True
    # A temporary directory costs a round trip and is only needed for large tables that differ.
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        del tmp
        _validation, arguments = self.validate_argument_spec(_tables.ARGUMENTS, required_one_of=[_WAYS], mutually_exclusive=[_WAYS])
        if arguments["migrate"]:
            return self._execute_module(module_name=MODULE, module_args={"migrate": arguments["migrate"]}, task_vars=task_vars)
        try:
            large, known = self._large_files(arguments["tables"])
            tables = self._of_accounts(arguments["accounts"]) if arguments["accounts"] else [self._of_table(table, large) for table in arguments["tables"]]
        except (ConfigError, _accounts.AccountsError) as error:
            raise AnsibleActionFail(str(error)) from error
        contents = {wanted.path: content for wanted, content in tables if content is not None}
        wanted = [wanted for wanted, _content in tables]
        if len({table.path for table in wanted}) != len(wanted):
            raise AnsibleActionFail("postmap: a path occurs twice in tables")
        if not wanted:
            return {"changed": False, "tables": []}
        if _size(contents) <= INLINE:
            return self._call(wanted, contents, task_vars)
        # The paths of tables of whose large file the node does not remember to have made one: it asks for that anyway, a call later.
        lacking = [table.path for table in wanted if table.origin and known.get(table.path, {}).get("origin") != table.origin]
        answer = self._call(wanted, {path: contents[path] for path in lacking}, task_vars)
        if "missing" not in answer:
            return answer
        return self._call(wanted, {path: contents[path] for path in {*lacking, *answer["missing"]}}, task_vars)

    def _large_files(self, tables: Sequence[Mapping[str, Any]]) -> tuple[dict[str, tuple[Path, str]], Mapping[str, Any]]:
        """The large files of the controller that the node shall read, by C(src), with their digests, and what it remembers, which it is asked meanwhile."""
        found = {table["src"]: path for table in tables if table["src"] and table["type"] in _tables.RAW and (path := self._large(table["src"]))}
        if not found:
            return {}, {}
        with ThreadPoolExecutor(1) as pool:
            digests = pool.map(_tables.digest_of, found.values())
            # A program without a module to look a file up: a twentieth of a call.
            known = _tables.origins(self._low_level_execute_command(f"cat {shlex.quote(str(_tables.ORIGINS))}").get("stdout", ""))
            return dict(zip(found, zip(found.values(), digests, strict=True), strict=True)), known

    def _of_table(self, table: Mapping[str, Any], large: Mapping[str, tuple[Path, str]]) -> tuple[_tables.Wanted, Content | None]:
        path, kind, content, src = (table[name] for name in ("path", "type", "content", "src"))
        if content is not None and src is not None:
            raise ConfigError("content and src exclude each other", file=path)
        if content is None and src is None:
            return _wanted(table, digest=""), None
        if src in large and kind in _tables.RAW:
            path, origin = large[src]
            return _wanted(table, digest="", origin=origin, src=src), path
        text = self._read(src) if content is None else content
        text, entries = normal(text, kind=kind, file=path if src is None else src, aliases=table["aliases"])
        return _wanted(table, digest=_tables.digest(text), entries=entries), text

    def _large(self, src: str) -> Path | None:
        """The path of a file on the controller that the node shall read, because it is large, and may, because it is not encrypted."""
        try:
            path = Path(self._find_needle("files", src))
            with path.open("rb") as stream:
                return path if path.stat().st_size > INLINE and not is_encrypted_file(stream) else None
        except (AnsibleError, OSError) as error:
            raise ConfigError(str(error), file=src) from error

    def _of_accounts(self, options: Mapping[str, Any]) -> list[tuple[_tables.Wanted, Content | None]]:
        site = _accounts.site(domains=options["domains"], members=options["members"], ports=options["ports"])
        known = _accounts.directory(
            self._read(options["accounts"]),
            self._read(options["aliases"]) if options["aliases"] else "",
            site=site,
            accounts_file=options["accounts"],
            aliases_file=options["aliases"],
        )
        tables = _accounts.tables(
            known,
            site=site,
            node=options["node"],
            tiers=options["tiers"],
            publish=options["publish"],
            directories=options["directories"],
        )
        return [(_wanted(vars(table), digest=_tables.digest(table.content), entries=table.entries), table.content) for table in tables]

    def _read(self, path: str) -> str:
        """Read a file of the controller, decrypted if it is vaulted, in memory only."""
        try:
            text: str = self._loader.get_text_file_contents(self._find_needle("files", path))
        except AnsibleError as error:
            raise ConfigError(str(error), file=path) from error
        return text

    def _call(self, wanted: Sequence[_tables.Wanted], contents: Mapping[str, Content], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        origins: Mapping[str, str] = {}
        if contents and _size(contents) <= INLINE:
            bundle = io.BytesIO()
            _tables.pack(contents, bundle)
            arguments["bundle"] = base64.b64encode(bundle.getvalue()).decode()
        elif contents:
            arguments["bundle_path"], origins = self._send(contents)
        # Of a file that has changed in between, what was sent.
        arguments["wanted"] = [vars(replace(table, origin=origins.get(table.path, table.origin))) for table in wanted]
        answer: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return answer

    def _send(self, contents: Mapping[str, Content]) -> tuple[str, Mapping[str, str]]:
        """Copy to the node's temporary directory, which the task executor removes after the task; tell the digests of what were files."""
        shell = self._connection._shell
        if shell.tmpdir is None:
            self._make_tmp_path()
        remote: str = shell.join_path(shell.tmpdir, "tables")
        handle, local = tempfile.mkstemp(dir=constants.DEFAULT_LOCAL_TMP)
        try:
            with os.fdopen(handle, "wb") as stream:
                digests = _tables.pack(contents, stream)
            self._transfer_file(local, remote)
        finally:
            Path(local).unlink()
        # What nobody executes needs no round trip of its own.
        self._fixup_perms2((shell.tmpdir, remote), execute=False)
        return remote, digests


def _size(contents: Mapping[str, Content]) -> int:
    return sum(len(content) if isinstance(content, str) else content.stat().st_size for content in contents.values())


def _wanted(table: Mapping[str, Any], *, digest: str, entries: int = 0, origin: str = "", src: str = "") -> _tables.Wanted:
    connected = table["type"] in CONNECTED
    return _tables.Wanted(
        path=table["path"],
        type=table["type"],
        digest=digest,
        entries=entries,
        origin=origin,
        src=src,
        owner=table["owner"],
        group=table["group"] or ("postfix" if connected else "root"),
        mode=_tables.mode_of(table["mode"], secret=table["secret"] and not connected),
        secret=table["secret"] or connected,
        **{name: table[name] for name in ("aliases", "probe") if name in table},
    )
