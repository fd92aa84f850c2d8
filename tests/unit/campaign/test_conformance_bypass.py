"""Ways around policy: what a case does to a pod has been done before its flows are asked."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from harness.campaign.conformance import bypass
from harness.dataplanes.port import DataPlaneError
from harness.judge.conformance import Judgement
from harness.lab.port import LabError
from harness.model.case import CaseOutcome
from harness.model.fault import Symptom


def test_a_proxy_that_survives_its_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bypass, "SECONDS", 0.02)
    with pytest.raises(LabError, match=f"shop/client: the proxy was to be killed, and process {os.getpid()} "):
        bypass.await_end("shop/client", [os.getpid()])


def test_the_end_of_a_proxy_is_awaited() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        child.kill()
        bypass.await_end("shop/client", [child.pid])  # not reaped yet, and gone all the same
        assert child.wait() == -9


@pytest.mark.parametrize(("attaches", "outcome"), [(True, CaseOutcome.FAIL), (False, CaseOutcome.ERROR)])
def test_a_plane_that_does_not_attach_teaches_nothing_and_one_that_takes_no_policy_fails(
    attaches: bool, outcome: CaseOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(policies: object, routing: object = None) -> None:
        raise DataPlaneError("no room")

    @contextmanager
    def attached(case: object, plane: object) -> Iterator[Any]:
        if not attaches:
            refuse(())
        yield SimpleNamespace(attachment=SimpleNamespace(apply=refuse))

    told: list[tuple[CaseOutcome, str, Judgement | None]] = []
    monkeypatch.setattr(bypass, "_attached", attached)
    monkeypatch.setattr(bypass, "_on_control", lambda case, control: "")
    case: Any = SimpleNamespace(origin="case.yaml:1", steps=[SimpleNamespace(origin="case.yaml:5", policies=())])
    plane: Any = SimpleNamespace(name="plane")
    consulted: Any = SimpleNamespace(answers=[{}])
    bypass.judge_bypass(case, [plane], plane, consulted, lambda case, plane, *said: told.append(said))
    [(said, reason, judged)] = told
    assert said is outcome
    assert "no room" in reason
    assert judged is None or judged.symptoms == {Symptom.REFUSES}
