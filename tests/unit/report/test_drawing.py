"""Plots drawn by several processes, and what becomes of matplotlib's SVG."""

import os
import re
from collections.abc import Callable
from functools import partial

import pytest

from harness.report.plots.canvas import Plot, canvas, finish, styled, tip
from harness.report.plots.drawing import drawn


def plot(name: str) -> list[Plot]:
    return [Plot(name, name, "", "", "")]


def fail(kind: type[Exception]) -> list[Plot]:
    raise kind("no plot")


def dies_in_a_child(parent: int, name: str) -> list[Plot]:
    if os.getpid() != parent:
        os._exit(9)
    return plot(name)


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_drawings_come_in_their_order(processes: int) -> None:
    names = [str(index) for index in range(9)]
    assert [[each.key for each in found] for found in drawn([partial(plot, name) for name in names], processes)] == [
        [name] for name in names
    ]


@pytest.mark.parametrize("processes", [1, 3])
def test_a_fault_is_raised_wherever_it_was_met(processes: int) -> None:
    tasks: list[Callable[[], list[Plot]]] = [partial(fail, ZeroDivisionError) for _ in range(6)]
    with pytest.raises(ZeroDivisionError, match="no plot"):
        drawn(tasks, processes)


def test_what_a_dead_child_has_taken_is_drawn_nevertheless() -> None:
    found = drawn([partial(dies_in_a_child, os.getpid(), str(index)) for index in range(8)], 3)
    assert [each.key for (each,) in found] == [str(index) for index in range(8)]


def test_a_plot_is_small_named_and_tells_its_marks() -> None:
    with styled():
        figure, (axes,) = canvas(1.0, ["a"])
        (mark,) = axes.plot([1.23456789], [0], "o")
        tip(mark, 'a: <1 ms> "so"')
        svg = finish("key", "A <title>", "caption", "what & where", figure).svg
    assert 'role="img" aria-labelledby="key-title key-desc"' in svg
    assert '<title id="key-title">A &lt;title&gt;</title>' in svg
    assert 'class="tip" data-tip="a: &lt;1 ms&gt; &quot;so&quot;"' in svg
    assert "<use" not in svg
    assert "<!--" not in svg
    assert "style=" not in svg


def test_a_clip_stays_only_where_it_takes_something_away() -> None:
    with styled():
        figure, (axes,) = canvas(1.0, ["a"])
        axes.set(xlim=(0, 10), ylim=(0, 10))
        axes.plot([1, 9], [1, 9], color="#111111")
        axes.plot([5, 15], [5, 5], color="#222222")
        svg = finish("key", "A title", "caption", "alt", figure).svg
    inside, beyond = (re.search(f"<path [^>]*{colour}[^>]*>", svg) for colour in ("#111111", "#222222"))
    assert inside is not None and "clip-path" not in inside[0]
    assert beyond is not None and 'clip-path="url(#key-' in beyond[0]
    assert "rotate(-0" not in svg
