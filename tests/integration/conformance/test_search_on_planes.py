"""A search for failures, on a data plane with a seeded fault: what it writes fails there, and passes without the fault."""

import json
from pathlib import Path

from scapy.utils import rdpcap
from typer.testing import CliRunner

from harness.campaign.overlay import overlay
from harness.cli.main import app
from harness.lab import netns
from harness.manifests.case import load_cases
from harness.manifests.faults import load_faults

FAULT = next(fault for fault in load_faults() if fault.name == "selectors-any-requirement-is-enough")


def test_a_seeded_fault_is_found_shrunk_and_written_as_a_case_that_passes_without_it(root: None, tmp_path: Path) -> None:
    found = tmp_path / "found"
    left_before = {lab.name for lab in netns.labs()}
    with overlay(FAULT) as mutated:
        done = mutated.meshproof("conform", "--search", "20", "--dataplane", "ebpf", "--out", str(found))
        assert done.status == 1, done.stdout + done.stderr
        (case,) = load_cases([found])
        (row,) = mutated.conform([case], "ebpf").rows or []
    assert row["outcome"] == "fail"
    place = Path(case.origin.file).parent
    assert row["reason"].partition(" (")[0] in done.stdout  # by the written files' own lines
    assert f"sudo meshproof conform {place} --dataplane ebpf" in done.stdout
    assert "flaky" not in done.stdout
    (step,) = case.steps
    (asked,) = (each.flow for each in step.expectations)
    assert len(step.policies) == 1
    assert step.packets == ()
    ends = [f"{end.replace('/', '-')}.pcap" for end in (asked.source, asked.destination)]
    assert {file.name for file in (place / "captures").iterdir()} == {"sent.pcap", *ends}
    sent, left, _ = ([bytes(each) for each in rdpcap(str(place / "captures" / name))] for name in ("sent.pcap", *ends))
    assert sent
    assert set(sent) <= set(left)
    out = tmp_path / "out.json"
    ended = CliRunner().invoke(app, ["conform", str(found), "--dataplane", "ebpf", "--json", str(out)], standalone_mode=False)
    assert ended.return_value == 0, ended.output
    assert [each["outcome"] for each in json.loads(out.read_text())["results"]] == ["pass"]
    assert {lab.name for lab in netns.labs() if not lab.owner_alive and not lab.kept} <= left_before


def test_a_search_that_finds_nothing_says_how_much_it_judged(root: None, tmp_path: Path) -> None:
    asked = ["conform", "--search", "3", "--seed", "5", "--dataplane", "nftables", "--out", str(tmp_path)]
    ended = CliRunner().invoke(app, asked, standalone_mode=False)
    assert ended.return_value == 0, ended.output
    assert "nftables: 3 examples as expected" in ended.output
    assert "(seed 5)" in ended.output
    assert not list(tmp_path.iterdir())
