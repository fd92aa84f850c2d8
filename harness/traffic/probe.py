"""One question, one verdict: what clients in pods see of flows. Each is asked once; never again until it fits."""

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from weakref import WeakKeyDictionary

from harness.lab.build import c_program
from harness.lab.ends import end
from harness.lab.port import Lab, LabError, LabPod
from harness.model.bypass import Credentials
from harness.model.flow import Flow, Verdict
from harness.model.request import HTTPRequest
from harness.traffic.port import LoadFailed
from harness.traffic.tool import failure, not_understood

SOURCE = Path(__file__).with_name("probe.c")
ECHO_REQUEST = {4: 8, 6: 128}  # RFC 792, RFC 4443
SILENCE = 0.3
"""Seconds without any sign of life that end a ``probe_all``, counted by each CPU's turns (pulse.h). A lab loses nothing, and an
answer takes below 1 ms; on a crowded machine it takes up to a dozen turns of some CPU: of 0.3 s every CPU gave 30."""
GRACE = 30.0  # seconds that probers may take on a machine that stands still, before there is no verdict
CLIENTS_AT_ONCE = 32  # times AT_ONCE of probe.c: fewer packets than a CPU's backlog holds (net.core.netdev_max_backlog)
CRLF = "\r\n"
_WITH_BODY = ("POST", "PUT", "PATCH")
OWN_PORTS = range(10_000, 32_768)  # below the ports that the kernel chooses (net.ipv4.ip_local_port_range)

_numbers: WeakKeyDictionary[LabPod, Iterator[int]] = WeakKeyDictionary()
"""What tells a client's datagrams and echo requests from its former ones, as connection tracking sees them. A port of the
kernel's choice would now and then be that of a flow which was allowed half a minute ago, and pass as its continuation."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the client saw, and after how long. ``detail`` says by what: a status, an error's name, who answered instead.

    ``nonce`` is what it said of itself, by which its server knows it; 0 where it said nothing. ``status`` is that of an
    answer of HTTP, 0 where there was none.
    """

    verdict: Verdict
    seconds: float
    detail: str
    nonce: int = 0
    status: int = 0


def probe(flow: Flow, client: LabPod, server: LabPod, seconds: float = 0.9) -> Observation:
    """Ask ``server``'s address once, from inside ``client``, giving up when nothing came for ``seconds``.

    TCP: one request of HTTP/1.1, the flow's or a GET. UDP: one datagram. A responder answers with its name; without one there
    is no answer of UDP.
    ICMP: an echo request, which the pod's kernel answers. The prober is a process in the client pod's namespace *and* cgroup,
    so that hooks on either judge it as they judge the pod's own programs. The seconds are counted by each CPU's ability to
    run anything at all (pulse.h), so that a stall of the machine is not taken for silence. Below 1 s on the wall clock (the
    kernel's first retransmission time-out) exactly one SYN is sent.
    Raises LoadFailed where no probe could be made: that is no verdict.
    """
    (observation,) = _ask(client, [(flow, server)], seconds)
    return observation


def probe_all(
    flows: Sequence[Flow], lab: Lab, seconds: float = SILENCE, credentials: Credentials | None = None
) -> list[Observation]:
    """What became of each of ``flows``, in their order; as ``probe``, but by one process for all flows of a client pod.

    Every flow is from a pod, or a host outside, to a pod of ``lab``. The clients are root, or have ``credentials``.
    All ask at once, and the whole takes little more than ``seconds``.
    Raises LoadFailed where one of them could not be probed.
    """
    by_client: dict[str, list[int]] = {}
    for index, flow in enumerate(flows):
        by_client.setdefault(flow.source, []).append(index)

    def ask(client: str) -> list[Observation]:
        try:
            asked = [(flows[index], lab.pod(flows[index].destination)) for index in by_client[client]]
            place = end(lab, client)
        except KeyError as error:
            raise LoadFailed(f"flows of {client} cannot be probed: {error.args[0]}") from error
        return _ask(place, asked, seconds, credentials)

    seen: dict[int, Observation] = {}
    with ThreadPoolExecutor(CLIENTS_AT_ONCE) as pool:
        for client, observations in zip(by_client, pool.map(ask, by_client), strict=True):
            seen.update(zip(by_client[client], observations, strict=True))
    return [seen[index] for index in range(len(flows))]


def _ask(
    client: LabPod, asked: Sequence[tuple[Flow, LabPod]], seconds: float, credentials: Credentials | None = None
) -> list[Observation]:
    what = str(asked[0][0]) if len(asked) == 1 else f"{len(asked)} flows of {client.pod.ref}"
    numbers = _numbers.setdefault(client, count(random.randrange(1 << 16)))
    nonces = [random.getrandbits(64) or 1 for _ in asked]
    lines = "".join(
        f"{_line(flow, server, next(numbers))} {nonce:016x}{_head(flow)}\n"
        for (flow, server), nonce in zip(asked, nonces, strict=True)
    )
    try:
        argv = [str(c_program(SOURCE)), repr(seconds)]
        if credentials is not None:
            argv += [str(credentials.uid or 0), str(credentials.gid or 0)]
        done = client.run(argv, component="probe", seconds=seconds + GRACE, stdin=lines, check=False)
    except LabError as error:
        raise LoadFailed(f"{what} could not be probed: {error}") from error
    if done.status != 0:
        raise failure(f"{what}: probe", done.status, done.stderr)
    said = done.stdout.splitlines()
    if len(said) != len(asked):
        raise not_understood("probe", done.stdout)
    return [
        replace(judge(line, server.pod.ref, flow.protocol, bodiless=_bodiless(flow)), nonce=nonce)
        for line, (flow, server), nonce in zip(said, asked, nonces, strict=True)
    ]


def _line(flow: Flow, server: LabPod, number: int) -> str:
    """A flow as the prober reads it, but for its nonce."""
    try:
        address = server.pod.ip(flow.family)
    except KeyError as error:
        raise LoadFailed(f"{flow} could not be probed: {error.args[0]}") from error
    if flow.protocol == "TCP":
        return f"tcp {address} {flow.port} 0 0"
    if flow.protocol == "UDP":
        return f"udp {address} {flow.port} 0 {OWN_PORTS[number % len(OWN_PORTS)]}"
    if flow.protocol != "ICMP" or flow.icmp is None:
        raise LoadFailed(f"{flow} cannot be probed: only TCP, UDP and ICMP with a type can")
    if flow.icmp.type != ECHO_REQUEST[flow.family]:
        raise LoadFailed(
            f"{flow} cannot be probed: of IPv{flow.family} only echo requests, type {ECHO_REQUEST[flow.family]}, are answered"
        )
    return f"icmp {address} {flow.icmp.type} {flow.icmp.code} {number % (1 << 16)}"


def _head(flow: Flow) -> str:
    """The flow's request as the prober reads it: all of its head but the last line."""
    if flow.request is None:
        return ""
    if not isinstance(flow.request, HTTPRequest):
        raise LoadFailed(f"{flow} cannot be probed: of requests only those of HTTP/1.1 can")
    asked = flow.request
    lines = [f"{asked.method} {asked.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers_of(flow, asked)), ""]
    return f" {CRLF.join(lines).encode().hex()}"


def headers_of(flow: Flow, asked: HTTPRequest) -> list[tuple[str, str]]:
    """The headers of the flow's request, those that it leaves to the client among them."""
    namespace, _, name = flow.destination.partition("/")
    headers = [("Host", f"{name}.{namespace}" if asked.host is None else asked.host), *asked.headers]
    return [*headers, ("Content-Length", "0")] if asked.method in _WITH_BODY else headers


def _bodiless(flow: Flow) -> bool:
    return isinstance(flow.request, HTTPRequest) and flow.request.method == "HEAD"


def judge(line: str, meant: str, protocol: str = "TCP", *, bodiless: bool = False) -> Observation:
    """The verdict on a line that the prober printed, where ``meant`` is the pod that should have answered.

    ``bodiless``: the answer has no body, so that it cannot say who gave it.
    """
    try:
        what, how, took, body = line.split()
        seconds = float(took)
        if what == "answered":
            answer = meant if bodiless else "" if body == "-" else bytes.fromhex(body).decode(errors="replace").strip()
            return _judge_answer(int(how), answer, meant, protocol, seconds)
        verdict, text = {
            "refused": (Verdict.REJECTED, f"{how} after {took} s"),
            "closed": (Verdict.REJECTED, f"connection closed while {how}"),
            "nonsense": (Verdict.REJECTED, "an answer that is not HTTP"),
            "silent": (Verdict.DROPPED, f"silence while {how}"),
        }[what]
    except (ValueError, KeyError):
        raise not_understood("probe", line) from None
    return Observation(verdict, seconds, text)


def _judge_answer(status: int, body: str, meant: str, protocol: str, seconds: float) -> Observation:
    if protocol == "ICMP":
        return Observation(Verdict.FORWARDED, seconds, "echo reply")
    if status // 100 == 3:
        return Observation(Verdict.REDIRECTED, seconds, f"status {status}", status=status)
    if protocol == "TCP" and status // 100 != 2:
        return Observation(Verdict.REJECTED, seconds, f"status {status}", status=status)
    if body != meant:
        said = f"answered by {body or 'nobody in particular'}, not by {meant}"
        return Observation(Verdict.REDIRECTED, seconds, said, status=status)
    how = f"status {status}" if protocol == "TCP" else "datagram"
    return Observation(Verdict.FORWARDED, seconds, f"{how} from {body}", status=status)
