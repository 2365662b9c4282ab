# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a container: an instance with mail in its queue, and what its programs say and do."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

asked = json.load(sys.stdin)
CONFIG = asked["config"]
MAIN = """\
compatibility_level = 3.6
myhostname = queue.test
mydestination =
alias_maps =
inet_interfaces = loopback-only
queue_directory = {config}/spool
data_directory = {config}/data
default_transport = retry:{reason}
queue_run_delay = 3000s
minimal_backoff_time = 3000s
"""
MASTER = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
showq unix n - n - - showq
retry unix - - n - - error
error unix - - n - - error
"""


def run(*command, text=""):
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return {"rc": done.returncode, "out": done.stdout, "err": done.stderr}


def write(name, text):
    Path(CONFIG, name).write_text(text)
    # Postfix programs wait until a configuration file is 2 s old.
    os.utime(Path(CONFIG, name), (time.time() - 60,) * 2)


def listing():
    return run("postqueue", "-c", CONFIG, "-j")


def queued():
    """Every listed message by its id."""
    found = [json.loads(line) for line in listing()["out"].splitlines()]
    return {entry["queue_id"]: entry for entry in found}


def until(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)


def reasons():
    return [one.get("delay_reason", "") for entry in queued().values() for one in entry["recipients"]]


def deferred():
    # In maildrop a message has another id than afterwards.
    return [entry for entry, found in queued().items() if found["queue_name"] == "deferred"]


def send(sender, recipients, ids):
    run("sendmail", "-C", CONFIG, "-f", sender, *recipients, text="Subject: x\n\nhello\n")
    until(lambda: len(deferred()) > len(ids))
    return [entry for entry in deferred() if entry not in ids]


def act(command, ids):
    """Run a command with ids in place of their numbers, and say where the messages are afterwards."""
    filled = [ids[word] if isinstance(word, int) else word for word in command["argv"]]
    done = run(*filled, text="".join(f"{ids[number]}\n" for number in command["reads"]))
    found = queued()
    return {**done, "queues": [found[entry]["queue_name"] if entry in found else "" for entry in ids]}


Path(CONFIG, "data").mkdir(parents=True)
subprocess.run(["chown", "postfix", f"{CONFIG}/data"], check=True)
Path(CONFIG, "spool").mkdir()
write("main.cf", MAIN.format(config=CONFIG, reason=asked["reason"]))
write("master.cf", MASTER)
answer = {"never started": listing()}
started = run("postfix", "-c", CONFIG, "start")
assert not started["rc"], started
ids = []
for sender, recipients in asked["envelopes"]:
    ids += send(sender, recipients, ids)
until(lambda: all(reasons()))
answer |= {"ids": ids, "running": listing()}
answer["acts"] = [act(command, ids) for command in asked["running"]]
write("main.cf", MAIN.format(config=CONFIG, reason=asked["again"]))
run("postfix", "-c", CONFIG, "reload")
time.sleep(1)
answer["flush"] = []
for number, command in enumerate(asked["flush"], 1):
    done = act(command, ids)
    until(lambda count=number: reasons().count(asked["again"]) == count)
    answer["flush"].append({**done, "listing": listing()["out"]})
run("postfix", "-c", CONFIG, "stop")
answer["stopped"] = listing()
answer["stopped flush"] = act(asked["flush"][0], ids)
answer["stopped acts"] = [act(command, ids) for command in asked["stopped"]]
json.dump(answer, sys.stdout)
