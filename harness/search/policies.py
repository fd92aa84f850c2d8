"""Strategies of hypothesis for NetworkPolicies, and for what all kinds of policies have.

hypothesis makes choices smaller and fewer, so 0 and what stands first is always what is simplest to read.
"""

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy, composite

from harness.model.origin import Origin
from harness.model.policy import IPBlock, LabelSelector, NetworkPolicy, Peer, PolicyPort, Requirement, Rule
from harness.search.vocabulary import NAME_LABEL, Vocabulary

T = TypeVar("T")


@composite
def several(draw: DrawFn, element: SearchStrategy[T], low: int, high: int) -> tuple[T, ...]:
    """Tuples of ``low`` to ``high`` elements.

    Each is there or not by a choice of its own, which hypothesis takes back at once. Of a list it deletes a few choices at
    a time, and with a long element before the one that matters it ends with both.
    """
    drawn = [draw(st.none() | element) for _ in range(high)]
    some = tuple(each for each in drawn if each is not None)
    return some if len(some) >= low else (*some, *(draw(element) for _ in range(low - len(some))))


def seldom(value: SearchStrategy[T]) -> SearchStrategy[T | None]:
    """None, in two of three draws."""
    return st.one_of(st.none(), st.none(), value)


class Lines:
    """Hands out lines, so that every rule has a place of its own to be told by."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> Origin:
        """The line after the last."""
        self._last += 1
        return Origin("generated.yaml", self._last)


@composite
def selectors(draw: DrawFn, keys: Sequence[str], values: Sequence[str]) -> LabelSelector:
    """Label selectors, a quarter of them with expressions."""
    labels = draw(st.dictionaries(st.sampled_from(keys), st.sampled_from(values), max_size=1))
    if draw(st.integers(0, 3)) == 3:
        return LabelSelector(labels, draw(several(requirements(keys, values), 1, 2)))
    return LabelSelector(labels)


def requirements(keys: Sequence[str], values: Sequence[str]) -> SearchStrategy[Requirement]:
    """Entries of ``matchExpressions``."""
    listed = st.builds(
        Requirement, st.sampled_from(keys), st.sampled_from(("In", "NotIn")), several(st.sampled_from(values), 1, 2)
    )
    return listed | st.builds(Requirement, st.sampled_from(keys), st.sampled_from(("Exists", "DoesNotExist")))


@composite
def policy_ports(draw: DrawFn, words: Vocabulary, lines: Lines) -> PolicyPort:
    """Entries of a NetworkPolicy's ``ports``."""
    numbers = st.sampled_from(words.ports)
    port = draw(st.none() | numbers | numbers | st.sampled_from(words.names))
    end = draw(st.none() | st.integers(0, 400)) if isinstance(port, int) else None
    protocol = draw(st.sampled_from((None, "TCP", "UDP")))
    return PolicyPort(lines.next(), protocol, port, None if end is None or not isinstance(port, int) else port + end)


@composite
def peers(draw: DrawFn, words: Vocabulary, lines: Lines) -> Peer:
    """Entries of ``from`` and ``to``."""
    kind = draw(st.integers(0, 3))
    if kind == 3:
        cidr, hole = draw(st.sampled_from(words.blocks))
        return Peer(lines.next(), ip_block=IPBlock(cidr, (hole,) if draw(st.booleans()) else ()))
    pods = draw(selectors(words.keys, words.values)) if kind != 1 else None
    of_namespaces = selectors((*words.keys, NAME_LABEL), (*words.values, *words.namespaces))
    return Peer(lines.next(), pods, draw(of_namespaces) if kind != 0 else None)


@composite
def rules(draw: DrawFn, words: Vocabulary, lines: Lines) -> Rule:
    """Entries of ``ingress`` and ``egress``."""
    some = draw(seldom(several(peers(words, lines), 0, 2)) | several(peers(words, lines), 1, 2))
    return Rule(lines.next(), some, draw(st.none() | several(policy_ports(words, lines), 0, 2)))


@composite
def network_policies(draw: DrawFn, words: Vocabulary, lines: Lines) -> NetworkPolicy:
    """NetworkPolicies, all of one name."""
    types = draw(st.sampled_from((None, None, (), ("Ingress",), ("Egress",), ("Ingress", "Egress"))))
    some_rules = st.none() | several(rules(words, lines), 0, 2) | several(rules(words, lines), 1, 2)
    namespace, selector = st.sampled_from(words.namespaces), selectors(words.keys, words.values)
    return NetworkPolicy(lines.next(), "p", draw(namespace), draw(selector), types, draw(some_rules), draw(some_rules))
