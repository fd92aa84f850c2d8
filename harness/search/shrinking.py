"""The search itself: hypothesis draws examples until one fails, then smaller ones, until none that is smaller fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, Verbosity, given, reject, seed, settings
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from harness.campaign.observer import Observer
from harness.judge.conformance import Judgement
from harness.manifests.writing import manifests
from harness.search.drafts import Draft
from harness.search.expected import Expected

BATCH = 10
"""Examples that are drawn in a row. hypothesis makes many of a run out of those before; a new run begins anew."""

_BATCHES = 1_000_003

UNASKED = 20
"""So many examples of which nothing was learnt end a search that has found nothing."""


class NothingLearnt(Exception):
    """An example could not be asked; why, in a line."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long to search and to shrink: ``examples`` that may pass, then ``shrinks`` and ``seconds`` for smaller ones."""

    examples: int
    shrinks: int = 400
    seconds: float = 240.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A draft, what was expected of it, and what was judged wrong."""

    draft: Draft
    expected: Expected
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Found:
    """The smallest failure. ``after``: the number of the first example that failed; ``first`` is that one.

    ``bound`` says by what shrinking ended early, ``unstable`` what failed once and not again; empty where neither was so.
    """

    smallest: Failure
    first: Failure
    after: int
    shrinks: int
    seconds: float
    bound: str = ""
    unstable: str = ""


Judge = Callable[[Draft], Failure | None]
"""None where all is as expected. Raises NothingLearnt."""


class _Failing(Exception):
    """Tells hypothesis that an example fails; always from one line, for that is how it tells failures apart."""


class _Ended(BaseException):
    """Leaves hypothesis at once, which takes every Exception for a failure of the example."""


class Search:
    """One search. Ask it for ``examples`` when it is over: how many were judged until one failed, or in all."""

    def __init__(self, judge: Judge, bounds: Bounds, observer: Observer) -> None:
        self._judge = judge
        self._bounds = bounds
        self._observer = observer
        self.examples = 0
        self._shrinks = 0
        self._began = 0.0
        self._first: Failure | None = None
        self._failures: dict[str, Failure] = {}
        self._passed: set[str] = set()
        self._last = ""
        self._bound = ""
        self._unstable = ""
        self._unasked: list[NothingLearnt] = []
        self._trouble: BaseException | None = None

    def run(self, strategy: SearchStrategy[Draft], number: int) -> Found | None:
        """Search with the seed ``number``. Raises NothingLearnt where too little could be asked, and what ``judge`` raises."""
        self._observer.planned(self._bounds.examples, 0, 0.0)
        try:
            for batch in range(self._bounds.examples):
                if self._first is None and self.examples < self._bounds.examples:
                    self._draw(strategy, number * _BATCHES + batch)
        except _Ended:
            assert self._trouble is not None  # noqa: S101 - for the type checker: it is why
            raise self._trouble from None
        if self._first is None:
            return None
        smallest = self._failures.get(self._last, self._first)
        taken = time.monotonic() - self._began
        return Found(smallest, self._first, self.examples, self._shrinks, taken, self._bound, self._unstable)

    def _draw(self, strategy: SearchStrategy[Draft], number: int) -> None:
        @seed(number)
        @settings(
            max_examples=BATCH, phases=(Phase.generate, Phase.shrink), database=None, deadline=None,
            suppress_health_check=list(HealthCheck), report_multiple_bugs=False, verbosity=Verbosity.quiet, print_blob=False,
        )  # fmt: skip
        @given(strategy)
        def example(draft: Draft) -> None:
            self._ask(draft)

        try:
            example()
        except _Failing:
            pass
        except Flaky as error:
            self._unstable = self._unstable or str(error).partition("\n")[0]

    def _ask(self, draft: Draft) -> None:
        name = f"{manifests(draft.policies)}{draft.flows}{draft.packets}"
        if name in self._passed:
            return
        if self._over():
            if name in self._failures:
                self._last = name
                raise _Failing
            return
        failure = self._judged(draft)
        self._count()
        if failure is None or not self._alike(failure):
            if name in self._failures:
                self._unstable = self._unstable or "the same example failed once, and was as expected when it was asked again"
                self._last = name
            else:
                self._passed.add(name)
            return
        if self._first is None:
            self._first, self._began = failure, time.monotonic()
            self._observer.noted(f"example {self.examples} fails; making it smaller: {failure.judgement.faults[0]}")
            self._observer.added(self._bounds.shrinks - self._bounds.examples + self.examples)
        self._failures[name] = failure
        self._last = name
        raise _Failing

    def _over(self) -> bool:
        """Whether no more is asked: then what failed fails, and everything else is taken to pass."""
        if self._first is None:
            return self.examples >= self._bounds.examples
        if self._shrinks >= self._bounds.shrinks:
            self._bound = f"{self._bounds.shrinks} examples"
        elif time.monotonic() - self._began >= self._bounds.seconds:
            self._bound = f"{self._bounds.seconds:.0f} s"
        return bool(self._bound)

    def _judged(self, draft: Draft) -> Failure | None:
        try:
            return self._judge(draft)
        except NothingLearnt as error:
            self._observer.noted(f"an example could not be asked: {error}")
            self._unasked.append(error)
            if self._first is None and len(self._unasked) >= UNASKED:
                self._trouble = error
                raise _Ended from error
            reject()
        except Exception as error:
            self._trouble = error
            raise _Ended from error

    def _count(self) -> None:
        if self._first is None:
            self.examples += 1
            self._observer.finished(f"example {self.examples}")
        else:
            self._shrinks += 1
            self._observer.finished("smaller")

    def _alike(self, failure: Failure) -> bool:
        """Whether it fails as the first did: else a search for the smallest ends with another fault than it began with."""
        return self._first is None or bool(failure.judgement.symptoms & self._first.judgement.symptoms)
