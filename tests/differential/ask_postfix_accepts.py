# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a container: starts Postfix with each configuration, talks to it, and says what was seen.

Several instances run beside each other, each on ports of its own; an instance takes one case after
the other by stop and start. A small server takes what they deliver, and plays the system log.
"""

import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

ROOT = Path("/run/accepts")
INSTANCES = 8
# Seconds; only what says nothing at all is waited for that long.
PATIENCE = 12.0
# So long may a daemon that lives still be silent after another one died.
GRACE = 3.0
# Somebody waits in vain: for a daemon that ended (master(8) starts the next one only after a minute), for a
# service that is not there, for an access list that is not read.
VAIN = re.compile(
    r"bad command startup -- throttling|process \S+ pid \d+ (?:exit status [1-9]|killed)|connect #\d+ to subsystem"
    r"|unable to look up public/|ignoring the remainder of this access list"
)
DONE = re.compile(r"status=(\w+)")
# What a run leaves in a queue: messages and sockets.
LEFT = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private", "public", "saved", "trace")


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, **more)
    return {"rc": done.returncode, "text": done.stdout + done.stderr}


class Log:
    """/dev/log; a line belongs to the instance whose tag it has."""

    def __init__(self):
        self.lines = {}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        Path("/dev/log").unlink(missing_ok=True)
        self.socket.bind("/dev/log")
        Path("/dev/log").chmod(0o666)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            text = self.socket.recv(65536).decode(errors="replace").rstrip("\0\n")
            found = re.search(r"\b(case\d+)(/.*)", text)
            if found:
                self.lines.setdefault(found[1], []).append(found[2])


class Sink(socketserver.StreamRequestHandler):
    """Takes every message."""

    def handle(self):
        self.wfile.write(b"220 sink ESMTP\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 50


class Instance:
    def __init__(self, number, log):
        self.number, self.log, self.tag = number, log, ""
        self.home = ROOT / str(number)
        self.config, self.queue, self.data = (self.home / name for name in ("etc", "queue", "data"))
        # The port of smtpd(8), the one of postscreen(8), one that is free, and one that is taken.
        self.ports = [20000 + 10 * number + index for index in range(4)]
        for path in (self.config, self.queue):
            path.mkdir(parents=True)
        self.data.mkdir()
        shutil.chown(self.data, "postfix")
        taken = socket.socket()
        taken.bind(("127.0.0.1", self.ports[3]))
        taken.listen()
        self.taken = taken

    def filled(self, text):
        for name, value in {
            "TAG": self.tag,
            "CONFIG": self.config,
            "QUEUE": self.queue,
            "DATA": self.data,
            "SINK": 20009,
            **dict(zip(("PORT", "SCREEN", "FREE", "TAKEN"), self.ports, strict=True)),
        }.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def take(self, case):
        """Run one case and return what was seen."""
        self.tag = f"case{case['number']}"
        self.stop()
        for path in self.config.iterdir():
            path.unlink()
        for name, text in case["files"].items():
            path = self.config / name
            path.write_text(self.filled(text))
            # Postfix programs wait until a configuration file is 2 s old.
            os.utime(path, (time.time() - 60,) * 2)
        environment = {**os.environ, "MAIL_LOGTAG": self.tag, "MAIL_CONFIG": str(self.config)}
        seen = {
            "check": run("postfix", "check", env=environment),
            "parameters": run("postconf", "-n", env=environment),
            "services": run("postconf", "-M", env=environment),
        }
        if any(answer["rc"] for answer in seen.values()):
            return {**seen, "log": self.said()}
        # The rest of `postfix start`, which would run the check again.
        seen["start"] = run("/usr/lib/postfix/sbin/master", "-w", env=environment)
        seen["talk"] = [] if seen["start"]["rc"] else self.talk(self.ports[0 if case["port"] == "PORT" else 1], case["recipient"])
        if seen["talk"] and seen["talk"][-1].startswith("250 2.0.0"):
            self.until(lambda: any(DONE.search(line) or VAIN.search(line) for line in self.said()))
        seen["alive"] = self.master() > 0
        seen["log"] = self.said()
        return seen

    def said(self):
        return list(self.log.lines.get(self.tag, ()))

    def until(self, condition, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)

    def talk(self, port, recipient):
        """Bring a message; return the last line of every reply, and what came instead of one."""
        for _attempt in range(3):
            replies = self.dialogue(port, recipient)
            # A daemon that dies hangs up; a reset before the first byte is a start that was not finished.
            if replies != ["(ConnectionResetError)"]:
                break
            time.sleep(0.5)
        return replies

    def dialogue(self, port, recipient):
        replies = []
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection, connection.makefile("rwb", buffering=0) as stream:
                connection.settimeout(0.2)
                for line in ("", "EHLO client.test", "MAIL FROM:<a@client.test>", f"RCPT TO:<{recipient}>", "DATA", "Subject: x\r\n\r\nx\r\n."):
                    if line:
                        stream.write(f"{line}\r\n".encode())
                    replies.append(self.reply(connection))
                    if replies[-1][:1] not in ("2", "3"):
                        break
        except OSError as error:
            replies.append(f"({type(error).__name__})")
        return replies

    def reply(self, connection):
        """The last line of a reply; patience ends early when a daemon has died."""
        text = b""
        deadline = time.monotonic() + PATIENCE
        grace = 0.0
        while time.monotonic() < deadline:
            try:
                part = connection.recv(65536)
            except TimeoutError:
                grace += 0.2 if any(VAIN.search(line) for line in self.said()) else 0.0
                if grace > GRACE:
                    return "(silence)"
                continue
            if not part:
                return "(end)"
            text += part
            if text.endswith(b"\n") and re.match(rb"\d\d\d ", text.splitlines()[-1]):
                return text.splitlines()[-1].decode(errors="replace")
        return "(silence)"

    def master(self):
        try:
            pid = int((self.queue / "pid/master.pid").read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return 0
        # The first process of the container may not wait for its children.
        return 0 if state == "Z" else pid

    def stop(self):
        pid = self.master()
        if pid:
            os.kill(pid, signal.SIGTERM)
            self.until(lambda: not self.master())
        for path in (entry for name in LEFT for entry in self.queue.glob(f"{name}/**/*") if not entry.is_dir()):
            path.unlink(missing_ok=True)
        for path in self.data.iterdir():
            path.unlink()


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    log = Log()
    sink = Server(("127.0.0.1", 20009), Sink)
    threading.Thread(target=sink.serve_forever, daemon=True).start()
    free = SimpleQueue()
    for number in range(INSTANCES):
        free.put(Instance(number + 1, log))

    def one(case):
        instance = free.get()
        started = time.monotonic()
        try:
            return {**instance.take(case), "seconds": round(time.monotonic() - started, 1)}
        finally:
            instance.stop()
            free.put(instance)

    cases = [{**case, "number": number} for number, case in enumerate(json.load(sys.stdin))]
    with ThreadPoolExecutor(max_workers=INSTANCES) as pool:
        json.dump(list(pool.map(one, cases)), sys.stdout)


main()
