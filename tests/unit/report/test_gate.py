"""The gate: what turns it red, and how it ends."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import FINGERPRINT, LOADS, make_run, probe, target
from typer.testing import CliRunner

from harness.cli.main import app
from harness.cli.status import Status
from harness.report.gate_bench import judge_bench
from harness.report.gate_findings import Found, Gate, Kind, schema_text
from harness.report.gate_text import markdown
from harness.report.metrics import metric_text

SCHEMA = Path(__file__).parents[3] / "docs" / "schemas" / "gate.schema.json"
SLOWER = {("cpu_per_request", "ebpf"): 1.3}


def judged(run: Path, baseline: Path, **how: Any) -> Gate:
    found = Found()
    judge_bench(run, baseline, found, **how)
    return found.gate()


def meshproof(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(each) for each in arguments], standalone_mode=False)


def kinds(gate: Gate) -> list[Kind]:
    return [finding.kind for finding in gate.findings]


def test_the_schema_is_that_of_the_models() -> None:
    assert SCHEMA.read_text() == schema_text(), "write it anew: harness.report.gate_findings.schema_text()"


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), noise=st.floats(0, 0.5), blocks=st.integers(1, 12), floor=st.floats(0, 0.3))
def test_a_run_against_itself_passes(
    tmp_path_factory: pytest.TempPathFactory, seed: int, noise: float, blocks: int, floor: float
) -> None:
    run = make_run(tmp_path_factory.mktemp("run"), seed=seed, noise=noise, blocks=blocks, floor=floor)
    gate = judged(run, run)
    assert (gate.verdict, gate.findings) == ("passed", [])


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), plane=st.sampled_from(["sidecar", "ebpf"]), metric=st.sampled_from(["latency_p50", "pss"]))
def test_a_regression_larger_than_the_floor_fails_and_its_mending_passes(
    tmp_path_factory: pytest.TempPathFactory, seed: int, plane: str, metric: str
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    good = make_run(folder / "good", seed=seed)
    bad = make_run(folder / "bad", seed=seed + 1, factors={(metric, plane): 1.4})
    # of the other figures one in some dozens of runs is found to differ, as it should be at this level
    where = f"on {plane}, {metric_text(metric).label}"
    worse = [each.kind for each in judged(bad, good).findings if each.where.endswith(where)]
    assert worse == [Kind.REGRESSION]
    assert not [each for each in judged(good, bad).findings if each.where.endswith(where)]


def test_a_finding_names_the_cell_the_effect_and_its_interval(tmp_path: Path) -> None:
    gate = judged(make_run(tmp_path / "b", seed=2, factors=SLOWER), make_run(tmp_path / "a"))
    (finding,) = gate.findings
    assert finding.where == "s/cost-1000 on ebpf, CPU per request"
    assert "times plain; noise floor 3.00 %" in finding.text
    assert finding.text.startswith("1.3")
    assert " to 1." in finding.text.partition("(")[2].partition(")")[0]
    assert any(line.startswith("| regression | s/cost-1000 on ebpf") for line in markdown(gate))


def test_a_tolerance_lets_small_regressions_pass_but_says_so(tmp_path: Path) -> None:
    runs = make_run(tmp_path / "b", seed=2, factors=SLOWER), make_run(tmp_path / "a")
    assert judged(*runs, tolerance=0.2).verdict == "failed"
    gate = judged(*runs, tolerance=0.5)
    assert gate.verdict == "passed"
    assert any(note.startswith("worse, but within the tolerance: s/cost-1000 on ebpf") for note in gate.notes)


def test_a_quick_run_is_judged_by_policy_and_completeness_alone_and_says_so(tmp_path: Path) -> None:
    baseline = make_run(tmp_path / "a")
    gate = judged(make_run(tmp_path / "b", blocks=1, factors={("cpu_per_request", "ebpf"): 9.0}), baseline)
    assert (gate.verdict, gate.figures_judged) == ("passed", 0)
    assert any("no figure was judged: the run is quick" in note for note in gate.notes)
    assert kinds(judged(make_run(tmp_path / "c", blocks=1, conformance=[probe("fail")]), baseline)) == [Kind.POLICY]


def test_figures_of_other_set_ups_are_refused_and_else_only_ratios_are_compared(tmp_path: Path) -> None:
    other = {**FINGERPRINT, "kernel": "6.18"}
    baseline = make_run(tmp_path / "a")
    run = make_run(tmp_path / "b", seed=2, fingerprint=other, factors={("pss", "ebpf"): 3.0})
    refused = meshproof("gate", run, "--against", baseline)
    assert refused.return_value == Status.BAD_INPUT
    assert "kernel (6.12 before, 6.18 after)" in refused.stderr
    gate = judged(run, baseline, anyway=True)
    assert gate.verdict == "passed", "memory is no ratio within a run"
    assert any("only ratios within each run were compared: kernel" in note for note in gate.notes)
    slow = make_run(tmp_path / "c", seed=2, fingerprint=other, factors=SLOWER)
    assert kinds(judged(slow, baseline, anyway=True)) == [Kind.REGRESSION]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"conformance": [probe("fail"), probe("pass", flow="other")]}, [Kind.POLICY]),
        ({"conformance": [probe("error")]}, [Kind.POLICY]),
        ({"conformance": [probe("unsupported", "plain")]}, []),
        ({"targets": [target("not reached")]}, [Kind.TARGET]),
        ({"targets": [target("inconclusive")]}, []),
        ({"targets": [target("not reached", bound=1.1)]}, []),
        ({"targets": []}, []),
    ],
)
def test_probes_and_targets(tmp_path: Path, changes: Mapping[str, Any], found: list[Kind]) -> None:
    baseline = make_run(tmp_path / "a", targets=[target("reached")])
    gate = judged(make_run(tmp_path / "b", seed=2, **changes), baseline)
    assert kinds(gate) == found
    if "targets" in changes and not found:
        assert any("target t1" in note for note in gate.notes), "what is no finding is still said"


def test_a_load_without_any_block_voids_the_run(tmp_path: Path) -> None:
    baseline = make_run(tmp_path / "a")
    scenario = json.loads((baseline / "run.json").read_text())["scenarios"][0]
    more = {**scenario, "loads": [*LOADS, {"name": "bulk", "kind": "bulk"}]}
    run = make_run(tmp_path / "b", seed=2, scenarios=[more])
    assert [str(each) for each in judged(run, baseline).findings] == ["void: b: s/bulk has no block that counts"]
    assert meshproof("gate", run, "--against", baseline).return_value == Status.VOID


def test_a_known_effect_that_was_not_recovered_voids_the_run(tmp_path: Path) -> None:
    effect = {
        "id": "delay-1ms", "text": "1 ms of delay", "scenario": "known-effects", "load": "delays", "metric": "latency_p50",
        "unit": "s", "truth": 0.001, "estimate": 1.1, "low": 1.05, "high": 1.2, "level": 0.99, "blocks": 10, "recovered": False,
    }  # fmt: skip
    baseline, run = make_run(tmp_path / "old"), make_run(tmp_path / "new", known_effects=[effect])
    gate = judged(run, baseline)
    assert kinds(gate) == [Kind.VOID]
    assert "delay-1ms was not recovered" in gate.findings[0].text


def test_what_a_campaign_injected_itself_is_no_figure_that_is_compared(tmp_path: Path) -> None:
    baseline, run = make_run(tmp_path / "old"), make_run(tmp_path / "new")
    file = run / "samples.parquet"
    rows = pd.read_parquet(file)
    pd.concat([rows, rows.assign(scenario="known-effects", value=rows["value"] * 9)]).to_parquet(file, index=False)
    assert kinds(judged(run, baseline)) == []


def test_a_plane_and_a_figure_that_went_missing_are_red(tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 -- the only test that needs it

    baseline, run = make_run(tmp_path / "a"), make_run(tmp_path / "b", seed=2)
    table = pd.read_parquet(run / "samples.parquet")
    gone = (table["metric"] == "pss") | ((table["load"] == "latency-1000") & (table["dataplane"] == "ebpf"))
    table[~gone].to_parquet(run / "samples.parquet")
    assert {(each.kind, each.where) for each in judged(run, baseline).findings} == {
        (Kind.MISSING, "s/latency-1000 on ebpf"),
        (Kind.MISSING, "s/cost-1000 on sidecar, Memory (PSS)"),
        (Kind.MISSING, "s/cost-1000 on ebpf, Memory (PSS)"),
        (Kind.MISSING, "s/cost-1000 on plain, Memory (PSS)"),
    }


def test_nothing_passes_because_nothing_could_be_judged(tmp_path: Path) -> None:
    baseline = make_run(tmp_path / "a")
    scenario = json.loads((baseline / "run.json").read_text())["scenarios"][0]
    other = {**scenario, "loads": [{**load, "rate": 7.0} for load in LOADS]}
    gate = judged(make_run(tmp_path / "b", seed=2, scenarios=[other]), baseline)
    assert [str(each) for each in gate.findings] == [
        "missing: b: no figure could be compared with the baseline: nothing was judged"
    ]


def test_the_command_writes_json_and_markdown_and_ends_as_it_found(tmp_path: Path) -> None:
    baseline = make_run(tmp_path / "a")
    bad = make_run(tmp_path / "b", seed=2, factors=SLOWER)
    ended = meshproof("gate", bad, "--against", baseline, "--json", "--markdown", tmp_path / "summary.md")
    assert ended.return_value == Status.UNEXPECTED
    assert Gate.model_validate_json(ended.stdout).verdict == "failed"
    assert (tmp_path / "summary.md").read_text().startswith("## Gate: failed\n")
    good = meshproof("gate", make_run(tmp_path / "c", seed=3), "--against", baseline)
    assert (good.return_value or 0) == Status.EXPECTED
    assert good.stdout.rstrip().endswith("Passed: nothing is worse than it may be.")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say which run it is judged against"),
        (["--against", "a", "--against", "b"], "name one of each"),
        (["--against", "a", "--markdown", "no/such/file"], "there is no folder"),
        (["--against", "nothing"], "run.json: not there"),
    ],
)
def test_bad_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str) -> None:
    make_run(tmp_path / "a")
    make_run(tmp_path / "b")
    monkeypatch.chdir(tmp_path)
    ended = meshproof("gate", "b", *options)
    assert ended.return_value == Status.BAD_INPUT
    assert said in ended.stderr
