"""Mechanical faults: each is a change that still reads as the language it is in."""

import ast

import pytest

from harness.campaign.mechanical import regenerated
from harness.campaign.operators import COUNT, SOURCES, changes, drawn, plane, unique
from harness.lab.build import ROOT
from harness.manifests.faults import FOLDER, load_faults


@pytest.mark.parametrize("file", SOURCES)
def test_every_change_is_one_and_python_still_parses(file: str) -> None:
    source = (ROOT / file).read_text()
    for change in changes(file):
        assert source.splitlines()[change.line - 1] != change.text
        find, replace = unique(file, change)
        assert source.count(find) == 1
        if file.endswith(".py"):
            ast.parse(source.replace(find, replace))


def test_a_draw_is_the_same_for_a_seed_and_spread_over_files() -> None:
    assert drawn(7, 20) == drawn(7, 20) != drawn(8, 20)
    chosen = drawn()
    assert len({(change.file, change.line) for change in chosen}) == len(chosen) == COUNT
    assert {plane(change.file) for change in chosen} == {"ebpf", "nftables", "sidecar-mtls"}


def test_the_committed_faults_are_what_the_operators_write() -> None:
    file = FOLDER / "mechanical.yaml"
    known = {(change.file, *unique(change.file, change)) for name in SOURCES for change in changes(name)}
    committed = [fault for fault in load_faults() if fault.operator]
    assert len(committed) == COUNT
    assert {(fault.file, fault.find, fault.replace) for fault in committed} <= known
    assert regenerated(file) == regenerated(file)


def test_at_least_eighty_faults_half_of_them_mechanical() -> None:
    faults = load_faults()
    mechanical = [fault for fault in faults if fault.operator]
    assert len(mechanical) >= 40
    assert len(faults) - len(mechanical) >= 40
