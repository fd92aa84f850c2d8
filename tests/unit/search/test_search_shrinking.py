"""The search over a judge with a planted bug: what it comes to, and what it says where it was kept from it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from harness.dataplanes import find
from harness.judge.conformance import Judgement
from harness.model.fault import Symptom
from harness.model.flow import Flow
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer
from harness.search.drafts import Draft, Scope, drafts
from harness.search.expected import Expected
from harness.search.scope import scope_of
from harness.search.shrinking import Bounds, Failure, Found, NothingLearnt, Search


@dataclass
class Silent:
    """An observer that keeps what it is told."""

    said: list[str] = field(default_factory=list)

    def planned(self, cells: int, done: int, seconds: float) -> None: ...

    def added(self, cells: int) -> None: ...

    def began(self, what: str) -> None: ...

    def finished(self, what: str) -> None: ...

    def noted(self, what: str) -> None:
        self.said.append(what)


@pytest.fixture(scope="module")
def scope() -> Scope:
    return scope_of(find("ebpf"))


def failing(draft: Draft, symptom: Symptom = Symptom.ADMITS) -> Failure:
    return Failure(draft, Expected(draft.policies, {}, ()), Judgement(("wrong",), "", None, frozenset({symptom})))


def judge(wrong: Callable[[Draft], bool]) -> Callable[[Draft], Failure | None]:
    return lambda draft: failing(draft) if wrong(draft) else None


def excepts(draft: Draft) -> list[Peer]:
    """The planted bug's trigger: blocks with exceptions, which it does not look at."""
    rules = [rule for policy in draft.policies if isinstance(policy, NetworkPolicy) for rule in policy.egress or ()]
    return [peer for rule in rules for peer in rule.peers or () if peer.ip_block and peer.ip_block.except_]


def to_8081(draft: Draft) -> list[Flow]:
    return [flow for flow in draft.flows if (flow.port, flow.family) == (8081, 6)]


def search(scope: Scope, judge: Callable[[Draft], Failure | None], bounds: Bounds, seed: int = 1) -> Found | None:
    return Search(judge, bounds, Silent()).run(drafts(scope), seed)


def test_a_planted_bug_is_shrunk_to_what_triggers_it(scope: Scope) -> None:
    found = search(scope, judge(lambda draft: bool(excepts(draft) and to_8081(draft))), Bounds(2000, shrinks=5000))
    assert found is not None
    assert not found.bound
    assert not found.unstable
    draft = found.smallest.draft
    (policy,) = draft.policies
    assert isinstance(policy, NetworkPolicy)
    assert (policy.pod_selector, policy.policy_types, policy.ingress) == (LabelSelector(), None, None)
    (rule,) = policy.egress or ()
    assert rule.ports is None
    (peer,) = rule.peers or ()
    assert peer.ip_block == IPBlock(scope.words.blocks[0][0], (scope.words.blocks[0][1],))
    first, second = (pod.ref for pod in scope.topology.pods[:2])
    assert draft.flows == (Flow(first, second, 8081, "TCP", 6),)
    assert draft.packets == ()


def test_what_no_policy_takes_part_in_is_shrunk_to_no_policy(scope: Scope) -> None:
    found = search(scope, judge(lambda draft: any(flow.protocol == "UDP" for flow in draft.flows)), Bounds(50, shrinks=2000))
    assert found is not None
    assert (found.smallest.draft.policies, found.smallest.draft.packets) == ((), ())
    assert [flow.protocol for flow in found.smallest.draft.flows] == ["UDP"]


def test_crafted_packets_are_shrunk_too(scope: Scope) -> None:
    found = search(
        scope, judge(lambda draft: any(each.craft == "tcp-ack" for each in draft.packets)), Bounds(2000, shrinks=2000)
    )
    assert found is not None
    assert (found.smallest.draft.policies, found.smallest.draft.flows) == ((), ())
    assert [each.craft for each in found.smallest.draft.packets] == ["tcp-ack"]


def test_nothing_is_found_where_all_is_as_expected_and_as_many_are_judged_as_were_asked_for(scope: Scope) -> None:
    asked: list[Draft] = []
    looking = Search(judge(lambda draft: asked.append(draft) or False), Bounds(15), Silent())
    assert looking.run(drafts(scope), 1) is None
    assert looking.examples == len(asked) == 15


def test_the_same_seed_asks_the_same_and_another_asks_others(scope: Scope) -> None:
    def asked(seed: int) -> list[Draft]:
        drawn: list[Draft] = []
        search(scope, judge(lambda draft: drawn.append(draft) or False), Bounds(12), seed)
        return drawn

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


def test_shrinking_ends_at_its_bound_and_says_so(scope: Scope) -> None:
    asked = 0

    def counting(draft: Draft) -> bool:
        nonlocal asked
        asked += 1
        return len(draft.flows) >= 3

    found = search(scope, judge(counting), Bounds(50, shrinks=10))
    assert found is not None
    assert found.bound == "10 examples"
    assert asked == found.after + 10
    assert len(found.smallest.draft.flows) >= 3
    found = search(scope, judge(lambda draft: len(draft.flows) >= 3), Bounds(50, seconds=0.0))
    assert found is not None
    assert found.bound == "0 s"


def test_what_fails_once_and_never_again_is_found_and_called_unstable(scope: Scope) -> None:
    failed: list[Draft] = []

    def once(draft: Draft) -> bool:
        if failed or len(draft.flows) < 3:
            return False
        failed.append(draft)
        return True

    found = search(scope, judge(once), Bounds(50))
    assert found is not None
    assert found.unstable
    assert found.smallest.draft == failed[0]


def test_shrinking_does_not_slip_to_a_failure_of_another_kind(scope: Scope) -> None:
    def two_faults(draft: Draft) -> Failure | None:
        if len(draft.flows) >= 4:
            return failing(draft)
        return failing(draft, Symptom.DENIES) if draft.flows else None

    found = search(scope, two_faults, Bounds(50))
    assert found is not None
    if found.first.judgement.symptoms == {Symptom.ADMITS}:
        assert len(found.smallest.draft.flows) == 4
    assert found.smallest.judgement.symptoms == found.first.judgement.symptoms


def test_what_cannot_be_asked_is_passed_over_and_ends_a_search_that_learns_nothing(scope: Scope) -> None:
    def sometimes(draft: Draft) -> bool:
        if any(flow.family == 6 for flow in draft.flows[:1]):
            raise NothingLearnt("a frame was lost")
        return False

    observer = Silent()
    Search(judge(sometimes), Bounds(15), observer).run(drafts(scope), 1)
    assert observer.said[0] == "an example could not be asked: a frame was lost"

    def never(draft: Draft) -> Failure | None:
        raise NothingLearnt("the lab is gone")

    with pytest.raises(NothingLearnt, match="the lab is gone"):
        search(scope, never, Bounds(100))


def test_an_interrupt_and_an_error_of_the_program_leave_the_search_at_once(scope: Scope) -> None:
    for error in (KeyboardInterrupt, ZeroDivisionError):
        asked = 0

        def broken(draft: Draft, error: type[BaseException] = error) -> Failure | None:
            nonlocal asked
            asked += 1
            raise error

        with pytest.raises(error):
            search(scope, broken, Bounds(100))
        assert asked == 1
