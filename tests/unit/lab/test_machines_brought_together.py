"""Programs in several machines tell each other what they found, through the harness."""

import json
import os
from pathlib import Path
from threading import Thread
from typing import IO

import pytest

from harness.campaign.conformance.joined import Line
from harness.lab.port import LabError
from harness.lab.vm import machines
from harness.lab.vm.hub import serve, together
from harness.lab.vm.machines import Owner
from harness.lab.vm.packages import vm_cache


def pipes() -> tuple[Line, tuple[IO[str], IO[str]]]:
    """A program's end, and the harness's."""
    (up_read, up_write), (down_read, down_write) = os.pipe(), os.pipe()
    return Line(os.fdopen(down_read), os.fdopen(up_write, "w")), (os.fdopen(up_read), os.fdopen(down_write, "w"))


def test_of_what_several_say_the_first_that_is_not_nothing_counts() -> None:
    assert together([{"a": None, "b": 1}, {"a": 2, "b": None, "c": 3}, {"a": 4}]) == {"a": 2, "b": 1, "c": 3}


def test_all_hear_what_all_have_said_round_by_round() -> None:
    (one, first), (two, second) = pipes(), pipes()
    hub = Thread(target=serve, args=({"n1": first, "n2": second},))
    hub.start()
    heard: dict[str, list[object]] = {"one": [], "two": []}

    def talk(name: str, line: Line, other: str) -> None:
        for number in range(3):
            heard[name].append(line.together({name: number, other: None}))
        line._writing.close()

    talks = [Thread(target=talk, args=("one", one, "two")), Thread(target=talk, args=("two", two, "one"))]
    for each in talks:
        each.start()
    for each in (*talks, hub):
        each.join(10)
        assert not each.is_alive()
    assert heard["one"] == heard["two"] == [{"one": number, "two": number} for number in range(3)]


def test_who_is_left_alone_is_told() -> None:
    line, (reading, writing) = pipes()
    writing.close()
    with pytest.raises(LabError, match="another node of the lab has gone"):
        line.together({"a": 1})
    reading.close()


def test_clean_removes_disks_of_nodes_whose_folder_is_gone_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(machines, "RUN", tmp_path / "run")
    images = vm_cache() / "images"
    images.mkdir()
    names = ("meshproof-vagrant-0a1b2c-n1.img", "meshproof-vagrant-0a1b2c-n2.img", "meshproof-hand-node.img", "other.img")
    for name in (*names, "meshproof-VAGRANTSLASH-debian-6.1_vagrant_box_image_0_box.img"):
        (images / name).touch()
    assert machines.clean_machines() == ["virtual machines vagrant-0a1b2c: removed 2 disks"]
    assert len(list(images.iterdir())) == 3
    with machines.workplace("vagrant") as folder:
        (images / f"meshproof-{folder.name}-n1.img").touch()
        (folder / "machine.json").write_text(json.dumps({"pid": 1, "boot": "another", "start": 1, "kind": "vagrant"}))
        assert machines.clean_machines() == [f"virtual machines {folder.name}: removed files, 1 disk"]
    assert machines.clean_machines() == []


def test_an_owner_is_told_from_a_later_process_of_its_number() -> None:
    assert not Owner(os.getpid(), "another boot", 1, "qemu").alive
