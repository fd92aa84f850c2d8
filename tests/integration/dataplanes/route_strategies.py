"""Routes of Services, and requests to them, for hypothesis: of few names, so that they meet."""

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from harness.model.origin import Origin
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.route import (
    BackendObject,
    BackendRef,
    Filter,
    GRPCMethodMatch,
    GRPCRoute,
    GRPCRouteMatch,
    GRPCRouteRule,
    HeaderChanges,
    HTTPHeader,
    HTTPRoute,
    HTTPRouteMatch,
    HTTPRouteRule,
    ParentReference,
    PathMatch,
    PathModifier,
    RequestHeaderModifier,
    RequestRedirect,
    ResponseHeaderModifier,
    URLRewrite,
    ValueMatch,
)
from harness.model.routing import Call

HERE = Origin("routes.yaml", 1)
BACKENDS = ("v1", "v2", "all", "nobody", "missing")
WHEN = (None, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")

elements = st.sampled_from(("a", "b", "ab", "A"))
paths = st.lists(elements, max_size=3).map(lambda parts: "/" + "/".join(parts))
slashed = st.builds(lambda path, slash: path + slash if path != "/" else path, paths, st.sampled_from(("", "/")))
names = st.sampled_from(("x-a", "X-B", "x-c"))
values = st.sampled_from(("one", "two", "one,two", "100%"))
value_matches = st.builds(ValueMatch, names, values, st.sampled_from((None, "Exact"))) | st.builds(
    ValueMatch, names, st.sampled_from(("o.*", "one|two")), st.just("RegularExpression")
)
parameters = st.builds(ValueMatch, st.sampled_from(("q", "p")), st.sampled_from(("one", "two", "")).filter(bool))


@composite
def changes(draw: DrawFn, some: Sequence[str]) -> HeaderChanges:
    """No name twice, as the reference demands of one filter."""
    chosen = draw(st.lists(st.sampled_from(some), max_size=3, unique_by=str.lower))
    kinds = [draw(st.sampled_from(("set", "add", "remove"))) for _ in chosen]

    def headers(wanted: str) -> tuple[HTTPHeader, ...] | None:
        return tuple(HTTPHeader(name, draw(values)) for name, kind in zip(chosen, kinds, strict=True) if kind == wanted) or None

    gone = tuple(name for name, kind in zip(chosen, kinds, strict=True) if kind == "remove") or None
    return HeaderChanges(headers("set"), headers("add"), gone)


@composite
def path_modifiers(draw: DrawFn, prefix: bool) -> PathModifier | None:
    kind = draw(st.sampled_from((None, "ReplaceFullPath", *(["ReplacePrefixMatch"] if prefix else []))))
    if kind is None:
        return None
    new = draw(slashed)
    return PathModifier(kind, new) if kind == "ReplaceFullPath" else PathModifier(kind, None, draw(st.just("") | st.just(new)))


@composite
def filters(draw: DrawFn, prefix: bool, rewriting: bool = True) -> tuple[Filter, ...]:
    """None twice, and no redirect beside a rewrite. ``prefix``: the match is one that a filter may replace."""
    found: list[Filter] = []
    kind = draw(st.sampled_from(("", "", "rewrite", "redirect"))) if rewriting else ""
    if draw(st.booleans()):
        found.append(RequestHeaderModifier(HERE, draw(changes(("x-a", "X-B", "x-new", "X-Forwarded-Proto")))))
    if kind == "rewrite":
        host = draw(st.sampled_from((None, "new.example")))
        found.append(URLRewrite(HERE, host, draw(path_modifiers(prefix))))
    if draw(st.booleans()):
        found.append(ResponseHeaderModifier(HERE, draw(changes(("x-r", "X-S")))))
    if kind == "redirect":
        scheme, port = draw(st.sampled_from((None, "http", "https"))), draw(st.sampled_from((None, 80, 8443)))
        code = draw(st.sampled_from((None, 301, 302, 303, 307, 308)))
        host = draw(st.sampled_from((None, "other.example")))
        found.append(RequestRedirect(HERE, scheme, host, draw(path_modifiers(prefix)), port, code))
    return tuple(found)


@composite
def backend_refs(draw: DrawFn) -> tuple[BackendRef, ...]:
    chosen = draw(st.lists(st.sampled_from(BACKENDS), max_size=3))
    return tuple(
        BackendRef(
            BackendObject(HERE, name, namespace="shop", port=draw(st.sampled_from((80, 80, 80, 81)))),
            draw(st.none() | st.integers(0, 3)),
            draw(st.none() | filters(prefix=False, rewriting=False)),
        )
        for name in chosen
    )


@composite
def http_rules(draw: DrawFn) -> HTTPRouteRule:
    matches = []
    for _ in range(draw(st.integers(0, 2))):
        path = draw(
            st.none()
            | st.builds(PathMatch, st.sampled_from((None, "Exact", "PathPrefix")), slashed)
            | st.builds(PathMatch, st.just("RegularExpression"), st.sampled_from(("/a.*", "/[ab]+", ".*b")))
        )
        asked = tuple(draw(st.lists(value_matches, max_size=2))) or None
        params = tuple(draw(st.lists(parameters, max_size=1))) or None
        matches.append(HTTPRouteMatch(HERE, path, asked, params, draw(st.sampled_from((None, None, "GET", "POST")))))
    prefix = len(matches) == 1 and matches[0].path is not None and matches[0].path.type in (None, "PathPrefix")
    line = Origin("routes.yaml", draw(st.integers(2, 1 << 30)))
    return HTTPRouteRule(line, None, tuple(matches) or None, draw(filters(prefix)), draw(backend_refs()))


@composite
def grpc_rules(draw: DrawFn) -> GRPCRouteRule:
    method = draw(
        st.none()
        | st.builds(
            GRPCMethodMatch, st.just("Exact"), st.sampled_from(("pkg.S", "pkg.T")), st.sampled_from((None, "Get", "Put"))
        )
        | st.builds(GRPCMethodMatch, st.none(), st.none(), st.sampled_from(("Get", "Put")))
        | st.builds(GRPCMethodMatch, st.just("RegularExpression"), st.just("pkg[.][A-S]"), st.sampled_from((None, "G.*")))
    )
    asked = tuple(draw(st.lists(value_matches, max_size=2))) or None
    line = Origin("routes.yaml", draw(st.integers(2, 1 << 30)))
    changing = draw(filters(prefix=False, rewriting=False))
    return GRPCRouteRule(line, None, (GRPCRouteMatch(HERE, method, asked),), changing, draw(backend_refs()))


@composite
def http_routes(draw: DrawFn) -> tuple[HTTPRoute, ...]:
    """Of Service ``shop/web``; some are consumer routes."""
    count = draw(st.integers(1, 3))
    return tuple(
        HTTPRoute(
            HERE,
            f"r{number}",
            draw(st.sampled_from(("shop", "shop", "consumer"))),
            (ParentReference(HERE, "web", "", "Service", "shop", port=draw(st.sampled_from((None, 80)))),),
            None,
            tuple(draw(st.lists(http_rules(), min_size=1, max_size=3))),
            draw(st.sampled_from(WHEN)),
        )
        for number in range(count)
    )


@composite
def grpc_routes(draw: DrawFn) -> tuple[GRPCRoute, ...]:
    parent = ParentReference(HERE, "web", "", "Service")
    some = tuple(draw(st.lists(grpc_rules(), min_size=1, max_size=3)))
    return (GRPCRoute(HERE, "g", "shop", (parent,), None, some, None),)


sent_headers = st.lists(st.tuples(names, values), max_size=3).map(tuple)
clients = st.sampled_from(("shop/client", "consumer/client", "shop/v2"))
targets = st.builds(
    lambda path, query: path + query, slashed, st.sampled_from(("", "?q=one", "?q=two&p=one", "?p=two&q=one", "?q=one&q=two"))
)
http_calls = st.builds(
    lambda client, method, path, host, headers: Call(client, "shop/web", 80, HTTPRequest(method, path, host, headers)),
    clients,
    st.sampled_from(("GET", "GET", "POST")),
    targets,
    st.sampled_from(("web", "Web.Example:80", "[fd00::1]:80")),
    sent_headers,
)
grpc_calls = st.builds(
    lambda client, method, headers: Call(client, "shop/web", 80, GRPCRequest(method, "web", headers)),
    clients,
    st.sampled_from(("pkg.S/Get", "pkg.T/Get", "pkg.S/Put", "pkg.U/Go")),
    sent_headers,
)
