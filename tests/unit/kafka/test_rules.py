"""The proxy's judgement against the oracle's, which was written apart from it."""

from hypothesis import given
from hypothesis import strategies as st

from harness.dataplanes.kafka_laws import rules_of
from harness.kafka import protocol, rules
from harness.kafka.reading import Asked
from harness.kafka.rules import Allowance, Law, Ports, Refusal, Side
from harness.model.cilium import KafkaRule
from harness.model.kafka import VERSIONS
from harness.model.origin import Origin
from harness.model.request import KafkaRequest
from harness.oracle.direct import kafka

HERE = Origin("policy.yaml", 1)
CLIENT, BROKER = "10.0.0.1", "10.0.0.2"
APIS = (
    "produce",
    "fetch",
    "metadata",
    "apiversions",
    "heartbeat",
    "findcoordinator",
    "createtopics",
    "offsets",
    "describeconfigs",
)
WITH_TOPICS = {"produce", "fetch", "metadata", "createtopics", "offsets"}
TOPICS = ("orders", "payments", "audit")
OLD_AND_NEW = {api: (VERSIONS[api].start, VERSIONS[api].stop - 1) for api in APIS}
"""The proxy's law is asked of versions that it can read alone; of others the oracle says that no rule takes them."""

written_rules = st.builds(
    KafkaRule,
    st.just(HERE),
    st.sampled_from((None, "produce", "Consume")),
    st.none(),
    st.sampled_from((None, "0", "4")),
    st.sampled_from((None, "", "me")),
    st.sampled_from((None, *TOPICS)),
) | st.builds(
    KafkaRule,
    st.just(HERE),
    st.none(),
    st.sampled_from((None, "", "Fetch", *APIS)),
    st.sampled_from((None, "", "4")),
    st.sampled_from((None, "me", "you")),
    st.sampled_from((None, "", *TOPICS)),
)


@st.composite
def asked_requests(draw: st.DrawFn) -> tuple[KafkaRequest, Asked]:
    api = draw(st.sampled_from(APIS))
    may = api in WITH_TOPICS or api == "describeconfigs"
    topics = tuple(draw(st.sets(st.sampled_from(TOPICS)))) if may else ()
    version, client = draw(st.sampled_from(OLD_AND_NEW[api])), draw(st.sampled_from((None, "me")))
    key = {
        "produce": 0,
        "fetch": 1,
        "offsets": 2,
        "metadata": 3,
        "findcoordinator": 10,
        "heartbeat": 12,
        "apiversions": 18,
        "describeconfigs": 32,
    }
    asked = Asked(key.get(api, 19), version, 1, client, frozenset(topics), api in WITH_TOPICS or bool(topics), None)
    return KafkaRequest(api, version, topics, client), asked


def ports(*allowances: Allowance, side: Side = Side.INGRESS, isolated: bool = True) -> Ports:
    pod = BROKER if side is Side.INGRESS else CLIENT
    return Ports(side, frozenset((pod,)), 9092, 9092, isolated, allowances, "policy.yaml:1")


@given(asked_requests(), st.lists(written_rules, max_size=4))
def test_rules_take_what_the_oracle_says(pair: tuple[KafkaRequest, Asked], written: list[KafkaRule]) -> None:
    request, asked = pair
    law = Law([ports(Allowance("policy.yaml:1", rules=tuple(map(rules_of, written))))])
    assert (law.refusal(CLIENT, BROKER, 9092, asked) is None) == (kafka.deciding(written, request) is not None)


PRODUCE = Asked(0, 7, 1, None, frozenset(("orders",)), True, None)
ALL, NOTHING = Allowance("a:1"), Allowance("a:2", rules=())


def test_both_ends_are_asked_and_the_one_that_refuses_is_named() -> None:
    for side in Side:
        other = next(each for each in Side if each is not side)
        law = Law([ports(ALL, side=other), ports(NOTHING, side=side)])
        assert law.refusal(CLIENT, BROKER, 9092, PRODUCE) == Refusal(side, "policy.yaml:1")
    assert Law([ports(ALL), ports(ALL, side=Side.EGRESS)]).refusal(CLIENT, BROKER, 9092, PRODUCE) is None


def test_denials_win_and_peers_are_told_apart() -> None:
    denial = Allowance("a:3", ("10.0.0.0/24",), ("10.0.0.9",), denies=True)
    law = Law([ports(ALL, denial)])
    assert law.refusal(CLIENT, BROKER, 9092, PRODUCE) is not None
    assert law.refusal("10.0.0.9", BROKER, 9092, PRODUCE) is None
    assert law.refusal("10.1.0.1", BROKER, 9092, PRODUCE) is None


def test_what_nothing_is_said_about_depends_on_isolation() -> None:
    other = Allowance("a:3", ("10.9.9.9",))
    assert Law([ports(other)]).refusal(CLIENT, BROKER, 9092, PRODUCE) is not None
    assert Law([ports(other, isolated=False)]).refusal(CLIENT, BROKER, 9092, PRODUCE) is None
    assert Law([ports(other)]).refusal(CLIENT, BROKER, 9093, PRODUCE) is None, "of other ports nothing is said"


def test_laws_are_the_same_after_they_were_written_and_read() -> None:
    said = [ports(ALL, NOTHING, Allowance("b:1", ("::/0",), ("fd00::1",), rules=(rules.Rule(("fetch",), 1, "me", "orders"),)))]
    assert protocol.laws(protocol.line([said, []])) == [said, []]
