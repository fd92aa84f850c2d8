"""Programs inside a namespace and a cgroup, billed from their first instruction."""

import os
import select
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from harness.lab.namespaces import enter, entered
from harness.lab.port import Completed, LabError

_JOIN = 'echo 0 > "$0" || exit 126; exec "$@"'
_JOIN_AND_TELL = _JOIN + " </dev/null"
"""The child moves itself into its cgroup (file ``$0``) and then becomes the program. Done by a shell after the fork, because
Python's own hook between fork and exec can deadlock in a process with threads. The second form starts with a pipe for standard
input, so that its end, met by /dev/null, tells that the cgroup is joined: nothing of a lab ever runs outside."""


def command(
    argv: Sequence[str],
    cgroup: Path,
    uid: int | None = None,
    gid: int | None = None,
    env: Mapping[str, str] | None = None,
    *,
    tells: bool = False,
) -> list[str]:
    """``argv`` made to join ``cgroup`` and to drop to ``uid``/``gid`` first; raises LabError where the program is missing."""
    path = (env or os.environ).get("PATH", os.defpath)
    if shutil.which(argv[0], path=path) is None:
        raise LabError(f"{argv[0]} is not installed (or not executable); `meshproof doctor` names the package that has it")
    drop: list[str] = []
    if uid is not None or gid is not None:
        drop = ["setpriv", "--clear-groups"]
        drop += [] if uid is None else [f"--reuid={uid}"]
        drop += [] if gid is None else [f"--regid={gid}"]
        drop += ["--"]
    return ["/bin/sh", "-c", _JOIN_AND_TELL if tells else _JOIN, str(cgroup / "cgroup.procs"), *drop, *argv]


class LabProcess:
    """A program that was started in a lab, the leader of a process group of its own."""

    def __init__(self, netns: Path, argv: Sequence[str], log: Path, env: Mapping[str, str] | None) -> None:
        """``argv`` is a ``command`` that tells; returns when it is in its cgroup."""
        self._log = log
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as joined, log.open("ab") as output:
            try:
                with entered(netns):
                    self._child = subprocess.Popen(
                        argv, stdin=writing, stdout=output, stderr=output, env=env, start_new_session=True
                    )
            finally:
                os.close(writing)
            joined.read()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def log(self) -> Path:
        return self._log

    def poll(self) -> int | None:
        return self._child.poll()

    def wait(self, seconds: float) -> int:
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} did not end within {seconds:g} s; its log is {self._log}") from None

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def stop(self, grace: float = 2.0) -> None:
        if self._child.returncode is not None:
            return
        self._child.terminate()
        self._await_end(grace)
        # Not yet reaped, so the group's id cannot have been given to others; this takes its children too.
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()

    def _await_end(self, seconds: float) -> None:
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(seconds * 1000)
        finally:
            os.close(descriptor)


def run(
    netns: Path, argv: Sequence[str], *, shown: Sequence[str], where: str, seconds: float, stdin: str | None, check: bool
) -> Completed:
    """Run ``argv`` inside to its end. ``shown`` is the command as the caller knows it, ``where`` the pod or node."""
    with entered(netns):
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    try:
        stdout, stderr = child.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise LabError(f"{where}: {shown[0]} did not end within {seconds:g} s: {' '.join(shown)}") from None
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if check and child.returncode != 0:
        said = (stderr or stdout).strip()
        raise LabError(f"{where}: {' '.join(shown)} failed with status {child.returncode}: {said}")
    return Completed(tuple(shown), child.returncode, stdout, stderr)


def become(netns: Path, argv: Sequence[str]) -> NoReturn:
    """Turn this process into ``argv`` inside the namespace: terminal, files, signals and exit status are the program's."""
    enter(netns)
    os.execv(argv[0], list(argv))  # noqa: S606  the command line of the user, who is root


def started(pid: int) -> tuple[str, int] | None:
    """What tells a process from a later one of the same number: the boot, and its start in clock ticks. None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZX":
        return None  # dead, though its parent has not asked yet
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip(), int(fields[19])


def end(pid: int, identity: tuple[str, int], seconds: float) -> bool:
    """Ask the process with this number and ``started`` identity to end (SIGTERM), and wait; whether it has gone.

    A pidfd makes sure that no later process of the same number is meant.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        if started(pid) != identity:
            return True
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)
