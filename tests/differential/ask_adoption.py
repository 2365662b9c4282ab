# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a booted container: configures the packaged Postfix by hand, or says how a Postfix is configured and routes mail."""

import hashlib
import json
import pathlib
import smtplib
import subprocess
import sys
import time

asked = json.load(sys.stdin)
ARCHIVE = pathlib.Path("/var/lib/archive")


def run(*command, text=""):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def configure():
    """What a person with an editor does; nothing here knows of variables."""
    run("useradd", "--create-home", "bob")
    ARCHIVE.mkdir(exist_ok=True)
    run("chown", "nobody", str(ARCHIVE))
    for path, text in asked["files"].items():
        pathlib.Path(path).write_text(text)
    for path, text in asked["added"].items():
        with pathlib.Path(path).open("a") as stream:
            stream.write(text)
    pathlib.Path("/usr/local/bin/archive").chmod(0o755)
    said = [run("postmap", f"hash:{path}") for path in asked["tables"]] + [run("newaliases"), run("systemctl", "enable", "postfix.service")]
    said += [run("systemctl", "restart", "postfix.service")]
    return [done.stderr for done in said if done.returncode]


def digests(directory):
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(pathlib.Path(directory).rglob("*")) if path.is_file()}


def places():
    """Every message that arrived, by its subject: where."""
    found = {}
    for path in [pathlib.Path("/var/mail/bob"), *ARCHIVE.iterdir()]:
        if path.is_file():
            for line in path.read_text(errors="replace").splitlines():
                if line.startswith("Subject: "):
                    found.setdefault(line.removeprefix("Subject: "), []).append(str(path.parent))
    return found


def send(number, port, recipient):
    subject = f"{asked['run']}-{number}"
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.sendmail("stranger@elsewhere.test", [recipient], f"Subject: {subject}\n\nhello\n")
    except smtplib.SMTPRecipientsRefused as error:
        code, text = error.recipients[recipient]
        return f"{code} {text.decode()}"
    return subject


def routed():
    """Where mail to each recipient goes: a directory, or the reply that refuses it."""
    sent = [send(number, port, recipient) for number, (port, recipient) in enumerate(asked["mails"])]
    accepted = [entry for entry in sent if entry.startswith(asked["run"])]
    deadline = time.monotonic() + 30
    # A message with two recipients leaves the queue once both have it.
    while (set(accepted) - places().keys() or run("postqueue", "-c", asked["config"], "-j").stdout) and time.monotonic() < deadline:
        time.sleep(0.2)
    found = places()
    return [", ".join(found.get(entry, ["nowhere"])) if entry in accepted else entry for entry in sent]


def look():
    config = asked["config"]
    deadline = time.monotonic() + 20
    while run("postfix", "-c", config, "status").returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    return {
        "main": run("postconf", "-c", config, "-n").stdout,
        "expanded": run("postconf", "-c", config, "-xn").stdout,
        "services": run("postconf", "-c", config, "-M").stdout,
        "files": digests("/etc/postfix") | digests("/etc/aliases.d") | {"/etc/aliases": pathlib.Path("/etc/aliases").read_text()},
        "lookups": [run("postmap", "-c", config, "-q", key, name).stdout for name, key in asked["lookups"]],
        "routed": routed(),
        "queue": run("postqueue", "-c", config, "-j").stdout,
        "compiled": sorted(str(path) for pattern in ("*.db", "*.lmdb", "*.cdb") for path in pathlib.Path("/etc").rglob(pattern)),
    }


json.dump({"configure": configure, "look": look}[asked["do"]](), sys.stdout)
