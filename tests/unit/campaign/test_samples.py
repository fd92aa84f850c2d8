from pathlib import Path
from typing import Any

import pandas as pd

from harness.campaign.journal import Journal
from harness.campaign.samples import gather


def cell(journal: Journal, arm: str, *, attempt: int = 1, void: str | None = None, value: float = 1.0, **other: Any) -> None:
    fields = {
        "block": 1, "scenario": "http", "load": "latency", "load_kind": "latency", "rate": 1000,
        "arm": arm, "dataplane": arm.partition("#")[0], "attempt": attempt, "void": void,
        "metrics": [["latency_p50", "", "s", value]], "attachments": {"histogram": f"{arm}/{attempt}"},
    }  # fmt: skip
    journal.append("cell", **{**fields, **other})


def test_a_void_cell_voids_its_block_on_every_arm_and_no_other_block(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    cell(journal, "plain")
    cell(journal, "ebpf", void="late")
    cell(journal, "plain", load="bulk")
    samples = gather(journal)
    void = samples.figures.set_index(["load", "arm"])["void"]
    assert void["latency", "plain"] == "ebpf: late"
    assert void["latency", "ebpf"] == "ebpf: late"
    assert pd.isna(void["bulk", "plain"])
    assert [(v.arm, v.reran, v.resolved) for v in samples.voids] == [("ebpf", False, False)]


def test_a_rerun_replaces_all_arms_of_its_block_and_the_void_stays_on_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    cell(journal, "plain", value=1.0)
    cell(journal, "ebpf", void="late", value=9.0)
    cell(journal, "ebpf", attempt=2, value=2.0)
    cell(journal, "plain", attempt=2, value=3.0)
    samples = gather(journal)
    assert dict(zip(samples.figures["arm"], samples.figures["value"], strict=True)) == {"plain": 3.0, "ebpf": 2.0}
    assert samples.figures["void"].isna().all()
    assert set(samples.histograms["histogram"]) == {"plain/2", "ebpf/2"}
    assert [(v.arm, v.reran, v.resolved) for v in samples.voids] == [("ebpf", True, True)]


def test_a_void_that_recurs_is_not_resolved(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    cell(journal, "ebpf", void="late")
    cell(journal, "ebpf", attempt=2, void="late again")
    samples = gather(journal)
    assert [(v.reason, v.reran, v.resolved) for v in samples.voids] == [("late", True, False), ("late again", False, False)]
    assert list(samples.figures["void"]) == ["ebpf: late again"]
