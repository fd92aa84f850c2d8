"""The command as a user types it, and what it could leave behind on the machine."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

MESHPROOF = Path(sys.executable).with_name("meshproof")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def machine_state() -> dict[str, list[str]]:
    """What a lab could leave behind: namespaces, cgroups, mounts of bpf, lab folders and lab processes."""
    cgroups = [str(path) for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") for path in Path(root).glob("meshproof-*")]
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "meshproof" in line]
    folders = [str(path) for path in Path("/run/meshproof").glob("*") if path.is_dir()]
    namespaces = [path.name for path in Path("/run/netns").glob("*")]
    return {
        "namespaces": sorted(namespaces), "cgroups": sorted(cgroups), "mounts": sorted(mounts), "folders": sorted(folders),
        "links": sorted(path.name for path in Path("/sys/class/net").iterdir()),
        "processes": sorted(_in_lab_cgroups()), "programs": _bpf_programs(),
    }  # fmt: skip


def _in_lab_cgroups() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            text, state = path.read_text(), path.with_name("stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue  # it ended while we looked
        if "/meshproof-" in text and state != "Z":  # dead, and no longer ours: its parent was killed, init reaps it
            found.append(path.parent.name)
    return found


def _bpf_programs() -> list[str]:
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True).stdout
    return sorted(str(program["id"]) for program in json.loads(shown))
