import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.campaign.folder import begin, digest, newest, planned, resume
from harness.campaign.journal import CampaignError
from harness.campaign.plan import Mode, plan
from harness.manifests.bench import load_bench
from harness.manifests.fixed import digests
from harness.model.bench import BenchScenario

MACHINE = {"kernel": "6.1", "cores": "2"}


@pytest.fixture(scope="module")
def scenarios() -> list[BenchScenario]:
    return list(load_bench([]))


def test_a_run_is_resumed_with_the_same_plan(tmp_path: Path, scenarios: list[BenchScenario]) -> None:
    campaign = plan(scenarios, ["plain", "ebpf"], Mode.FULL, blocks=7, seed=5, only=["latency-*"])
    begin(tmp_path / "run", campaign, MACHINE, ["meshproof", "bench"]).close()
    _, again = resume(tmp_path / "run", scenarios, MACHINE, ["meshproof", "bench", "--resume"])
    assert again == campaign


def test_a_folder_that_holds_a_run_is_not_begun_again(tmp_path: Path, scenarios: list[BenchScenario]) -> None:
    campaign = plan(scenarios, [], Mode.DEFAULT, blocks=None, seed=1)
    begin(tmp_path, campaign, MACHINE, []).close()
    with pytest.raises(CampaignError, match=r"holds a run already.*--resume"):
        begin(tmp_path, campaign, MACHINE, [])


def test_another_machine_or_version_is_refused_by_name(tmp_path: Path, scenarios: list[BenchScenario]) -> None:
    begin(tmp_path, plan(scenarios, [], Mode.DEFAULT, blocks=None, seed=1), MACHINE, []).close()
    with pytest.raises(CampaignError, match="other kernel"):
        resume(tmp_path, scenarios, {**MACHINE, "kernel": "6.12"}, [])


def test_a_scenario_that_changed_is_refused_by_file(tmp_path: Path, scenarios: list[BenchScenario]) -> None:
    begin(tmp_path, plan(scenarios, [], Mode.DEFAULT, blocks=None, seed=1), MACHINE, []).close()
    changed = [replace(scenarios[0], policies=()), *scenarios[1:]]
    with pytest.raises(CampaignError, match=f"{scenarios[0].origin.file} has changed"):
        resume(tmp_path, changed, MACHINE, [])


def test_a_folder_without_a_run_and_a_run_killed_before_its_plan_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="holds no run"):
        resume(tmp_path, [], MACHINE, [])
    (tmp_path / "journal.jsonl").write_text('{"kind": "pl')
    with pytest.raises(CampaignError, match="killed before its plan was written"):
        resume(tmp_path, [], MACHINE, [])


def test_the_digest_is_of_what_is_asked_not_of_where_the_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenarios: list[BenchScenario]
) -> None:
    monkeypatch.chdir(tmp_path)
    elsewhere = load_bench([])
    assert elsewhere[0].origin.file != scenarios[0].origin.file
    assert [digest(each) for each in elsewhere] == [digest(each) for each in scenarios]
    assert digest(replace(scenarios[0], port=9)) != digest(scenarios[0])


def test_the_newest_run_is_the_one_to_resume(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="no run below"):
        newest(tmp_path)
    for name in ("20260101T000000Z", "20260301T000000Z", "20260201T000000Z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.jsonl").touch()
    assert newest(tmp_path).name == "20260301T000000Z"


def test_a_resumed_run_knows_how_long_it_was_at_work(tmp_path: Path, scenarios: list[BenchScenario]) -> None:
    begin(tmp_path, plan(scenarios, [], Mode.DEFAULT, blocks=None, seed=1), MACHINE, []).close()
    journal, _ = resume(tmp_path, scenarios, MACHINE, [])
    assert 0 <= journal.seconds() < 60


def test_a_run_is_not_gone_on_with_once_what_decides_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenarios: list[BenchScenario]
) -> None:
    journal = begin(tmp_path, plan(scenarios, [], Mode.DEFAULT, blocks=None, seed=1), MACHINE, [])
    assert planned(journal)["fixed"] == digests()
    journal.close()
    monkeypatch.setattr("harness.campaign.folder.digests", lambda: digests() | {"scenarios/claims.yaml": "0"})
    with pytest.raises(CampaignError, match=r"scenarios/claims\.yaml changed since .* was begun.*start a new run"):
        resume(tmp_path, scenarios, MACHINE, [])


def test_a_run_that_hashed_nothing_can_still_be_gone_on_with(tmp_path: Path, scenarios: list[BenchScenario]) -> None:
    begin(tmp_path, plan(scenarios, [], Mode.DEFAULT, blocks=None, seed=1), MACHINE, []).close()
    record = json.loads((tmp_path / "journal.jsonl").read_text())
    del record["fixed"]
    (tmp_path / "journal.jsonl").write_text(json.dumps(record) + "\n")
    resume(tmp_path, scenarios, MACHINE, [])[0].close()
