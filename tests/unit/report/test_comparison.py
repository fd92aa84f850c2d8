"""Two runs compared, from their folders."""

import json
from pathlib import Path

import pytest
from made_runs import FINGERPRINT, LOADS, PLANES, make_run

from harness.judge.change import Word
from harness.report.comparison import Comparison, compare, schema_text
from harness.report.comparison_text import lines, markdown, terminal
from harness.report.run import RunError

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "comparison.schema.json"
OTHER = {**FINGERPRINT, "kernel": "6.18", "idle processors": "kept awake"}
Key = tuple[str, str, str | None]


def words(comparison: Comparison) -> dict[Key, Word]:
    return {(row.metric, row.dataplane, row.against): row.word for row in comparison.rows}


def test_the_schema_is_that_of_the_models() -> None:
    assert SCHEMA.read_text() == schema_text(), "write it anew: harness.report.comparison.schema_text()"


def test_a_run_differs_from_itself_in_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", noise=0.1)
    found = compare(run, run).comparison
    assert {row.word for row in found.rows} == {Word.SAME}
    assert {row.change for row in found.rows} == {1.0}
    assert len(found.rows) == 4 + 6 + 2 - 0, "ratios and figures of two metrics, and memory of two planes"


@pytest.mark.parametrize(("metric", "plane"), [("latency_p50", "sidecar"), ("cpu_per_request", "ebpf"), ("pss", "ebpf")])
def test_a_change_is_found_where_it_is_and_inverted_when_the_runs_change_places(
    tmp_path: Path, metric: str, plane: str
) -> None:
    before = make_run(tmp_path / "a", seed=1)
    after = make_run(tmp_path / "b", seed=2, factors={(metric, plane): 1.3})
    there, back = compare(before, after).comparison, compare(after, before).comparison
    judged = [row for row in there.rows if row.judged]
    assert [(row.metric, row.dataplane) for row in judged if row.word is Word.WORSE] == [(metric, plane)]
    assert [(row.metric, row.dataplane) for row in back.judged(Word.BETTER)] == [(metric, plane)]
    assert not there.judged(Word.BETTER) + back.judged(Word.WORSE)
    for one, other in zip(there.rows, back.rows, strict=True):
        assert one.change == pytest.approx(1 / (other.change or 0))
        assert one.low == pytest.approx(1 / (other.high or 0))


def test_the_machines_mood_moves_figures_but_not_their_ratios(tmp_path: Path) -> None:
    found = compare(make_run(tmp_path / "a", seed=1), make_run(tmp_path / "b", seed=2, mood=1.5)).comparison
    assert not found.judged(Word.WORSE, Word.BETTER)
    own = {row.word for row in found.rows if row.against is None and row.metric != "pss"}
    assert own == {Word.WORSE}
    told = [line for line in lines(found) if "µs to" in line.figures + line.beside]
    assert len(told) == 6
    assert all("of different times" in line.word + line.beside for line in told)


def test_memory_that_the_control_has_none_of_is_judged_by_its_own_blocks(tmp_path: Path) -> None:
    found = compare(make_run(tmp_path / "a"), make_run(tmp_path / "b", seed=2)).comparison
    rows = [row for row in found.rows if row.metric == "pss"]
    assert {(row.dataplane, row.against, row.judged, row.floor_of) for row in rows} == {
        (plane, None, True, "own blocks") for plane in PLANES[1:]
    }


def test_the_larger_noise_floor_counts(tmp_path: Path) -> None:
    before = make_run(tmp_path / "a", floor=0.01)
    after = make_run(tmp_path / "b", seed=2, floor=0.5, factors={("latency_p50", "ebpf"): 1.3})
    found = compare(before, after).comparison
    assert words(found)["latency_p50", "ebpf", "plain"] is Word.SAME
    assert {row.floor for row in found.rows if row.floor_of == "A/A pair"} == {0.5}


def test_different_set_ups_are_refused_with_what_differs(tmp_path: Path) -> None:
    before, after = make_run(tmp_path / "a"), make_run(tmp_path / "b", fingerprint=OTHER)
    with pytest.raises(RunError) as refused:
        compare(before, after)
    assert "kernel (6.12 before, 6.18 after)" in str(refused.value)
    assert "idle processors (not recorded before, kept awake after)" in str(refused.value)
    found = compare(before, after, anyway=True).comparison
    assert {row.against for row in found.rows} == {"plain"}, "figures of different set-ups are never set against one another"
    assert next(iter(terminal(found))).startswith("Different set-ups: kernel (6.12 before")


def test_commit_and_seed_may_differ(tmp_path: Path) -> None:
    after = make_run(tmp_path / "b", fingerprint={**FINGERPRINT, "commit": "b", "seed": "9"})
    assert compare(make_run(tmp_path / "a"), after).comparison.differs == []


def test_loads_of_one_name_that_are_not_the_same_are_left_out(tmp_path: Path) -> None:
    scenario = json.loads((make_run(tmp_path / "a") / "run.json").read_text())["scenarios"][0]
    faster = {**scenario, "loads": [{**LOADS[0], "rate": 2000.0}, LOADS[1]]}
    found = compare(tmp_path / "a", make_run(tmp_path / "b", scenarios=[faster])).comparison
    assert [(row.where, row.reason) for row in found.left_out] == [
        ("s/latency-1000", "not the same load: rate 1000.0 and 2000.0")
    ]
    assert {row.load for row in found.rows} == {"cost-1000"}


@pytest.mark.parametrize(("rate", "compared"), [(1050.0, True), (1200.0, False)])
def test_rates_that_follow_from_a_maximum_need_only_be_near(tmp_path: Path, rate: float, compared: bool) -> None:
    scenario = json.loads((make_run(tmp_path / "a") / "run.json").read_text())["scenarios"][0]
    half = [{**LOADS[0], "rate": None, "half_of_slowest": True, "resolved_rate": each} for each in (1000.0, rate)]
    runs = [
        make_run(tmp_path / name, scenarios=[{**scenario, "loads": [load, LOADS[1]]}])
        for name, load in zip("cd", half, strict=True)
    ]
    found = compare(*runs).comparison
    assert bool(found.left_out) is not compared
    assert ("latency-1000" in {row.load for row in found.rows}) is compared


def test_another_control_is_refused(tmp_path: Path) -> None:
    planes = [{"name": name, "title": name} for name in ("sidecar", "plain", "ebpf")]
    with pytest.raises(RunError, match="its first data plane, the control, is sidecar, but plain in"):
        compare(make_run(tmp_path / "a"), make_run(tmp_path / "b", dataplanes=planes))


def test_markdown_has_every_figure_once_and_says_first_what_differs(tmp_path: Path) -> None:
    after = make_run(tmp_path / "b", seed=3, fingerprint=OTHER, factors={("latency_p50", "ebpf"): 1.4})
    found = compare(make_run(tmp_path / "a"), after, anyway=True).comparison
    written = list(markdown(found))
    assert written[2].startswith("- Different set-ups: kernel")
    rows = [line for line in written if line.startswith("| ") and "---" not in line and "data plane" not in line]
    assert len(rows) == len(found.rows)
    assert rows[0].startswith("| worse | s/latency-1000 | ebpf | Latency p50 | 1.")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    (run / "samples.parquet").write_text("no Parquet")
    with pytest.raises(RunError, match=r"samples\.parquet: cannot be read"):
        compare(run, run)
    (run / "samples.parquet").unlink()
    with pytest.raises(RunError, match=r"samples\.parquet: not there"):
        compare(run, run)
