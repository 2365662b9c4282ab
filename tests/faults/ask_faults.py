# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the node: breaks something, runs the module, and tells what it said and what was served meanwhile and afterwards."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from node import WORK, Instance, Traffic, call, together

PAGE = 4096


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def content(path):
    return path.read_text() if path.exists() else ""


def restarted(pid, before):
    """Whether another master runs within seconds: who starts postfix.service on Debian 12 does not wait for it."""
    deadline = time.monotonic() + 5
    while content(pid) in ("", before) and time.monotonic() < deadline:
        time.sleep(0.1)
    return content(pid) not in ("", before)


def told(instance, done):
    """What a run said, and what is there afterwards."""
    return {
        "failed": bool(done.get("failed")),
        "changed": bool(done.get("changed")),
        "msg": done.get("msg", ""),
        "traceback": done.get("traceback", ""),
        "seconds": done["seconds"],
        "served": instance.serves(),
        "lacks": instance.complete(),
        "left": instance.state()["left"],
    }


# -- no room, no rights


@contextlib.contextmanager
def filled(directory, pages):
    """A file system on which so many pages are free."""
    ballast = directory / "ballast"
    ballast.touch()
    free = os.statvfs(directory)
    with ballast.open("wb") as stream:
        stream.write(b"x" * max(0, free.f_bavail * free.f_frsize - pages * PAGE))
    try:
        yield
    finally:
        ballast.unlink()


def disk(base, _question):
    """The configuration lies on a small file system of its own, which is full, or read-only; so is the temporary one."""
    home = Path("/etc/mailcluster/faults-d")
    home.mkdir(parents=True)
    run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0755", "tmpfs", str(home))
    instance = Instance("faults-d", 2630, base)
    seen = {"first": told(instance, call(instance.parameters("A"))), "full": []}
    traffic = Traffic(instance)
    pages = 0
    while True:
        with filled(home, pages):
            done = told(instance, call(instance.parameters("B")))
        seen["full"].append({"pages": pages, **done})
        if not done["failed"] or pages > 12:
            break
        pages += 1
    seen["back"] = told(instance, call(instance.parameters("A")))

    run("mount", "-o", "remount,ro", str(home))
    seen["read-only"] = told(instance, call(instance.parameters("B")))
    run("mount", "-o", "remount,rw", str(home))

    run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", "/tmp")
    with filled(Path("/tmp"), 1):
        seen["full /tmp"] = told(instance, call(instance.parameters("B")))
    run("umount", "/tmp")

    # Of /etc itself, in which the link lies that names the active generation.
    run("mount", "--rbind", "/etc", "/etc")
    run("mount", "-o", "remount,bind,ro", "/etc")
    seen["read-only /etc"] = told(instance, call(instance.parameters("B")))
    run("umount", "-l", "/etc")
    seen["cured"] = told(instance, call(instance.parameters("B")))
    return {**seen, "traffic": traffic.end()}


# -- bad input


@contextlib.contextmanager
def uninstalled():
    """Postfix' commands are gone; what runs goes on."""
    paths = [Path("/usr/sbin", name) for name in ("postconf", "postmap", "postfix")]
    for path in paths:
        path.rename(path.with_name(f"{path.name}.gone"))
    try:
        yield
    finally:
        for path in paths:
            path.with_name(f"{path.name}.gone").rename(path)


def inputs(base, question):
    """What a user may hand over, or what may be missing; each case is a change of configuration B."""
    instance = Instance("faults-e", 2640, base)
    vanishing = WORK / "vanishing"
    seen = {"first": told(instance, call(instance.parameters("A")))}
    traffic = Traffic(instance)
    for name, case in question["cases"].items():
        seen[name] = told(instance, call(instance.parameters("B", **case)))
    with uninstalled():
        seen["postfix is not installed"] = told(instance, call(instance.parameters("B")))
        data = [{"name": "more", "content": "a b\n"}]
        seen["postmap is not installed"] = told(instance, call(instance.parameters("A", data=data)))
    vanishing.write_text("a@sink.test ledger@sink.test\n")
    with_source = {"data": [{"name": "more", "src": str(vanishing)}]}
    seen["with a source"] = told(instance, call(instance.parameters("A", **with_source)))
    vanishing.unlink()
    seen["its source has vanished"] = told(instance, call(instance.parameters("A", **with_source)))
    seen["cured"] = told(instance, call(instance.parameters("B")))
    return {**seen, "traffic": traffic.end()}


def sizes(base, question):
    """A table of one row, and a large one."""
    instance = Instance("faults-e", 2640, base)
    call(instance.parameters("A"))
    traffic, seen = Traffic(instance), {}
    source = WORK / "large"
    for rows in (1, question["rows"]):
        with source.open("w") as stream:
            # From the last to the first: a source is not sorted.
            stream.writelines(f"user{number:07}@sink.test ledger@sink.test\n" for number in range(rows, 0, -1))
        large = {"data": [{"name": "large", "src": str(source)}], "main": {"virtual_alias_maps": f"lmdb:{instance.paths.data}/large"}}
        made = call(instance.parameters("B", **large))
        done = told(instance, made)
        again = call(instance.parameters("B", **large))
        key = f"user{rows:07}@sink.test"
        looked = subprocess.run(["postmap", "-q", key, f"lmdb:{instance.paths.data}/large"], capture_output=True, text=True, check=False).stdout
        said = len(json.dumps({name: value for name, value in made.items() if name not in ("events", "invocation")}))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        seen[str(rows)] = {
            **done,
            "again": again.get("changed"),
            "unchanged seconds": again["seconds"],
            "looked up": looked.strip(),
            "peak MiB": peak,
            "said": said,
        }
    source.unlink()
    # A duplicate at the end of a large table is found, too.
    with source.open("w") as stream:
        stream.writelines(f"user{number:07}@sink.test x\n" for number in [*range(1, question["rows"] + 1), 1])
    seen["twice"] = told(instance, call(instance.parameters("A", data=[{"name": "large", "src": str(source)}])))
    source.unlink()
    call(instance.parameters("A"))
    return {**seen, "traffic": traffic.end()}


# -- neighbours


def rebuilt(package):
    """The installed package as a file again: without a network, dpkg upgrades to it all the same."""
    folder, archive, deb = WORK / "package", WORK / "package.tar", WORK / "package.deb"
    info, control = Path("/var/lib/dpkg/info"), folder / "DEBIAN"
    control.mkdir(parents=True)
    # /lib may be a link to /usr/lib, which no package brings.
    names = [name for name in (info / f"{package}.list").read_text().splitlines() if os.path.lexists(name) and name not in ("/.", "/lib")]
    subprocess.run(["tar", "-C", "/", "--no-recursion", "-cf", archive, "-T", "-"], input="\n".join(f".{name}" for name in names), text=True, check=True)
    run("tar", "-C", str(folder), "-xf", str(archive))
    fields = re.sub(r"(?m)^(Status: .*|Conffiles:(\n .*)*)\n", "", run("dpkg-query", "-s", package))
    (control / "control").write_text(fields)
    for name in ("preinst", "postinst", "prerm", "postrm", "config", "templates", "triggers", "conffiles"):
        if (info / f"{package}.{name}").exists():
            shutil.copy2(info / f"{package}.{name}", control / name)
    run("dpkg-deb", "--build", "-Zgzip", "-z1", str(folder), str(deb))
    return str(deb)


def neighbours(base, _question):
    """The distribution's service is restarted, its package is upgraded, the master dies, two runs come at once."""
    instance, other = Instance("faults-e", 2640, base), Instance("faults-f", 2650, base)
    call(instance.parameters("A"))
    call(other.parameters("A"))
    pid, own = (paths.joinpath("pid/master.pid") for paths in (instance.paths.queue, Path("/var/spool/postfix")))
    upgrade = ["dpkg", "--force-confold", "--install", rebuilt("postfix")]
    # Debian's scripts start none that is disabled.
    run("systemctl", "enable", "--now", "postfix.service")
    traffic, seen, before = Traffic(instance), {}, content(pid)
    for name, commands in {
        "its service is restarted": [["systemctl", "restart", "postfix.service"]],
        "its service is stopped and started": [["systemctl", "stop", "postfix.service"], ["systemctl", "start", "postfix.service"]],
        "its package is configured again": [["dpkg-reconfigure", "--force", "postfix"]],
        "its package is upgraded": [upgrade],
    }.items():
        own_before, environment = content(own), {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = [subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120) for command in commands]
        seen[name] = {
            "rc": [one.returncode for one in done],
            "said": [(one.stdout + one.stderr)[-300:] for one in done],
            "own restarted": restarted(own, own_before),
            "same": content(pid) == before,
            "served": instance.serves(),
            "registered": str(instance.paths.config) in instance.paths.default_main.read_text(),
            "changed": call(instance.parameters("A")).get("changed"),
        }
    seen["traffic"] = traffic.end()

    traffic = Traffic(instance)
    both = together([instance.parameters("B"), instance.parameters("B")])
    seen["two runs at once"] = {
        "failed": [done.get("msg") or done.get("traceback", "") for done in both if done.get("failed")],
        "changed": sorted(bool(done.get("changed")) for done in both),
        "served": instance.serves(),
        "lacks": instance.complete(),
        "traffic": traffic.end(),
    }

    os.kill(int(pid.read_text()), signal.SIGKILL)
    time.sleep(0.5)
    seen["the master is killed"] = {"served": instance.serves(), "changed": call(instance.parameters("B")).get("changed")}

    run("systemctl", "stop", instance.paths.service)
    shutil.copy(other.paths.queue / "pid/master.pid", pid)
    done = call(instance.parameters("B"))
    seen["its pid is now another master's"] = {"load": done.get("load"), "msg": done.get("msg"), "served": instance.serves()}
    return seen


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    found = {found.__name__: found for found in (disk, inputs, sizes, neighbours)}
    json.dump(found[asked["scene"]](asked["base"], asked), sys.stdout)
