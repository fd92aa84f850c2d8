"""What harness and agent say to each other arrives as it was said, however the socket cuts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.mesh.l7fronts import Asked, Front, FrontRoute
from harness.mesh.l7law import Clause, Law, Says, Section
from harness.mesh.l7layout import RequestRule, SlowRoute
from harness.mesh.l7messages import Done, Failed, Forget, Judge, Message, Messages, Trouble, Unreadable, line

ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"])
NETWORKS = st.lists(st.sampled_from(["10.0.0.0/8", "10.0.0.1/32", "::/0"]), max_size=2).map(tuple)
RULES = st.builds(RequestRule, st.sampled_from([b"", b"GET"]), st.sampled_from([b"", b'/a"\\', b"/b"]), st.booleans())
CLAUSES = st.builds(Clause, st.sampled_from(Says), st.none() | NETWORKS, NETWORKS, st.frozensets(RULES, max_size=3))
SECTIONS = st.builds(
    Section,
    st.booleans(),
    st.frozensets(ADDRESSES),
    st.integers(0, 80),
    st.integers(80, 65535),
    st.booleans(),
    st.lists(CLAUSES, max_size=2).map(tuple),
)
ASKED = st.builds(
    Asked,
    st.sampled_from(["", "/a/", '/"']),
    st.booleans(),
    st.sampled_from(["", "GET"]),
    st.lists(st.tuples(st.sampled_from(["x-a", "host"]), st.sampled_from(["", "1", None])), max_size=2).map(tuple),
    st.booleans(),
    st.booleans(),
)
SHARES = st.lists(st.tuples(st.integers(1, 9), st.tuples(ADDRESSES, st.integers(1, 65535))), max_size=2).map(tuple)
ROUTES = st.builds(FrontRoute, ASKED, SHARES, st.none() | st.sampled_from(SlowRoute))
FRONTS = st.builds(
    Front,
    ADDRESSES,
    st.integers(1, 65535),
    st.none() | st.frozensets(ADDRESSES),
    st.lists(ROUTES, max_size=2).map(tuple),
)
SOME_SECTIONS = st.lists(SECTIONS, max_size=2).map(tuple)
LAWS = st.builds(
    Law,
    SOME_SECTIONS,
    st.frozensets(ADDRESSES),
    st.frozensets(ADDRESSES),
    st.lists(FRONTS, max_size=2).map(tuple),
    SOME_SECTIONS,
)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Judge, st.integers(0, 2**32 - 1), LAWS),
    st.builds(Forget, st.lists(ADDRESSES).map(tuple)),
    st.just(Done()),
    st.builds(Failed, st.text()),
    st.builds(Trouble, st.text()),
)


@given(st.lists(MESSAGES, max_size=4), st.integers(1, 200))
def test_messages_arrive_as_they_were_said(said: list[Message], size: int) -> None:
    data = b"".join(map(line, said))
    received = Messages()
    heard = [message for at in range(0, len(data), size) for message in received.of(data[at : at + size])]
    assert heard == said


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"7",
        b"[]",
        b"{}",
        b'{"done":null,"failed":""}',
        b'{"sing":1}',
        b"\xff",
        b'{"judge":{"generation":1}}',
        b'{"forget":7}',
    ],
)
def test_what_is_no_message_is_refused(said: bytes) -> None:
    with pytest.raises(Unreadable, match="is no message"):
        list(Messages().of(said + b"\n"))
