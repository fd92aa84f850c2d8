"""What ``meshproof route`` does; its options are in ``route``, which imports none of this for --help."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.cli.status import say_not_judged
from harness.manifests.calls import load_calls
from harness.manifests.errors import Fault, ManifestError, quoted
from harness.manifests.objects import Loaded, load_manifests
from harness.manifests.topology import load_topology
from harness.model.route import HeaderChanges
from harness.model.routing import Call, Forwarded, RouteAnswer
from harness.model.topology import Topology
from harness.oracle.routing import Router
from harness.oracle.routing.message import message
from harness.report.routing import routing_json


def routed(manifests: Sequence[Path], topology: Path, requests: Path, *, strict: bool, as_json: bool) -> str:
    """The answers, as JSON or as a table; objects that are not judged are counted on standard error. Raises ManifestError."""
    objects, cluster, calls = _read(manifests, topology, requests, strict)
    say_not_judged([objects.not_judged])
    router = Router(objects.routing, cluster)
    answers = [(call, router.answer(call)) for call in calls]
    return routing_json([each for _, each in answers]) if as_json else _table(answers)


def _read(manifests: Sequence[Path], topology: Path, requests: Path, strict: bool) -> tuple[Loaded, Topology, list[Call]]:
    """All three kinds of files. Raises ManifestError with the faults of all of them, so that they can be mended at once.

    Requests are read once the other two are good: whom they name is known only then.
    """
    faults: list[Fault] = []
    objects, cluster = None, None
    try:
        objects = load_manifests(manifests, strict=strict, services=True)
    except ManifestError as error:
        faults += error.faults
    try:
        cluster = load_topology(topology)
    except ManifestError as error:
        faults += error.faults
    if objects is None or cluster is None:
        raise ManifestError(faults)
    return objects, cluster, load_calls(requests, cluster, objects.routing)


def _table(answers: Sequence[tuple[Call, Sequence[RouteAnswer]]]) -> str:
    """Each request, and below it what may become of it, with its share."""
    lines: list[str] = []
    for call, several in answers:
        lines.append(str(call))
        total = sum(each.weight for each in several)
        for each in several:
            share = f"{100 * each.weight / total:.4g} %"
            rule = "" if each.rule is None else f"  ({each.rule})"
            lines.append(f"  {share:>7}  {_what(each)}{rule}")
            lines += (f"           {more}" for more in _more(each, call))
    return "\n".join(each if each.isprintable() else quoted(each) for each in lines)


def _what(given: RouteAnswer) -> str:
    if isinstance(given, Forwarded):
        return f"{given.backend}:{given.port}  {given.path}"
    return f"{given.status}: {given.reason}"


def _more(given: RouteAnswer, call: Call) -> Iterator[str]:
    """What else there is to say of an answer."""
    yield from _headers(given.headers)
    if not isinstance(given, Forwarded):
        return
    if given.host != message(call).host:
        yield f"Host: {given.host}"
    for changes in given.response:
        yield from _changes(changes)
    for copy in given.mirrors:
        yield f"copy to {copy.backend}:{copy.port} of {copy.numerator} in {copy.denominator}"
    if given.timeouts is not None:
        yield f"timeouts: {_written({'request': given.timeouts.request, 'backendRequest': given.timeouts.backend_request})}"
    if given.retry is not None:
        codes = None if given.retry.codes is None else " ".join(map(str, given.retry.codes))
        yield f"retry: {_written({'codes': codes, 'attempts': given.retry.attempts, 'backoff': given.retry.backoff})}"
    if given.traffic is not None:
        yield f"under BackendTrafficPolicy {given.traffic.ref} ({given.traffic.origin})"


def _headers(headers: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}: {value}" for name, value in headers.items())


def _changes(changes: HeaderChanges) -> Iterator[str]:
    yield from (f"response sets {each.name}: {each.value}" for each in changes.set or ())
    yield from (f"response adds {each.name}: {each.value}" for each in changes.add or ())
    yield from (f"response loses {name}" for name in changes.remove or ())


def _written(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fields.items() if value is not None) or "defaults"
