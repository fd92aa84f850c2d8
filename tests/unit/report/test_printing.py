"""The PDF by a process of its own, and what becomes of it where that process or the page fails."""

import os
import signal

import pytest

from harness.report import printing as module
from harness.report.forked import Forked
from harness.report.printing import printing

PAGE = "<!DOCTYPE html><title>A page</title><p>Words"


def died() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_page_is_printed_by_a_process_of_its_own() -> None:
    with printing() as on_paper:
        assert on_paper(PAGE)().startswith(b"%PDF-")


def test_a_page_is_printed_here_where_the_process_for_it_has_died(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_print", lambda _: died())
    monkeypatch.setattr(module, "_pdf", lambda html: html.encode())
    with printing() as on_paper:
        assert on_paper(PAGE)() == PAGE.encode()


def test_a_page_that_is_never_told_is_not_waited_for() -> None:
    with pytest.raises(ZeroDivisionError), printing():
        raise ZeroDivisionError


@pytest.mark.parametrize("fault", [OSError, ValueError])
def test_a_fault_of_the_work_is_raised_where_its_result_is_asked_for(fault: type[Exception]) -> None:
    def fails(_: object) -> None:
        raise fault("not printed")

    child: Forked[None] = Forked(fails)
    with pytest.raises(fault, match="not printed"):
        child.result()
    child.end()
