"""Misreadings of what a rule of a route does with requests: filters, backends, limits of time, retries."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from harness.model.route import (
    BackendRef,
    Filter,
    GRPCRouteRule,
    HeaderChanges,
    HTTPRouteRule,
    PathModifier,
    RequestHeaderModifier,
    RequestMirror,
    RequestRedirect,
    ResponseHeaderModifier,
    Retry,
    Timeouts,
    URLRewrite,
)
from harness.oracle.misreadings.change import Misreading, amount, each_of, spliced

_Rule = TypeVar("_Rule", HTTPRouteRule, GRPCRouteRule)


def http_rule(written: HTTPRouteRule) -> Iterator[Misreading[HTTPRouteRule]]:
    """A rule of an HTTPRoute, but for its matches."""
    yield from _actions("HTTPRoute", written)
    if written.timeouts is not None:
        for change in _timeouts(written.timeouts):
            yield change.inside(lambda instead: replace(written, timeouts=instead))
    if written.retry is not None:
        for retry in _retry(written.retry):
            yield retry.inside(lambda instead: replace(written, retry=instead))


def grpc_rule(written: GRPCRouteRule) -> Iterator[Misreading[GRPCRouteRule]]:
    """The same of a GRPCRoute."""
    yield from _actions("GRPCRoute", written)


def _actions(kind: str, written: _Rule) -> Iterator[Misreading[_Rule]]:
    for change in _filters(f"{kind} filters", written.filters):
        yield change.inside(lambda instead: replace(written, filters=instead))
    refs = written.backend_refs or ()
    for place, ref in enumerate(refs):
        put = spliced(refs, place)
        value = f"one of {amount(refs)}"
        yield Misreading(f"{kind} backendRefs", value, "not there", replace(written, backend_refs=put(())))
        for one in _ref(f"{kind} backendRefs", ref, len(refs)):
            yield Misreading(one.field, one.value, one.taken, replace(written, backend_refs=put((one.instead,))))
    if len({each.weight for each in refs}) > 1:
        even = tuple(replace(each, weight=None) for each in refs)
        yield Misreading(f"{kind} backendRefs.weight", "different", "not looked at", replace(written, backend_refs=even))


def _ref(field: str, written: BackendRef, beside: int) -> Iterator[Misreading[BackendRef]]:
    many = ", several" if beside > 1 else ", alone"
    if written.weight == 0:
        yield Misreading(f"{field}.weight", f"0{many}", "1", replace(written, weight=1))
    elif written.weight is None and beside > 1:
        yield Misreading(f"{field}.weight", "absent", "0", replace(written, weight=0))
        yield Misreading(f"{field}.weight", "absent", "100", replace(written, weight=100))
    if written.backend.namespace is not None:
        here = replace(written, backend=replace(written.backend, namespace=None))
        yield Misreading(f"{field}.namespace", "written", "the route's own", here)
    if written.backend.kind not in (None, "Service"):
        service = replace(written, backend=replace(written.backend, kind=None, group=None))
        yield Misreading(f"{field}.kind", "another", "Service", service)
    for change in _filters(f"{field}.filters", written.filters):
        yield change.inside(lambda instead: replace(written, filters=instead))


def _filters(field: str, written: Sequence[Filter] | None) -> Iterator[Misreading[tuple[Filter, ...]]]:
    filters = tuple(written or ())
    for place, each in enumerate(filters):
        yield Misreading(f"{field} {type(each).__name__}", amount(filters), "not there", spliced(filters, place)(()))
    yield from each_of(filters, lambda one: _filter(field, one))
    if len(filters) > 1:
        yield Misreading(field, "several", "the first alone", filters[:1])


def _filter(field: str, written: Filter) -> Iterator[Misreading[Filter]]:
    field = f"{field} {type(written).__name__}"
    match written:
        case RequestHeaderModifier() | ResponseHeaderModifier():
            for change in _changes(field, written.changes):
                yield Misreading(change.field, change.value, change.taken, replace(written, changes=change.instead))
        case URLRewrite():
            yield from _without(field, written, ("hostname", "path"))
            yield from _other_path(field, written, written.path)
        case RequestRedirect():
            yield from _without(field, written, ("scheme", "hostname", "path", "port", "status_code"))
            yield from _other_path(field, written, written.path)
        case RequestMirror():
            if written.percent is not None or written.fraction is not None:
                part = "percent" if written.percent is not None else "fraction"
                yield Misreading(f"{field}.{part}", "written", "all", replace(written, percent=None, fraction=None))


def _without(field: str, written: Any, names: Sequence[str]) -> Iterator[Misreading[Filter]]:
    others = [name for name in names if getattr(written, name) is not None]
    for name in others:
        value = str(getattr(written, name)) if name in ("status_code", "scheme") else "written"
        beside = f" beside {', '.join(each for each in others if each != name)}" if len(others) > 1 else ""
        yield Misreading(f"{field}.{name}", f"{value}{beside}", "not there", replace(written, **{name: None}))


def _other_path(field: str, written: Any, path: PathModifier | None) -> Iterator[Misreading[Filter]]:
    """A prefix taken for the whole path; the other way round the new path would stand before the old one."""
    if path is None:
        return
    new = path.replace_full_path or path.replace_prefix_match or ""
    prefix = path.type == "ReplacePrefixMatch"
    other = PathModifier("ReplaceFullPath", new or "/") if prefix else PathModifier("ReplacePrefixMatch", None, new)
    slash = ", a slash at its end" if new.endswith("/") and new != "/" else ", nothing" if not new else ""
    yield Misreading(f"{field}.path", f"{path.type}{slash}", other.type, replace(written, path=other))


def _changes(field: str, written: HeaderChanges) -> Iterator[Misreading[HeaderChanges]]:
    if written.set:
        added = replace(written, set=None, add=(*(written.add or ()), *written.set))
        yield Misreading(f"{field}.set", "written", "not there", replace(written, set=None))
        yield Misreading(f"{field}.set", "written", "add", added)
    if written.add:
        set_ = replace(written, add=None, set=(*(written.set or ()), *written.add))
        yield Misreading(f"{field}.add", "written", "not there", replace(written, add=None))
        yield Misreading(f"{field}.add", "written", "set", set_)
    if written.remove:
        yield Misreading(f"{field}.remove", "written", "not there", replace(written, remove=None))


def _timeouts(written: Timeouts) -> Iterator[Misreading[Timeouts]]:
    both = ", both" if written.request is not None and written.backend_request is not None else ""
    for name in ("request", "backend_request"):
        value = getattr(written, name)
        if value is not None:
            field = f"HTTPRoute timeouts.{name}"
            zero = value.strip("0") in ("h", "m", "s", "ms")
            kind = ("zero" if zero else "limited") + both
            yield Misreading(field, kind, "1ms" if zero else "none", replace(written, **{name: "1ms" if zero else None}))
            if not zero:
                tenth = replace(written, **{name: f"{max(1, int(_milliseconds(value) / 10))}ms"})
                yield Misreading(field, kind, "a tenth", tenth)


def _milliseconds(written: str) -> float:
    number = float(written.rstrip("hms"))
    return number * {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}[written.lstrip("0123456789.")]


def _retry(written: Retry) -> Iterator[Misreading[Retry | None]]:
    yield Misreading("HTTPRoute retry", "written", "not there", None)
    codes = written.codes or ()
    if codes:
        yield Misreading("HTTPRoute retry.codes", amount(codes), "any error", replace(written, codes=tuple(range(400, 600))))
    if len(codes) > 1:
        yield Misreading("HTTPRoute retry.codes", "several", "the first alone", replace(written, codes=codes[:1]))
    if written.attempts is not None:
        more, fewer = replace(written, attempts=written.attempts + 1), replace(written, attempts=written.attempts - 1)
        yield Misreading("HTTPRoute retry.attempts", str(written.attempts), "one more", more)
        yield Misreading("HTTPRoute retry.attempts", str(written.attempts), "one less", fewer)
