# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a container: answers what the Postfix of that release makes of each text."""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Bytes that are no UTF-8 come and go as surrogates.
BYTES = {"encoding": "utf-8", "errors": "surrogateescape"}


def run(*command):
    done = subprocess.run([word.encode(**BYTES) for word in command], capture_output=True, check=False)
    return {"rc": done.returncode, "out": done.stdout.decode(**BYTES), "err": done.stderr.decode(**BYTES)}


def directory(files):
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    for name, text in {"main.cf": "", "master.cf": "", **files}.items():
        (path / name).write_bytes(text.encode(**BYTES))
        # Postfix programs wait until a configuration file is 2 s old.
        os.utime(path / name, (time.time() - 60,) * 2)
    return path


def main_cf(text):
    return run("postconf", "-c", str(directory({"main.cf": text})), "-n")


def edited(case):
    path = directory({"main.cf": case["text"]})
    wanted = [f"{name}={value}" for name, value in case["changes"].items() if value is not None]
    gone = [name for name, value in case["changes"].items() if value is None]
    done = [run("postconf", "-c", str(path), "-e", *wanted)] if wanted else []
    done += [run("postconf", "-c", str(path), "-X", *gone)] if gone else []
    return {"done": done, "text": (path / "main.cf").read_text(**BYTES)}


def master_cf(text):
    path = directory({"master.cf": text})
    return {"services": run("postconf", "-c", str(path), "-M"), "options": run("postconf", "-c", str(path), "-P")}


def master_edited(case):
    path = directory({"master.cf": case["text"]})
    return {"done": [run("postconf", "-c", str(path), *command) for command in case["commands"]], "text": (path / "master.cf").read_text(**BYTES)}


def table(text):
    # Without the compatibility level of a new installation there is no UTF-8 in tables.
    path = directory({"main.cf": "compatibility_level = 3.6\n", "t": text})
    made = run("postmap", "-c", str(path), f"lmdb:{path}/t")
    return {"made": made, "rows": run("postmap", "-c", str(path), "-s", f"lmdb:{path}/t")}


def expansion(case):
    values = "".join(f"{name} = {value}\n" for name, value in case["values"].items())
    return run("postconf", "-c", str(directory({"main.cf": f"{values}virtual_mailbox_base = {case['text']}\n"})), "-xh", "virtual_mailbox_base")


def known_words(words):
    programs = [path.read_bytes() for path in (*Path("/usr/lib/postfix").rglob("*"), Path("/usr/sbin/sendmail")) if path.is_file()]
    return {word: any(word.encode() + b"\0" in content for content in programs) for word in words}


ANSWERS = {
    "main_cf": main_cf,
    "edited": edited,
    "master_cf": master_cf,
    "master_edited": master_edited,
    "table": table,
    "expansion": expansion,
    "known_words": known_words,
    "defaults": lambda _none: {
        "plain": run("postconf", "-c", str(directory({})), "-d"),
        "expanded": run("postconf", "-c", str(directory({})), "-dx"),
        "types": run("postconf", "-m"),
        "services": Path("/etc/postfix/master.cf.proto").read_text(**BYTES),
        "programs": [str(path) for path in Path("/usr/lib/postfix/sbin").iterdir()],
    },
}
asked = json.load(sys.stdin)
# Many, because a Postfix program that gives up sleeps for a second first.
with ThreadPoolExecutor(max_workers=16) as pool:
    json.dump({kind: list(pool.map(ANSWERS[kind], cases)) for kind, cases in asked.items()}, sys.stdout)
