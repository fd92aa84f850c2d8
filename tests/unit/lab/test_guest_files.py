"""What guests are started with: an archive that the kernel unpacks, and the words that QEMU gets."""

import subprocess
from pathlib import Path

import pytest

from harness.lab.port import LabError
from harness.lab.vm import initrd as initrds
from harness.lab.vm import kernels, qemu
from harness.lab.vm.kernels import Kernel


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """One whose 9p needs two others, in the wrong order as modules.dep has it, and whose virtio_pci is built in."""
    made = Kernel("6.1", "6.1.0-9-amd64", "linux-image-6.1.0-9-amd64", "6.1.9-1", tmp_path / "kernel")
    made.modules.mkdir(parents=True)
    (made.modules / "modules.dep").write_text(
        "fs/9p.ko: net/9pnet.ko fs/netfs.ko\nnet/9pnet.ko:\nfs/netfs.ko:\nnet/9pnet_virtio.ko: net/9pnet.ko\nfs/overlay.ko:\n"
    )
    for name in ("fs/9p", "net/9pnet", "fs/netfs", "net/9pnet_virtio", "fs/overlay"):
        path = made.modules / f"{name}.ko"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    monkeypatch.setattr(initrds, "BUSYBOX", tmp_path / "busybox")
    (tmp_path / "busybox").write_bytes(b"busy")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def unpacked(archive: Path, folder: Path) -> None:
    folder.mkdir()
    subprocess.run(["sh", "-c", 'gzip -dc "$0" | cpio -idm --quiet', archive], cwd=folder, check=True)


@pytest.mark.skipif(subprocess.run(["which", "cpio"], check=False, capture_output=True).returncode != 0, reason="no cpio here")
def test_cpio_reads_the_archive(kernel: Kernel, tmp_path: Path) -> None:
    unpacked(initrds.initrd(kernel, initrds.THIS_MACHINE), tmp_path / "root")
    root = tmp_path / "root"
    assert (root / "init").stat().st_mode & 0o777 == 0o755
    assert (root / "bin/busybox").read_bytes() == b"busy"
    assert (root / "mod/9p.ko").read_bytes() == b"fs/9p"
    assert (root / "proc").is_dir()


def test_modules_come_after_what_they_need_and_those_built_in_do_not(kernel: Kernel) -> None:
    names = [name for name, _ in initrds._modules(kernel, initrds.THIS_MACHINE.modules)]
    assert names == ["9pnet.ko", "9pnet_virtio.ko", "netfs.ko", "9p.ko", "overlay.ko"]


def test_the_same_files_make_the_same_archive_and_others_another(kernel: Kernel) -> None:
    first = initrds.initrd(kernel, initrds.THIS_MACHINE)
    assert initrds.initrd(kernel, initrds.THIS_MACHINE) == first
    (kernel.modules / "fs/9p.ko").write_bytes(b"other")
    assert initrds.initrd(kernel, initrds.THIS_MACHINE) != first


def test_a_machine_without_busybox_is_told_what_to_install(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "busybox").unlink()
    with pytest.raises(LabError, match="apt-get install busybox-static"):
        initrds.initrd(kernel, initrds.DISK)


def test_a_guest_ends_with_its_maker_and_reads_this_machine_only(kernel: Kernel, tmp_path: Path) -> None:
    words = qemu.command(kernel, tmp_path)
    assert words[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert any("path=/,readonly=on" in word for word in words)
    assert "tcg,thread=single" in words


def test_kvm_is_asked_for_by_hand(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHPROOF_ACCEL", "kvm")
    assert "kvm" in qemu.command(kernel, tmp_path)
    monkeypatch.setenv("MESHPROOF_ACCEL", "hvf")
    with pytest.raises(LabError, match="kvm or tcg"):
        qemu.acceleration()


def test_a_kernel_that_there_is_not_is_refused() -> None:
    with pytest.raises(LabError, match=r"there are 6\.1, 6\.12"):
        kernels.kernel("2.4")


def test_the_last_words_of_a_guest_are_those_of_each_of_its_files(tmp_path: Path) -> None:
    assert qemu.last_words(tmp_path) == "it said nothing"
    (tmp_path / "console").write_text("\n".join(f"line {n}" for n in range(30)) + "\n\npanic\n")
    (tmp_path / "qemu.log").write_text("no such device\n")
    said = qemu.last_words(tmp_path)
    assert said.startswith("no such device | line 2")
    assert said.endswith("line 29 | panic")
