"""The proxies for Kafka of all nodes of a lab, as the mesh's judge of requests."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.dataplanes.kafka_laws import law_of
from harness.dataplanes.scopes import Ground, grounds, scopes
from harness.envoy.admission import Direction, Scope
from harness.envoy.transparent import KAFKA_PORT, kafka_sets
from harness.kafka.control import KafkaProxy, KafkaProxyError
from harness.kafka.records import RefusedRequest
from harness.kafka.rules import Ports
from harness.lab.port import Lab, LabError
from harness.mesh.grants import Cluster, Granted, PolicyError


@dataclass(slots=True)
class _Judged:
    """What one proxy judges by: ``law`` is in force, ``next`` is to be; of what it has judged, connections may be open."""

    law: list[Scope] = field(default_factory=list)
    next: list[Scope] = field(default_factory=list)
    known: set[Ground] = field(default_factory=set)
    exposed: str = field(default_factory=lambda: kafka_sets((), ()))


class KafkaProxies:
    """One proxy a node, run from the first policy on that has rules about Kafka there; satisfies ``RequestJudge``.

    Methods raise PolicyError, KafkaProxyError and LabError.
    """

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self.proxies: list[KafkaProxy] = []
        for index, node in enumerate(lab.nodes):
            own = folder / str(index)
            own.mkdir()
            self.proxies.append(KafkaProxy(node, own, KAFKA_PORT))
        self._judged = {proxy: _Judged() for proxy in self.proxies}

    def stop(self) -> None:
        """End every proxy that runs."""
        self._each(KafkaProxy.stop)

    def prepare(self, result: Granted, cluster: Cluster) -> None:
        """As ``RequestJudge`` says; new connections that are handed over go to the proxies from now on, where rules ask it."""
        asked = any(grant.requests is not None and grant.requests.kafka is not None for grant in result.grants)
        for proxy, judged in self._judged.items():
            local = [ip for pod in proxy.node.pods for ip in pod.pod.ips]
            judged.next = scopes(result, cluster, local, judged.known) if asked or judged.known else []
            _refuse_both(judged.next)
        try:
            self._each(self._either)
        except BaseException:
            with suppress(KafkaProxyError, LabError):
                self.abandon()
            raise

    def abandon(self) -> None:
        """What was prepared will not be in force."""
        for judged in self._judged.values():
            judged.next = judged.law
        self._each(self._either)

    def settle(self) -> None:
        """As ``RequestJudge`` says."""
        for proxy, judged in self._judged.items():
            judged.law = judged.next
            judged.known |= grounds(scope for scope in judged.law if _of_kafka(scope))
            proxy.forget_refusals()
        self._each(self._either)

    def forget(self, addresses: Iterable[str]) -> None:
        """As ``RequestJudge`` says; connections are ended with all others of their node."""
        gone = set(addresses)
        for judged in self._judged.values():
            judged.known = {each for each in judged.known if each.address not in gone}

    def latest_refusal(self, source: str, destination: str, port: int) -> Iterator[tuple[KafkaProxy, RefusedRequest]]:
        """What was refused of the requests from one address to another, the latest first; on the client's node first."""
        for proxy in sorted(self.proxies, key=lambda each: source not in {ip for pod in each.node.pods for ip in pod.pod.ips}):
            for refused in reversed(list(proxy.refusals())):
                if (refused.source, refused.destination, refused.port) == (source, destination, port):
                    yield proxy, refused

    def _either(self, proxy: KafkaProxy) -> None:
        """Have requests refused that the law in force or the next one refuses."""
        judged = self._judged[proxy]
        laws: list[Sequence[Ports]] = [law_of(judged.law)]
        if judged.next != judged.law:
            laws.append(law_of(judged.next))
        if any(laws) or proxy.pids:
            proxy.judge_by(laws)
        wanted = kafka_sets(_places(judged.next, Direction.EGRESS), _places(judged.next, Direction.INGRESS))
        if wanted != judged.exposed:
            proxy.node.run(["nft", "-f", "-"], stdin=wanted)
            judged.exposed = wanted

    def _each(self, step: Callable[[KafkaProxy], None]) -> None:
        """One step at each proxy, all at once; the first error is raised when all are through."""
        with ThreadPoolExecutor(max(1, len(self.proxies))) as pool:
            outcomes = [pool.submit(step, proxy) for proxy in self.proxies]
        for outcome in outcomes:
            outcome.result()


@contextmanager
def kafka_proxies(lab: Lab) -> Iterator[KafkaProxies]:
    """None runs yet; left, none does any more."""
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=lab.folder) as folder:
        proxies = KafkaProxies(lab, Path(folder))
        try:
            yield proxies
        finally:
            proxies.stop()


def _of_kafka(scope: Scope) -> bool:
    return any(each.kafka is not None for each in scope.admissions)


def _refuse_both(found: Iterable[Scope]) -> None:
    """Raises PolicyError where rules about both protocols share a port of a pod: one proxy takes its connections."""
    for scope in found:
        http = next((each for each in scope.admissions if each.requests), None)
        if http is not None and _of_kafka(scope):
            ports = str(scope.first) if scope.first == scope.last else f"{scope.first} to {scope.last}"
            what = f"rules about HTTP beside rules about Kafka, both about port {ports}, which Cilium refuses, too: use two"
            raise PolicyError(http.origin, what)


def _places(found: Iterable[Scope], direction: Direction) -> list[tuple[str, int, int]]:
    return [
        (address, scope.first, scope.last)
        for scope in found
        if scope.direction is direction and _of_kafka(scope)
        for address in scope.subjects
    ]
