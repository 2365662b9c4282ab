# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the node: calls the module as Ansible does, ends it where it is told to, and looks at what is left.

Nothing in the product knows of this: where a run is in its work, the audit events of the interpreter tell (sys.addaudithook).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import threading
import time
from pathlib import Path

import ledger
from ansible.module_utils import basic
from ansible_collections.mailcluster.postfix.plugins.module_utils import _postconf
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix import generation, main_cf, master_cf, references, table
from ansible_collections.mailcluster.postfix.plugins.module_utils._postfix.instance import Paths
from ansible_collections.mailcluster.postfix.plugins.modules import postfix_instance, postmap

CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod", "os.chown", "os.utime", "os.truncate", "fcntl.flock"}
WORK = Path("/run/faults")
POSTMAP = WORK / "postmap"
# What a daemon says that dies, or of a table that is not there or not whole.
COMPLAINT = re.compile(r"(error|fatal|panic): |warning: .*(unavailable|No such file|older than|exit status|throttling)")
# What a configuration may be called.
LETTERS = "ABCR"
# How long after its start a program is still at work when the run that started it is ended.
DURING = 0.01
PATIENCE = 15.0


# -- one run of the module


class Hook:
    """Counts what changes something, and ends the process before the ``at``-th; with ``during``, while that program runs."""

    def __init__(self, at, during):
        self.at, self.during, self.events = at, during, []

    def __call__(self, event, arguments):
        if event == "open":
            path, _mode, flags = arguments
            if not isinstance(path, (str, bytes, os.PathLike)) or os.fspath(path) == "/dev/null" or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event != "subprocess.Popen" and event not in CHANGING:
            return
        what = " ".join(arguments[1]) if event == "subprocess.Popen" else str(arguments[0])
        self.events.append(f"{event} {what}")
        if len(self.events) == self.at:
            if not self.during:
                os.kill(os.getpid(), signal.SIGKILL)
            # Not handled, it ends the process as abruptly; what is started now does not inherit it.
            signal.setitimer(signal.ITIMER_REAL, DURING)


def call(parameters, *, at=0, during=False, after=None):
    """Run the module in a process of its own; ``after`` is the number of seconds after which SIGKILL comes.

    Returns what it printed (with ``rc``), whether it was killed, its seconds and its events.
    """
    child, started = _start(parameters, Hook(at, during)), time.monotonic()
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return _finish(child, started)


def together(each):
    """Several runs at once."""
    started = time.monotonic()
    return [_finish(child, started) for child in [_start(parameters, Hook(0, False)) for parameters in each]]


def _start(parameters, hook):
    WORK.mkdir(exist_ok=True)
    # What waits in a buffer would be written by both.
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _run(parameters, *_papers(os.getpid()), hook)
    return child


def _papers(child):
    """Where a run leaves its output and its events."""
    return WORK / f"{child}.output", WORK / f"{child}.events"


def _finish(child, started):
    output, events = _papers(child)
    _pid, status = os.waitpid(child, 0)
    seconds = round(time.monotonic() - started, 3)
    if os.WIFSIGNALED(status):
        return {"killed": True, "seconds": seconds}
    text = output.read_text()
    return {"killed": False, "seconds": seconds, "rc": os.WEXITSTATUS(status), "events": json.loads(events.read_text()), **_printed(text)}


def _printed(text):
    with contextlib.suppress(ValueError):
        return json.loads(text[text.index("{") :])
    return {"failed": True, "traceback": text, "msg": ""}


def _run(parameters, output, events, hook):
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": parameters}).encode()
    basic._ANSIBLE_PROFILE = "legacy"
    sys.addaudithook(hook)
    status = 0
    try:
        (postmap if "migrate" in parameters else postfix_instance).main()
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 70
    seen = list(hook.events)
    sys.stdout.flush()
    sys.stderr.flush()
    Path(events).write_text(json.dumps(seen))
    os._exit(status)


# -- an instance whose every part says which configuration it comes from


class Instance:
    """A Postfix whose mail ends in maildirs; each of its configurations has a letter that banner, policy and data carry."""

    PARTS = ("banner", "policy", "compiled", "data")

    def __init__(self, name, port, base):
        self.paths, self.port, self.base = Paths(name), port, base
        self.others = set(self._aside())
        self.mail = Path("/var/mail") / name
        if not self.mail.exists():
            self.mail.mkdir()
            os.chown(self.mail, 5000, 5000)

    def parameters(self, letter, *, main=None, services=(), tables=(), data=(), kind="lmdb", **more):
        config, data_directory = self.paths.config, self.paths.data
        return {
            "name": self.paths.name,
            "main": {
                **self.base["main"],
                "myhostname": "faults.test",
                "mydestination": "",
                "mynetworks": ["127.0.0.0/8"],
                "inet_protocols": "ipv4",
                "smtpd_banner": f"$myhostname ESMTP {letter}",
                "smtpd_relay_restrictions": ["reject_unauth_destination"],
                "smtpd_recipient_restrictions": [f"check_recipient_access texthash:{config}/policy", f"check_recipient_access lmdb:{config}/compiled"],
                "virtual_mailbox_domains": "sink.test",
                "virtual_mailbox_maps": f"{kind}:{data_directory}/mailboxes",
                "virtual_mailbox_base": str(self.mail),
                "virtual_uid_maps": "static:5000",
                "virtual_gid_maps": "static:5000",
                **(main or {}),
            },
            "services": [
                *self.base["services"],
                {"service": f"127.0.0.1:{self.port}", "type": "inet", "command": "smtpd"},
                *([{"service": f"127.0.0.1:{self.port + 1}", "type": "inet", "command": "smtpd"}] if letter == "B" else []),
                *services,
            ],
            "tables": [
                {"name": "policy", "type": "texthash", "content": f"policy@sink.test REJECT {letter}\n"},
                {"name": "compiled", "type": "lmdb", "content": f"compiled@sink.test REJECT {letter}\n"},
                *tables,
            ],
            "data": [
                {"name": "mailboxes", "type": kind, "content": "".join(f"{name}@sink.test {name}/\n" for name in ("ledger", "alias", letter.lower()))},
                *data,
            ],
            **more,
        }

    def absent(self):
        return {"name": self.paths.name, "state": "absent"}

    # what is served

    def served(self):
        """Which configuration answers in each part, or what is wrong."""
        try:
            client = smtplib.SMTP(local_hostname="client.test", timeout=5)
            code, banner = client.connect("127.0.0.1", self.port)
            if code != 220 or client.ehlo()[0] != 250 or client.mail("x@client.test")[0] != 250:
                return {"error": f"{code} {banner!r}"}
            answers = {name: client.rcpt(f"{name}@sink.test") for name in ("policy", "compiled", "ledger", "alias", *LETTERS.lower())}
            client.quit()
        except (OSError, smtplib.SMTPException) as error:
            return {"error": f"{type(error).__name__}: {error}"}
        texts = {name: f"{code} {text.decode()}" for name, (code, text) in answers.items()}
        broken = [text for text in texts.values() if text.startswith("4")]
        return {
            "banner": banner.decode().split()[-1],
            "policy": texts["policy"].split()[-1],
            "compiled": texts["compiled"].split()[-1],
            "data": "".join(letter for letter in LETTERS if answers[letter.lower()][0] == 250),
            "error": "; ".join(broken) or ("" if answers["ledger"][0] == 250 else texts["ledger"]),
        }

    def serves(self):
        return _patiently(self.served)

    def letter(self):
        """The letter of the active configuration."""
        return re.search(r"^smtpd_banner = .* (\w+)$", (self.paths.config / "main.cf").read_text(), re.MULTILINE)[1]

    def complete(self):
        """What the active generation lacks, measured by its name; empty when it is whole."""
        directory = self.paths.config.resolve()
        if not directory.is_dir():
            return f"{self.paths.config} leads to {directory}, which is not there"
        names = generation.own_files(os.listdir(directory))
        made = "-".join(generation.digests({name: (directory / name).read_text() for name in names}))
        if made != directory.name:
            return f"{directory.name} holds the files of {made}"
        return "" if (directory / "compiled.lmdb").exists() else f"{directory.name} lacks compiled.lmdb"

    def state(self):
        """Everything that a finished run leaves and that must not depend on its history."""
        paths = self.paths
        active = paths.config.resolve()
        directories = (paths.home, paths.generations, active, paths.data, paths.state, paths.queue)
        return {
            "active": active.name,
            "loaded": Path(paths.loaded.read_text().strip()).name if paths.loaded.exists() else "",
            "files": [_entry(path) for directory in (active, paths.data) for path in sorted(directory.rglob("*"))],
            "directories": [_entry(path) for path in (*directories, *sorted(paths.queue.glob("*")))],
            "unit": paths.unit.read_text() if paths.unit.exists() else "",
            "enabled": paths.enabled.is_symlink(),
            "registered": str(paths.config) in paths.default_main.read_text(),
            "left": sorted(set(self._aside()) - self.others),
        }

    def _aside(self):
        """What ended runs made aside and nobody has removed, and what strangers have there."""
        paths = self.paths
        for directory in (Path("/etc"), Path("/etc/postfix"), Path("/tmp"), paths.unit.parent, paths.home, paths.generations, paths.data):
            if directory.is_dir():
                yield from (str(path) for path in directory.iterdir() if path.name.startswith((".", f"{paths.name}.")))
        if paths.journal.exists():
            yield str(paths.journal)

    def present(self):
        """What is there of the instance."""
        paths = self.paths
        kept = [paths.config, paths.home, paths.queue, paths.state, paths.enabled, paths.loaded]
        active = subprocess.run(["systemctl", "is-active", paths.service], capture_output=True, text=True, check=False).stdout.strip()
        registered = [f"in {paths.default_main}"] if str(paths.config) in paths.default_main.read_text() else []
        running = [active] if active not in ("inactive", "unknown") else []
        return [*(str(path) for path in kept if os.path.lexists(path)), *registered, *running, *sorted(set(self._aside()) - self.others)]

    def complaints(self, since):
        """What its daemons complained of since then, each once."""
        shown = subprocess.run(["journalctl", "-q", "--no-pager", "--facility=mail", f"--since=@{since:.3f}"], capture_output=True, text=True, check=False)
        found = re.findall(rf" {self.paths.name}/(\S+)\[\d+\]: (.*)", shown.stdout)
        return sorted({f"{daemon}: {text}" for daemon, text in found if COMPLAINT.match(text)})

    def log(self, lines=15):
        return _log(lines)


def _log(lines):
    shown = subprocess.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-n", str(lines)], capture_output=True, text=True, check=False)
    return shown.stdout.splitlines()


def _patiently(served):
    """The first good answer, or the last bad one; and after how many seconds."""
    started = time.monotonic()
    while True:
        seen = served()
        took = time.monotonic() - started
        if not seen["error"] or took > PATIENCE:
            return {**seen, "after": round(took, 2)}
        time.sleep(0.05)


def _entry(path):
    """Name, mode, owner, group and, of what is not compiled, content."""
    status = path.lstat()
    plain = path.is_file() and path.suffix not in set(table.COMPILED.values())
    return [str(path), oct(status.st_mode), status.st_uid, status.st_gid, hashlib.sha256(path.read_bytes()).hexdigest()[:12] if plain else ""]


# -- a Postfix that others configured


TABLES_OF_OTHERS = {
    "/etc/postfix/faults-domains": "shop.test x\n",
    "/etc/postfix/faults-virtual": "info@shop.test root\nrefused@shop.test root\n",
    "/etc/postfix/faults-access": "refused@shop.test REJECT\n",
}
ANSWERS = {"info@shop.test": 250, "refused@shop.test": 554, "nobody@shop.test": 550, "faults@local.test": 250, "absent@local.test": 550}


class Server:
    """The default instance with tables of Berkeley DB: in main.cf, in a service, aliases, a cache. Every connection meets a new daemon."""

    PARTS = ()
    UNIT = "postfix.service"
    CONFIG = Path("/etc/postfix")

    def __init__(self, port):
        self.port, self.aliases = port, Path("/etc/faults-aliases")
        self.found = {name: (self.CONFIG / name).read_text() for name in (main_cf.FILE, master_cf.FILE)}
        self.running = not self._run("systemctl", "is-active", self.UNIT).returncode
        self.defaults = main_cf.parameters(self._run("postconf", "-d").stdout)
        main = {
            "myhostname": "faults.test",
            "mydestination": "local.test",
            "mynetworks": "",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "default_database_type": "hash",
            "alias_maps": f"hash:{self.aliases}",
            "alias_database": f"hash:{self.aliases}",
            "virtual_alias_domains": "hash:/etc/postfix/faults-domains",
            "virtual_alias_maps": "hash:$config_directory/faults-virtual",
            "smtp_tls_session_cache_database": "btree:${data_directory}/smtp_scache",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "max_use": "1",
        }
        override = "{ smtpd_recipient_restrictions = check_recipient_access hash:/etc/postfix/faults-access, permit }"
        service = f"127.0.0.1:{port} inet n - n - - smtpd\n  -o {override}\n"
        self.files = {main_cf.FILE: main_cf.edit(self.found[main_cf.FILE], main), master_cf.FILE: self.found[master_cf.FILE] + service}

    def _run(self, *command):
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def migration(self):
        return {"migrate": {"unit": self.UNIT}}

    def before(self):
        """As it was before any migration."""
        self._put(self.files)
        for path in (*self._compiled(), *self._aside()):
            shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()
        for path, text in {**TABLES_OF_OTHERS, str(self.aliases): "faults: root\n"}.items():
            Path(path).write_text(text)
            self._run("postalias" if path == str(self.aliases) else "postmap", f"hash:{path}")
        self._restart()
        seen = self.serves()
        assert not seen["error"], (seen, self.log(20))

    def leave(self):
        """As it was before any test."""
        self._put(self.found)
        for path in (*self._compiled(), *TABLES_OF_OTHERS, self.aliases):
            Path(path).unlink()
        self._restart() if self.running else self._run("systemctl", "stop", self.UNIT)

    def _put(self, files):
        for name, text in files.items():
            path = self.CONFIG / name
            path.write_text(text)
            os.utime(path, (time.time() - 60,) * 2)

    def _restart(self):
        (_postconf.PENDING / self.UNIT).unlink(missing_ok=True)
        # Nobody restarts so often but a test.
        self._run("systemctl", "reset-failed", self.UNIT, "postfix@-.service")
        done = self._run("systemctl", "restart", self.UNIT)
        assert not done.returncode, done.stderr

    def served(self):
        answers = {}
        try:
            client = smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.test", timeout=5)
            client.ehlo()
            client.mail("x@client.test")
            answers = {recipient: client.rcpt(recipient) for recipient in ANSWERS}
            client.quit()
        except (OSError, smtplib.SMTPException) as error:
            return {"error": f"{type(error).__name__}: {error}"}
        wrong = [f"{recipient}: {code} {text.decode()}" for recipient, (code, text) in answers.items() if code != ANSWERS[recipient]]
        return {"error": "; ".join(wrong)}

    def serves(self):
        return _patiently(self.served)

    def letter(self):
        """Which types of tables its files name."""
        return " and ".join(sorted({entry.kind for entry in self._named()}))

    def _named(self):
        files = {name: (self.CONFIG / name).read_text() for name in self.files}
        return [entry for entry in references.of_files(files, directory=str(self.CONFIG), defaults=self.defaults) if entry.own and not entry.cache]

    def complete(self):
        """Which tables its files name that are not there."""
        compiled = {str(table.compiled_name(entry.path, entry.kind)): entry.place for entry in self._named() if entry.kind in table.COMPILED}
        return "; ".join(f"{place} names {path}, which is not there" for path, place in compiled.items() if not Path(path).exists())

    def state(self):
        files = [self.CONFIG / name for name in self.files]
        return {
            "texts": [path.read_text() for path in files],
            "files": [_entry(path) for path in (*files, *map(Path, TABLES_OF_OTHERS), self.aliases)],
            "compiled": [_entry(Path(path)) for path in self._compiled()],
            "left": self._aside(),
            "pending": (_postconf.PENDING / self.UNIT).exists(),
        }

    def _compiled(self):
        return sorted(str(path) for source in (*TABLES_OF_OTHERS, self.aliases) for path in Path(source).parent.glob(f"{Path(source).name}.*"))

    def _aside(self):
        begins = (".publish-", ".main.cf.", ".master.cf.")
        return sorted(str(path) for folder in (self.CONFIG, self.CONFIG.parent) for path in folder.iterdir() if path.name.startswith(begins))

    def log(self, lines=15):
        return _log(lines)


# -- what goes on beside the runs


class Traffic:
    """A ledger that sends to the instance, and a reader that looks its tables up, from start to :meth:`end`."""

    def __init__(self, instance, *, rate=10):
        self.instance, name, self.since = instance, instance.paths.name, time.time()
        WORK.mkdir(exist_ok=True)
        # Its own, for when the node's is taken away.
        shutil.copy2("/usr/sbin/postmap", POSTMAP)
        self.ledger, self.lookups = WORK / f"{name}.ledger", WORK / f"{name}.lookups"
        self.ledger.unlink(missing_ok=True)
        words = ["send", "--ledger", self.ledger, "--to", f"127.0.0.1:{instance.port}", "--recipient", "ledger@sink.test", "--rate", str(rate)]
        self.processes = [
            subprocess.Popen([sys.executable, ledger.__file__, *words], stderr=subprocess.DEVNULL),
            subprocess.Popen([sys.executable, __file__, "read", name, self.lookups]),
        ]

    def end(self):
        """Stop, wait until the queue is empty, and reckon."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()
        config = str(self.instance.paths.config)
        deadline = time.monotonic() + 30
        while any(ledger.in_queue(config)) and time.monotonic() < deadline:
            time.sleep(0.2)
        found = [*ledger.in_queue(config), *ledger.in_maildirs(self.instance.mail)]
        reckoned = ledger.reconcile(ledger.transactions(self.ledger.read_text().splitlines()), found)
        shutil.rmtree(self.instance.mail / "ledger", ignore_errors=True)
        return {"mail": ledger.asdict(reckoned), "lookups": json.loads(self.lookups.read_text()), "complaints": self.instance.complaints(self.since)}


def read(name, output):
    """Look up what the active configuration looks up, until SIGTERM; tell how often, and whenever a table was not there."""
    paths, stopped = Paths(name), threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopped.set())
    config = str(paths.config)
    asked = {f"texthash:{config}/policy": "policy@sink.test", f"lmdb:{config}/compiled": "compiled@sink.test"}
    files = [paths.config / name for name in ("main.cf", "master.cf", "policy", "compiled.lmdb")] + [paths.data / "mailboxes"]
    lookups, looks, missing = 0, 0, []
    while not stopped.is_set():
        for where, key in asked.items():
            said = subprocess.run([POSTMAP, "-q", key, where], capture_output=True, text=True, check=False)
            lookups += 1
            if said.returncode or not said.stdout.startswith("REJECT") or said.stderr:
                missing.append(f"{where}: {said.returncode} {said.stdout} {said.stderr}")
        for _turn in range(40):
            looks += 1
            for path in files:
                try:
                    if not path.stat().st_size:
                        missing.append(f"{path} is empty")
                except OSError as error:
                    missing.append(f"{path}: {error}")
            stopped.wait(0.003)
    Path(output).write_text(json.dumps({"lookups": lookups, "looks": looks, "missing": missing}))


if __name__ == "__main__" and sys.argv[1:2] == ["read"]:
    read(*sys.argv[2:])
