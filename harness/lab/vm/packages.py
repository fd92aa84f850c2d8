"""Debian's packages for virtual machines, by lists of our own: the machine's apt says where they are, and is not changed."""

import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.lab.build import cache_folder
from harness.lab.command import run
from harness.lab.port import LabError

STALE_SECONDS = 24 * 3600.0
"""Lists older than this are read anew, where the network allows; what was downloaded before is good for ever."""

FETCH_SECONDS = 900.0
SUITE = "bookworm"
BACKPORTS = f"{SUITE}-backports"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def vm_cache() -> Path:
    """Where kernels, initial file systems and boxes are kept: a folder of the cache, outside any checkout."""
    folder = cache_folder() / "vm"
    folder.mkdir(exist_ok=True)
    return folder


def entry(*suites: str) -> str:
    """``suites`` as a file of sources (sources.list(5), deb822), at the mirror that this machine has for Debian 12.

    Raises LabError where it has none.
    """
    form = "$(CODENAME)|$(SUITE)|$(COMPONENT)|$(REPO_URI)"
    for line in run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).stdout.splitlines():
        codename, suite, component, uri = line.split("|")
        if component == "main" and SUITE in (codename, suite):
            lines = ["Types: deb", f"URIs: {uri}", f"Suites: {' '.join(suites)}", "Components: main", f"Signed-By: {KEYRING}"]
            return "\n".join([*lines, ""])
    raise LabError(
        f"apt knows no mirror of Debian {SUITE}: its kernels are what virtual machines run; add one to apt's sources"
    )


class Lists:
    """Package lists of ``suites``, apart from the machine's own."""

    def __init__(self, *suites: str) -> None:
        self._folder = vm_cache() / f"apt-{'-'.join(suites)}"
        self._suites = suites

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": self._folder / "sources",
            "Dir::State::lists": self._folder / "lists", "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "",
            "APT::Sandbox::User": "root",
        }  # fmt: skip
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def refresh(self) -> None:
        """Read them anew if they are old. Raises LabError where there are none and none can be had."""
        stamp = self._folder / "read"
        with suppress(FileNotFoundError):
            if time.time() - stamp.stat().st_mtime < STALE_SECONDS:
                return
        for name in ("sources", "lists/partial"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        self.sources.write_text(entry(*self._suites))
        try:
            run(["apt-get", *self._options(), "-qq", "update"], seconds=FETCH_SECONDS)
        except LabError:
            if not stamp.exists():
                raise
        stamp.touch()

    @property
    def sources(self) -> Path:
        """The file that names where they come from."""
        return self._folder / "sources/debian.sources"

    def versions(self, *packages: str) -> dict[str, str]:
        """The version of each that would be installed. Raises LabError where one is not there."""
        self.refresh()
        found = {}
        name = ""
        for line in run(["apt-cache", *self._options(), "policy", *packages]).stdout.splitlines():
            if line.endswith(":") and not line.startswith(" "):
                name = line.removesuffix(":")
            elif line.strip().startswith("Candidate:"):
                found[name] = line.partition(": ")[2]
        lacking = [each for each in packages if found.get(each, "(none)") == "(none)"]
        if lacking:
            raise LabError(f"apt has no {', '.join(lacking)} in {' '.join(self._suites)}")
        return found

    def image_package(self) -> tuple[str, str]:
        """Name and version of the kernel's package that these suites' ``linux-image`` stands for."""
        self.refresh()
        meta = f"linux-image-{_architecture()}"
        for line in run(["apt-cache", *self._options(), "depends", "--important", meta]).stdout.splitlines():
            kind, _, name = line.strip().partition(": ")
            if kind == "Depends" and name.startswith("linux-image-"):
                return name, self.versions(name)[name]
        raise LabError(f"{meta} of {' '.join(self._suites)} names no kernel; `apt-get update` may not have worked")

    def unpacked(self, package: str, version: str, folder: Path) -> None:
        """Download a package and unpack its files into ``folder``; nothing is installed. Raises LabError."""
        folder.mkdir(parents=True)
        download = ["apt-get", *self._options(), "-qq", "download", f"{package}={version}"]
        run(["sh", "-c", 'cd "$0" && exec "$@"', str(folder), *download], seconds=FETCH_SECONDS)
        (archive,) = folder.glob("*.deb")
        run(["dpkg-deb", "-x", str(archive), str(folder)], seconds=FETCH_SECONDS)
        archive.unlink()


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def required(programs: Sequence[tuple[str, str]]) -> None:
    """Raise LabError, naming the Debian packages, where one of ``programs`` (program, package) is not there."""
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    lacking = [package for program, package in programs if not any((Path(each) / program).exists() for each in path)]
    if lacking:
        raise LabError(
            f"virtual machines need {', '.join(lacking)}: install them by `sudo apt-get install {' '.join(lacking)}`"
        )
