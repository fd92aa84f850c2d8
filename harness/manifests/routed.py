"""Requests to Services and Gateways in conformance cases, and what must become of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from harness.manifests.calls import CallShape, call_of, places_of
from harness.manifests.document import Document, Step
from harness.manifests.errors import Fault, found, quoted, suggestion
from harness.manifests.flows import PodRef
from harness.manifests.gateway_fields import HeaderName
from harness.manifests.grpc import GRPCCallShape
from harness.manifests.matrix import FAMILIES
from harness.manifests.shape import Shape, wrong
from harness.model.call import STATUSES
from harness.model.flow import is_pod
from harness.model.request import GRPCRequest, HTTPRequest
from harness.model.routed import TELLS_NOTHING, Asked, Copies, RoutedExpectation, Share, Told
from harness.model.routing import Call, Routing
from harness.model.topology import Topology

MOST = 1000
"""How many times a request may be asked."""

TOGETHER = 100
"""How many times it may be asked at one time."""

_HEADERS = 1000  # characters of headers that a server is told to answer with
_OWN = "probe"  # what names of headers begin with by which lab and servers understand each other
_SEPARATOR = "|"


def _status(written: object) -> int | str:
    if isinstance(written, int) and not isinstance(written, bool) and 200 <= written <= 599:
        return written
    if isinstance(written, str) and written in STATUSES:
        return written
    hint = suggestion(written, STATUSES) if isinstance(written, str) else ""
    raise wrong(f"want a status, 200 to 599, or of gRPC a name such as UNAVAILABLE, found {found(written)}{hint}")


_Status = Annotated[
    int | str,
    BeforeValidator(_status),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 200, "maximum": 599}, {"enum": list(STATUSES)}]}),
]
_Pods = Annotated[list[PodRef], Field(min_length=1)]
_Weight = Annotated[int, Field(ge=1, le=1_000_000)]
_Names = Mapping[HeaderName, str | None]
_Seconds = Annotated[float, Field(gt=0, le=60)]
_Number = Annotated[int, Field(ge=0, le=MOST)]
_Count = _Number | Annotated[list[_Number], Field(min_length=2, max_length=2)]


class ServerShape(Shape):
    """What a request tells the server that reads it."""

    status: Annotated[int, Field(ge=400, le=599)] | None = Field(default=None, description="The status to answer with.")
    headers: Mapping[HeaderName, str] = Field(default={}, description="Headers to answer with.")
    delay: Annotated[float, Field(gt=0, le=30)] | None = Field(default=None, description="Seconds until it answers.")
    first: Annotated[int, Field(ge=1, le=9)] | None = Field(
        default=None, description="Status and delay hold for only the first so many times that it reads the request."
    )
    only: PodRef | None = Field(default=None, description="Status and delay hold for this pod's server alone.")

    @model_validator(mode="after")
    def _says_something(self) -> "ServerShape":
        if self.status is None and self.delay is None:
            for name in ("first", "only"):
                if getattr(self, name) is not None:
                    raise wrong("neither status nor delay beside it; write one of them", name)
            if not self.headers:
                raise wrong("tells nothing; write status, headers or delay, or remove it")
        if any(_SEPARATOR in value for value in self.headers.values()):
            raise wrong(f"{quoted(_SEPARATOR)} cannot be told; write other values", "headers")
        if sum(len(name) + len(value) for name, value in self.headers.items()) > _HEADERS:
            raise wrong(f"want at most {_HEADERS} characters", "headers")
        return self

    def value(self) -> Told:
        """What is told, as the model holds it."""
        return Told(self.status or 200, tuple(self.headers.items()), self.delay or 0.0, self.first, self.only)


class ArrivesShape(Shape):
    """A request as its server must have read it."""

    path: str | None = Field(default=None, description="The request target, with its query.")
    host: str | None = None
    headers: _Names = Field(default={}, description="Joined by commas where there are several; null: the header is not there.")


class ShareShape(Shape):
    """One of what may become of a request."""

    pods: _Pods | None = Field(default=None, description="One of these pods reads it; nobody does if left out.")
    status: _Status | None = Field(default=None, description="Of the answer; 200, or OK, if left out beside pods.")
    tries: Annotated[int, Field(ge=1, le=9)] = Field(default=1, description="How many times it is read.")
    arrives: ArrivesShape = Field(default=ArrivesShape(), description="As its server must have read it.")
    returns: _Names = Field(
        default={}, description="Headers of the answer as the client must have read them; null: the header is not there."
    )
    weight: _Weight | None = Field(default=None, description="Its share of all answers is this over the sum of all.")
    count: _Count | None = Field(default=None, description="How many of the answers it is: a number, or [least, most].")
    at_least: _Seconds | None = Field(default=None, description="Seconds that its answer takes at least.")
    before: _Seconds | None = Field(default=None, description="Seconds within which its answer is there.")

    @model_validator(mode="after")
    def _who_reads_what(self) -> "ShareShape":
        if self.pods is None and (self.tries > 1 or self.arrives != ArrivesShape()):
            raise wrong("missing; what nobody reads neither arrives nor is tried", "pods")
        return self


class CopiesShape(Shape):
    """Copies of a request, one of which goes to one of these pods."""

    pods: _Pods
    numerator: Annotated[int, Field(ge=1)] = Field(default=1, description="Of so many of the denominator's requests.")
    denominator: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _part_of_all(self) -> "CopiesShape":
        if self.numerator > self.denominator:
            raise wrong(f"more than the denominator, {self.denominator}; write less", "numerator")
        return self


class RequestShape(CallShape, ShareShape):
    """A request to a Service or a Gateway, over both families where none is written, and what must become of it."""

    grpc: GRPCCallShape | None = None
    family: Literal[4, 6] | None = Field(default=None, description="IP version.")
    times: Annotated[int, Field(ge=1, le=MOST)] = Field(
        default=1, description="How many times it is asked, one after another over one connection."
    )
    together: Annotated[int, Field(ge=2, le=TOGETHER)] | None = Field(
        default=None, description="Instead of times: how often it is asked, each over a connection of its own, at one time."
    )
    after: _Seconds | None = Field(default=None, description="Seconds that pass before it is asked.")
    per_connection: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="How many of its times a server may read over one connection."
    )
    server: ServerShape | None = Field(default=None, description="What the request tells the server that reads it.")
    shares: list[ShareShape] | None = Field(
        default=None, description="Instead of pods, status and the like: all that may become of it."
    )
    copies: list[CopiesShape] = Field(default=[], description="Copies that arrive elsewhere.")

    @model_validator(mode="after")
    def _of_a_service(self) -> "RequestShape":
        asked = self.http or self.grpc
        for name in () if asked is None else asked.headers:
            if name.lower().startswith(_OWN):
                raise wrong("the lab's own; use another name", "http" if self.http else "grpc", "headers", name)
        if self.grpc is not None and self.server is not None:
            raise wrong("a server of gRPC is told by answer; write that, or http", "server")
        if self.grpc is not None and self.grpc.connection == "shared":
            raise wrong("requests to Services have connections of their own; remove it", "grpc", "connection")
        return self

    @property
    def asked(self) -> int:
        """How often it is."""
        return self.together or self.times

    @model_validator(mode="after")
    def _times_of_http(self) -> "RequestShape":
        if self.together is not None and self.times > 1:
            raise wrong("times beside it; write one of them", "together")
        for name in ("together", "after", "per_connection", "at_least", "before"):
            if self.grpc is not None and getattr(self, name) is not None:
                raise wrong("not supported of calls of gRPC; write http", to_camel(name))
        for number, each in enumerate(self.shares or ()):
            for name in ("at_least", "before"):
                if self.grpc is not None and getattr(each, name) is not None:
                    raise wrong("not supported of calls of gRPC; write http", "shares", number, to_camel(name))
        return self

    @model_validator(mode="after")
    def _one_or_several(self) -> "RequestShape":
        alone = [name for name in ShareShape.model_fields if name in self.model_fields_set]
        if self.shares is None:
            for name in ("weight", "count"):
                if getattr(self, name) is not None:
                    raise wrong("the only answer has no share; remove it, or write shares", name)
            if self.pods is None and self.status is None:
                raise wrong("missing; write the pods of which one answers, a status, or shares", "pods")
            return self
        if alone:
            raise wrong("beside shares; write it inside them", alone[0])
        if len(self.shares) <= 1:
            raise wrong("want at least two; write the only one beside the request itself", "shares")
        for number, each in enumerate(self.shares):
            if each.pods is None and each.status is None:
                raise wrong("missing; write the pods of which one answers, or a status", "shares", number, "pods")
        weights = [each.weight is None for each in self.shares]
        counts = [each.count is not None for each in self.shares]
        if any(counts) and not all(weights):
            raise wrong("weight beside it; write one of them in all shares", "shares", counts.index(True), "count")
        if any(weights) and not all(weights):
            raise wrong("missing; write it of all shares, or of none", "shares", weights.index(True), "weight")
        if not any(weights) and self.asked == 1:
            raise wrong("1 request has no shares; write how many are asked", "times")
        return self

    @model_validator(mode="after")
    def _statuses_of_its_protocol(self) -> "RequestShape":
        for number, each in enumerate(self.shares or [self]):
            if each.status is not None and isinstance(each.status, str) is (self.grpc is None):
                want = "a number" if self.grpc is None else f"a status of gRPC such as {STATUSES[0]}"
                where = ("shares", number) if self.shares else ()
                raise wrong(f"want {want}, found {found(each.status)}", *where, "status")
        return self

    @model_validator(mode="after")
    def _copies_elsewhere(self) -> "RequestShape":
        answering = {pod for each in self.shares or [self] for pod in each.pods or ()}
        for number, each in enumerate(self.copies):
            if answering & set(each.pods):
                what = "answers the request too, so that its copies could not be told; write others"
                raise wrong(what, "copies", number, "pods")
            answering |= set(each.pods)
            if each.numerator < each.denominator and self.asked == 1:
                raise wrong("1 request has no part that is copied; write how many are asked", "times")
        return self


def routed_expectations(
    document: Document,
    path: tuple[Step, ...],
    shapes: Sequence[RequestShape],
    topology: Topology,
    routing: Routing,
    faults: list[Fault],
) -> tuple[RoutedExpectation, ...]:
    """One expectation for each request of the list at ``path`` and family.

    Adds faults for pods and Services that are not there, and for repetitions.
    """
    cells: dict[Asked, RoutedExpectation] = {}
    places = places_of(routing)
    headless = {each.ref for each in routing.services if each.cluster_ip == "None"}
    for position, shape in enumerate(shapes):
        at = (*path, position)
        call = call_of(document, at, shape, topology, places, faults)
        faults += _from_outside(document, at, call, shape.family, topology)
        if call.place in headless:
            faults.append(document.fault((*at, "to"), f"Service {quoted(call.destination)} is headless: no address to ask"))
        faults += _strangers(document, at, shape, topology)
        told = TELLS_NOTHING if shape.server is None else shape.server.value()
        for family in _families(call.source) if shape.family is None else (shape.family,):
            together = shape.together is not None
            asked = Asked(_with_host(call), family, shape.asked, told, together, shape.after or 0.0)
            if asked in cells:
                faults.append(document.fault(at, f"{asked} is listed already at {cells[asked].origin}; remove one"))
            shares = tuple(_shares(document, at, shape))
            copies = tuple(_copies(document, at, shape))
            expectation = RoutedExpectation(document.origin(at), asked, shares, copies, shape.per_connection)
            cells.setdefault(asked, expectation)
    return tuple(cells.values())


def _families(source: str) -> Sequence[int]:
    """Those that a client asks over where none is written: of an address its own."""
    return FAMILIES if is_pod(source) else (6 if ":" in source else 4,)


def _from_outside(
    document: Document, at: tuple[Step, ...], call: Call, family: int | None, topology: Topology
) -> Iterator[Fault]:
    """A fault for each reason why a lab has no such client."""
    if is_pod(call.source):
        return
    if not any(call.source in host.ips for host in topology.outside):
        what = f"topology {topology.name} has no host at {call.source}; write a pod, or name one under outside there"
        yield document.fault((*at, "from"), what)
    if not call.to_gateway:
        yield document.fault(
            (*at, "to"), "Services are for pods; what is outside asks a Gateway: write {gateway: NAMESPACE/NAME}"
        )
    if family not in (None, *_families(call.source)):
        yield document.fault((*at, "family"), f"the client's address {call.source} is of another; remove it")


def _with_host(call: Call) -> Call:
    """The call with the host that a client sends which knows the Service by its name in the cluster's DNS."""
    request = call.request
    if request.host is not None:
        return call
    namespace, _, name = call.destination.partition("/")
    host = f"{name}.{namespace}.svc.cluster.local" + ("" if call.port == 80 else f":{call.port}")
    named: HTTPRequest | GRPCRequest = replace(request, host=host)
    return replace(call, request=named)


def _shares(document: Document, at: tuple[Step, ...], shape: RequestShape) -> Iterator[Share]:
    good = "OK" if shape.grpc is not None else 200
    if shape.grpc is not None:
        good = shape.grpc.answer
    elif shape.server is not None and shape.server.first is None and shape.server.only is None:
        good = shape.server.status or 200
    places = [(at, shape)] if shape.shares is None else [((*at, "shares", n), each) for n, each in enumerate(shape.shares)]
    for place, each in places:
        yield Share(
            document.origin(place),
            tuple(each.pods or ()),
            good if each.status is None else each.status,
            each.weight,
            each.tries,
            each.arrives.path,
            each.arrives.host,
            tuple(each.arrives.headers.items()),
            tuple(each.returns.items()),
            _bounds(each.count),
            each.at_least,
            each.before,
        )


def _bounds(count: int | Sequence[int] | None) -> tuple[int, int] | None:
    if count is None:
        return None
    return (count, count) if isinstance(count, int) else (count[0], count[1])


def _copies(document: Document, at: tuple[Step, ...], shape: RequestShape) -> Iterator[Copies]:
    for number, each in enumerate(shape.copies):
        yield Copies(document.origin((*at, "copies", number)), tuple(each.pods), each.numerator, each.denominator)


def _strangers(document: Document, at: tuple[Step, ...], shape: RequestShape, topology: Topology) -> Iterator[Fault]:
    """A fault for each pod that is to read the request, or its copies, and that the topology lacks."""
    listed: list[tuple[tuple[Step, ...], ShareShape | CopiesShape]] = [(at, shape)]
    listed += [((*at, "shares", number), each) for number, each in enumerate(shape.shares or ())]
    listed += [((*at, "copies", number), each) for number, each in enumerate(shape.copies)]
    known = [pod.ref for pod in topology.pods]
    only = None if shape.server is None else shape.server.only
    if only is not None and only not in known:
        yield document.fault((*at, "server", "only"), f"no pod {quoted(only)}{suggestion(only, known)}")
    for place, each in listed:
        for number, pod in enumerate(each.pods or ()):
            if pod not in known:
                yield document.fault((*place, "pods", number), f"no pod {quoted(pod)}{suggestion(pod, known)}")
