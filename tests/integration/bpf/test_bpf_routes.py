"""The kernel's program finds the first match that a request may meet, and draws by weight."""

import struct
from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from harness.lab.build import BPF_SOURCES, bpf_object
from harness.mesh.l7choices import Plan, Rules
from harness.mesh.l7fronts import Asked, Front, FrontRoute
from harness.mesh.l7law import Target
from harness.mesh.l7layout import TUPLE, U32, Pair, RequestRule, SlowRoute
from harness.mesh.l7routetables import MAPS, RouteTables
from harness.mesh.objects import load

CLIENT, SERVICE = "10.0.0.9", "172.20.0.1"
UNREAD, NO_UPSTREAM = 2**32 - 1, 2**32 - 5
SETUP = struct.Struct(f"={TUPLE.size}sIIIIII")
"""tuple, table, whether it asks for headers; found: table, list of shares, their count"""

DRAWS = 20_000


class Bench:
    def __init__(self) -> None:
        self._loaded = load(bpf_object(BPF_SOURCES / "route_bench.bpf.c"))
        self._maps = self._loaded.maps
        self._numbers = count(1)
        self._tables = RouteTables({name: self._maps[name] for name in MAPS}, self._numbers, self._set)

    def close(self) -> None:
        self._loaded.close()

    def held(self) -> int:
        return sum(len(list(self._maps[name].keys())) for name in MAPS)

    def _set(self, rules: Rules) -> int:
        number = next(self._numbers)
        for rule in rules:
            self._maps["l7_rules"].put(rule.key(number), U32.pack(1))
        return number

    def put(self, front: Front, target: Target) -> None:
        """Nothing else is in force."""
        drop = self._tables.renewed()
        table = Plan(front).table(CLIENT, lambda client, end: target)
        meant = Pair(CLIENT, SERVICE, 80).connection(4711)
        self._maps["route_setup"].put(
            U32.pack(0), SETUP.pack(meant, self._tables.number(table), bool(table.headers), 0, 0, 0, 0)
        )
        drop()

    def ask(self, said: bytes) -> int:
        """``enum l7_count``; ``UNREAD`` where the head is none that the kernel understands."""
        return self._loaded.programs["route"].test_run(said).code

    def free(self, *ports: int) -> None:
        """Backends have these ports, and each of them a free connection."""
        targets = self._maps["l7_targets"]
        targets.remove_many(list(targets.keys()))
        for port in ports:
            idle = struct.pack("=IIIIIIQ", 1, 0, 0, 1, 0, 0, 4711)
            targets.put(Pair(CLIENT, "10.0.0.1", port).pack(), idle.ljust(targets.value_size, b"\0"))

    def draw(self) -> int:
        return self._loaded.programs["draw_backend"].test_run(bytes(64)).code


@pytest.fixture(scope="module")
def bench(root: None) -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


elements = st.sampled_from(("a", "b", "ab"))
paths = st.lists(elements, max_size=3).map(lambda parts: "".join("/" + part for part in parts))
headers = st.tuples(
    st.sampled_from(("x-a", "x-b", "host", "x" * 31, "x" * 32)), st.sampled_from(("one", "two", "v" * 64, "v" * 65, None))
)
asked = st.builds(
    lambda path, exact, slash, method, some, query, certain: Asked(
        ((path or "/") + (slash if path else "") if exact else path) + "/", exact, method, tuple(some), query, certain
    ),
    paths,
    st.booleans(),
    st.sampled_from(("", "/")),
    st.sampled_from(("", "GET", "OPTIONS")),
    st.lists(headers, max_size=2, unique_by=lambda each: each[0]),
    st.booleans(),
    st.sampled_from((True, True, True, False)),
) | st.builds(Asked, st.sampled_from(("", "/a", "/")), certain=st.booleans())
routes = st.builds(
    lambda each, slow: FrontRoute(each, () if slow else ((1, ("10.0.0.1", 1)),), slow),
    asked,
    st.sampled_from((None, None, None, SlowRoute.FILTER, SlowRoute.TIMES)),
)
requests = st.tuples(
    st.sampled_from(("GET", "POST", "OPTIONS")),
    paths,
    st.sampled_from(("", "/", "?x=1", "/?x", "?")),
    st.lists(
        st.tuples(
            st.sampled_from(("x-a", "X-B", "x-c", "x" * 31, "x" * 32, "x" * 33)),
            st.sampled_from(("one", "two", "", "v" * 64, "v" * 65)),
        ),
        max_size=3,
    ),
    st.sampled_from(("one", "two", "web")),
)


def expected(front: Front, method: str, target: str, sent: list[tuple[str, str]]) -> int:
    """By reading the routes one after the other."""
    path, mark, _ = target.partition("?")
    asked_for = {name for route in front.routes for name, _ in route.asked.headers if askable(name)}
    names = [name.lower() for name, _ in sent if name.lower() in asked_for]
    told = {name.lower(): value for name, value in sent}
    if len(names) != len(set(names)):
        return SlowRoute.MATCH
    for route in front.routes:
        want = route.asked
        if not (f"{path}/" == want.path if want.exact else f"{path}/".startswith(want.path)):
            continue
        if want.method not in ("", method) or (want.query and not mark):
            continue
        needed = [(name, value if askable("", value) else None) for name, value in want.headers if askable(name)]
        if any(name not in told or value not in (None, told[name]) for name, value in needed):
            continue
        certain = want.certain and all(askable(name, value) for name, value in want.headers)
        return (route.slow or 0) if certain else SlowRoute.MATCH
    return SlowRoute.ANSWERED


def askable(name: str, value: str | None = None) -> bool:
    return len(name) <= 31 and len(value or "") <= 64


@settings(deadline=None, max_examples=1000, suppress_health_check=list(HealthCheck))
@given(st.lists(routes, max_size=8), requests)
def test_the_first_match_that_a_request_may_meet_decides(
    bench: Bench, some: list[FrontRoute], request: tuple[str, str, str, list[tuple[str, str]], str]
) -> None:
    method, path, end, sent, host = request
    front = Front(SERVICE, 80, None, tuple(some))
    bench.put(front, Target(None, None))
    target = (path or "/") + end
    sent = [("Host", host), *sent]
    said = "".join([f"{method} {target} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in sent), "\r\n"])
    wanted = UNREAD if target.startswith("//") else expected(front, method, target, sent)
    assert bench.ask(said.encode()) == wanted


GET = b"GET /a?b HTTP/1.1\r\nHost: web\r\n\r\n"
ANYTHING = Asked()


def test_a_request_must_meet_a_rule_of_each_set(bench: Bench) -> None:
    front = Front(SERVICE, 80, None, (FrontRoute(ANYTHING, ((1, ("10.0.0.1", 1)),)),))
    here, elsewhere = (frozenset({RequestRule(b"GET", path, True)}) for path in (b"/a?", b"/b"))
    found = []
    for target in (Target(here, None), Target(here, here), Target(here, elsewhere), Target(elsewhere, None)):
        bench.put(front, target)
        found.append(bench.ask(GET))
    assert found == [0, 0, SlowRoute.REFUSED, SlowRoute.REFUSED]


def test_what_was_in_force_is_taken_away(bench: Bench) -> None:
    front = Front(SERVICE, 80, None, (FrontRoute(Asked("/a/", headers=(("x", "1"),)), ((1, ("10.0.0.1", 1)),)),))
    bench.put(front, Target(None, None))
    held = bench.held()
    for _ in range(3):
        bench.put(front, Target(None, None))
    assert bench.held() == held


WEIGHTS = {1: 1, 2: 2, 3: 7, 4: 90}


def weighted(bench: Bench) -> None:
    shares = tuple((weight, ("10.0.0.1", port)) for port, weight in WEIGHTS.items())
    bench.put(Front(SERVICE, 80, None, (FrontRoute(ANYTHING, shares),)), Target(None, None))
    assert bench.ask(GET) == 0


def test_backends_are_drawn_by_their_weights(bench: Bench) -> None:
    weighted(bench)
    bench.free(*WEIGHTS)
    drawn = Counter(bench.draw() for _ in range(DRAWS))
    assert drawn.keys() <= WEIGHTS.keys()
    total = sum(WEIGHTS.values())
    found = chisquare([drawn[port] for port in WEIGHTS], [DRAWS * weight / total for weight in WEIGHTS.values()])
    assert found.pvalue > 1e-6


@pytest.mark.parametrize("missing", WEIGHTS)
def test_none_is_drawn_where_one_has_no_free_connection(bench: Bench, missing: int) -> None:
    """Also one that would have been drawn hardly ever: else those with few connections would get less than their shares."""
    weighted(bench)
    bench.free(*(WEIGHTS.keys() - {missing}))
    assert {bench.draw() for _ in range(50)} == {NO_UPSTREAM}
