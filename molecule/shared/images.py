# Copyright (c) 2026 mailcluster contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's images: Debian with systemd and SSH, and the roles' packages as a cache."""

from __future__ import annotations

import hashlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import yaml
from host import podman
from steps import CACHE, ROOT, LabError, Steps, in_parallel

REPOSITORY = "localhost/mailcluster-lab"
OVERLAY = Path(__file__).parent / "image"
MIRROR = os.environ.get("LAB_MIRROR", "http://deb.debian.org")
# The same image without the packages of the roles.
PLAIN = "-plain"
# apt has its lists, and a package installed later starts its daemon, as on any Debian host.
PLAIN_OPTIONS = ["--skip=cleanup/apt/lists", '--customize-hook=rm "$1/etc/systemd/system-preset/00-lab.preset"']
RELEASES = {"bookworm": "12", "trixie": "13"}
BASE_PACKAGES = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "iproute2",
    "ca-certificates",
    "openssh-server",
    "procps",
    "iputils-ping",
    "netbase",
]
WORLD_PACKAGES = ["knot", "postfix", "python3-dkim", "python3-dnspython", "swaks", "openssl"]
RECIPE_LABEL = "mailcluster.lab.recipe"


@dataclass(frozen=True)
class Image:
    """One image: its tag, the Debian release and what it holds beside the base."""

    tag: str
    release: str
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{REPOSITORY}:{self.tag}"

    def command(self, target: str) -> list[str]:
        """The mmdebstrap call that writes this image's tar to `target`."""
        suites = {self.release: "debian", f"{self.release}-updates": "debian", f"{self.release}-security": "debian-security"}
        return [
            "mmdebstrap",
            "--variant=minbase",
            "--aptopt=APT::Install-Recommends false",
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            f"--include={','.join(sorted({*BASE_PACKAGES, *self.packages}))}",
            f"--customize-hook=sync-in {shlex.quote(str(OVERLAY))} /",
            '--customize-hook=chroot "$1" systemctl -q preset-all',
            *(PLAIN_OPTIONS if self.tag.endswith(PLAIN) else []),
            self.release,
            target,
            *(f"deb {MIRROR}/{archive} {suite} main" for suite, archive in suites.items()),
        ]

    @property
    def recipe(self) -> str:
        """The digest of all that goes into the image."""
        words = "\0".join(self.command("-")).replace(str(OVERLAY), "")
        files = [path for path in sorted(OVERLAY.rglob("*")) if path.is_symlink() or path.is_file()]
        parts = [words.encode(), *(f"{path.relative_to(OVERLAY)}".encode() + b"\0" + path.read_bytes() for path in files)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]

    def present(self) -> bool:
        """Whether podman holds the image of this very recipe."""
        listed = podman("image", "ls", f"--filter=label={RECIPE_LABEL}={self.recipe}", "--format={{.Repository}}:{{.Tag}}")
        return self.name in listed.split()


def role_packages(release: str) -> tuple[str, ...]:
    """All `<role>_packages` of the roles for a Debian release: their vars are the only list there is."""
    found: set[str] = set()
    for role in sorted((ROOT / "roles").iterdir()):
        for name in ("main.yml", f"debian-{RELEASES[release]}.yml"):
            path = role / "vars" / name
            if path.exists():
                found.update((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get(f"{role.name}_packages", []))
    return tuple(sorted(found))


def known_images() -> dict[str, Image]:
    """Every image the lab can build, by tag."""
    images = [
        *(Image(release, release, role_packages(release)) for release in RELEASES),
        *(Image(f"{release}{PLAIN}", release, ()) for release in RELEASES),
        Image("world", "trixie", tuple(WORLD_PACKAGES)),
    ]
    return {image.tag: image for image in images}


def build(steps: Steps, tags: set[str]) -> None:
    """Make the images of `tags` that are not there yet, side by side."""
    known = known_images()
    if unknown := tags - known.keys():
        raise LabError(f"lab_image {min(unknown)}: unknown; there are {', '.join(known)}")
    todo = [image for tag, image in known.items() if tag in tags and not image.present()]
    if todo:
        with steps.step(f"Build the images {', '.join(image.tag for image in todo)}"):
            in_parallel(lambda image: _build(steps, image), todo, workers=len(todo))
    else:
        print(f"==> Images {', '.join(sorted(tags))}: present", flush=True)


def _build(steps: Steps, image: Image) -> None:
    folder = CACHE / "images"
    folder.mkdir(parents=True, exist_ok=True)
    tar = folder / f"{image.tag}-{image.recipe}.tar"
    if not tar.exists():
        partial = folder / f"{image.tag}.partial.tar"
        steps.logged(f"Bootstrap {image.tag}", image.command(str(partial)))
        for old in folder.glob(f"{image.tag}-{'[0-9a-f]' * 16}.tar"):
            old.unlink()
        partial.rename(tar)
    podman("import", "--quiet", f"--change=LABEL {RECIPE_LABEL}={image.recipe}", tar, image.name)
    podman("image", "prune", "--force", f"--filter=label={RECIPE_LABEL}")
