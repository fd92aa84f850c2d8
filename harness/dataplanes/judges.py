"""Both judges of requests of a node, one after the other: the proxies for Kafka, and the Envoys."""

from collections.abc import Iterable

from harness.dataplanes.kafka_proxies import KafkaProxies
from harness.mesh.grants import Cluster, Granted
from harness.mesh.requests import RequestJudge


class Judges:
    """Satisfies ``RequestJudge``, and raises what they raise."""

    def __init__(self, kafka: KafkaProxies, envoys: RequestJudge) -> None:
        self._kafka = kafka
        self._envoys = envoys

    def prepare(self, result: Granted, cluster: Cluster) -> None:
        self._kafka.prepare(result, cluster)
        try:
            self._envoys.prepare(result, cluster)
        except BaseException:
            self._kafka.abandon()
            raise

    def settle(self) -> None:
        self._envoys.settle()
        self._kafka.settle()

    def forget(self, addresses: Iterable[str]) -> None:
        gone = list(addresses)
        self._kafka.forget(gone)
        self._envoys.forget(gone)
