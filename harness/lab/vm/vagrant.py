"""Nodes by Vagrant: the Vagrantfile of this checkout, brought up through python-vagrant, in a libvirt of our own."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO

import vagrant

from harness.lab.addressing import NodePlan
from harness.lab.build import ROOT, cache_folder
from harness.lab.command import run
from harness.lab.port import Completed, LabError
from harness.lab.vm.box import Box, box
from harness.lab.vm.libvirt import Libvirt, libvirt
from harness.lab.vm.machines import remove_disks, workplace
from harness.lab.vm.packages import required, vm_cache
from harness.lab.vm.qemu import acceleration, environment, last_words

UP_SECONDS = 900.0
FIRST_PORT = 20000
DRIVERS = {"kvm": "kvm", "tcg": "qemu"}
_BOXED = "boxed"
_READY = "modprobe overlay; mkdir -p /run/cache/upper /run/cache/work; mount -t overlay overlay -o {layers} {cache}"


class _Inside(vagrant.Vagrant):
    """Vagrant where our libvirt can be seen."""

    def __init__(self, where: Libvirt, environment: Mapping[str, str], log: Path) -> None:
        said = vagrant.make_file_cm(str(log), "a")
        super().__init__(  # type: ignore[no-untyped-call]
            root=str(ROOT), env=dict(environment), out_cm=said, err_cm=said
        )
        self._where = where

    def _make_vagrant_command(self, args: Sequence[str | None]) -> list[str]:
        return self._where.inside(["vagrant", *(word for word in args if word is not None)])


class VagrantNode:
    """A node that is up: this checkout, this Python and what is compiled are there, at the same paths."""

    def __init__(self, name: str, where: Libvirt, settings: Path) -> None:
        self.name = name
        self._where = where
        self._settings = settings

    def command(self, argv: Sequence[str]) -> list[str]:
        """``argv`` as a command of this machine that runs it there, at this checkout's path."""
        settings = [f"{name}={value}" for name, value in environment().items()]
        words = f"{shlex.join(['cd', str(ROOT)])} && exec {shlex.join(['env', *settings, *argv])}"
        return self._where.inside(["ssh", "-F", str(self._settings), self.name, words])

    def run(self, argv: Sequence[str], *, seconds: float, check: bool = True) -> Completed:
        """Run ``argv`` there to its end. Raises LabError."""
        return run(self.command(argv), seconds=seconds, check=check)

    def start(self, argv: Sequence[str], log: IO[bytes]) -> subprocess.Popen[str]:
        """Begin ``argv`` there, to be talked to; what it says beside that goes into ``log``."""
        return subprocess.Popen(
            self.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )


@contextmanager
def vagrant_nodes(
    kernel_name: str, nodes: Sequence[NodePlan], told: Callable[[str], None] = lambda _line: None
) -> Iterator[list[VagrantNode]]:
    """Nodes of a plan, joined by its wires; with no wires between them where ``nodes`` is one. Left, they are gone.

    Raises LabError where one does not come up, with what Vagrant and its console last said.
    """
    required([("vagrant", "vagrant vagrant-libvirt"), ("ssh", "openssh-client"), ("nsenter", "util-linux")])
    made = box(kernel_name, told)
    with workplace("vagrant") as folder, libvirt(folder) as where:
        log = folder / "vagrant.log"
        names = [node.name for node in nodes]
        machines = _Inside(where, _settings(folder, kernel_name, nodes), log)
        try:
            _add_box(machines, made, folder, told)
            told(f"vagrant up: {', '.join(names)} ({acceleration()})")
            with _failing(folder, names), _at_most(UP_SECONDS, where):
                machines.up(provider="libvirt")  # type: ignore[no-untyped-call]
                settings = folder / "ssh"
                settings.write_text("".join(_ssh_config(machines, name, folder) for name in names))
            up = [VagrantNode(name, where, settings) for name in names]
            for node in up:
                node.run(["sh", "-c", _ready()], seconds=60.0)
            yield up
        finally:
            remove_disks(folder.name)  # their domains end with their libvirt


def _settings(folder: Path, kernel_name: str, nodes: Sequence[NodePlan]) -> dict[str, str]:
    consoles = folder / "consoles"
    consoles.mkdir()
    prefix = Path(sys.prefix)
    shares = [ROOT, cache_folder(), *([] if prefix.is_relative_to(ROOT) else [prefix])]
    by_name = {node.name: node for node in nodes}
    wires, port = [], FIRST_PORT
    for node in nodes:
        for wire in node.wires:
            if wire.peer in by_name and wire.peer > node.name:
                far = next(back for back in by_name[wire.peer].wires if back.peer == node.name)
                wires.append(f"{node.name},{wire.peer},{port},{wire.mac},{far.mac}")
                port += 2
    return {
        **os.environ,
        "VAGRANT_DOTFILE_PATH": str(folder / "vagrant"),
        "VAGRANT_HOME": str(vm_cache() / "vagrant"),
        "VAGRANT_NO_COLOR": "1",
        "MESHPROOF_LAB": folder.name,
        "MESHPROOF_NODES": ",".join(by_name),
        "MESHPROOF_KERNEL": kernel_name,
        "MESHPROOF_DRIVER": DRIVERS[acceleration()],
        "MESHPROOF_SHARES": ":".join(map(str, shares)),
        "MESHPROOF_CONSOLES": str(consoles),
        "MESHPROOF_WIRES": ";".join(wires),
    }


def _add_box(machines: vagrant.Vagrant, made: Box, folder: Path, told: Callable[[str], None]) -> None:
    """Have Vagrant know the box, in a home of ours; what it knew under that name goes."""
    mark = vm_cache() / "vagrant" / f"{made.file.name}.{_BOXED}"
    if mark.exists():
        return
    told(f"vagrant box add {made.name}")
    mark.parent.mkdir(exist_ok=True)
    for old in (vm_cache() / "images").glob(f"{made.name.replace('/', '-VAGRANTSLASH-')}_vagrant_box_image_*"):
        old.unlink()
    with _failing(folder, []):
        machines.box_add(made.name, str(made.file), force=True)
    for former in mark.parent.glob(f"box-{made.kernel.name}-*.{_BOXED}"):
        former.unlink()
    mark.touch()


@contextmanager
def _at_most(seconds: float, where: Libvirt) -> Iterator[None]:
    """A box that does not boot would keep Vagrant waiting: end its libvirt, and it fails."""
    end = Timer(seconds, where.end)
    end.start()
    try:
        yield
    finally:
        end.cancel()


@contextmanager
def _failing(folder: Path, names: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except subprocess.CalledProcessError as error:
        said = [line.strip() for line in _tail(folder / "vagrant.log")]
        consoles = [f"{name}: {last_words(folder / 'consoles', name)}" for name in names]
        raise LabError(
            f"vagrant {error.cmd[error.cmd.index('vagrant') + 1]} failed: {' | '.join([*said, *consoles])}"
        ) from None


def _tail(log: Path) -> list[str]:
    with suppress(OSError):
        return list(filter(None, log.read_text(errors="replace").replace("\r", "\n").splitlines()))[-6:]
    return []


def _ssh_config(machines: vagrant.Vagrant, name: str, folder: Path) -> str:
    shared = {"ControlMaster": "auto", "ControlPath": folder / "%n.ssh", "ControlPersist": "yes", "LogLevel": "ERROR"}
    config = str(machines.ssh_config(vm_name=name))
    return config.replace("LogLevel FATAL", "") + "".join(f"  {key} {value}\n" for key, value in shared.items())


def _ready() -> str:
    """Have what is compiled be found, and what is not yet be kept in memory."""
    cache = str(cache_folder())
    return _READY.format(layers=f"lowerdir={cache},upperdir=/run/cache/upper,workdir=/run/cache/work", cache=cache)
