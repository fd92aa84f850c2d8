"""The programs in a lab's pods that make and take requests of Kafka: started once, asked over and over."""

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.lab.port import Lab, Process
from harness.traffic.kafka.broker import Broker
from harness.traffic.kept import KeptClient, await_all, await_clients

CLIENT = Path(__file__).with_name("client.py")
INNER = range(29_092, 32_768)  # below the ports that the kernel chooses (net.ipv4.ip_local_port_range)


@dataclass(frozen=True, slots=True)
class KafkaPrograms:
    """All of a lab, by ``namespace/name``."""

    lab: Lab
    brokers: Mapping[str, Broker]
    clients: Mapping[str, KeptClient]


@contextmanager
def kafka_programs(
    lab: Lab, clients: Iterable[str], brokers: Iterable[str], ports: Sequence[int], topics: Collection[str], other: int
) -> Iterator[KafkaPrograms]:
    """A client in each of the pods ``clients``, a broker with ``topics`` in each of ``brokers``, on all ``ports``.

    What is asked there and is not Kafka is passed on to the pod's port ``other``. Entered when all run.
    Raises LoadFailed where one does not; LabError for a pod that is not there.
    """
    running: list[Process] = []
    inner = next(each for each in INNER if each not in {*ports, other})
    with tempfile.TemporaryDirectory(prefix="meshproof-kafka-") as folder:
        try:
            took: dict[str, Broker] = {}
            made: dict[str, KeptClient] = {}
            for number, ref in enumerate(dict.fromkeys(brokers)):
                took[ref] = Broker(lab.pod(ref), ports, inner, other, Path(folder, f"diary-{number}"))
                running += took[ref].processes
            for number, ref in enumerate(dict.fromkeys(clients)):
                made[ref] = KeptClient("Kafka", lab.pod(ref), CLIENT, Path(folder, f"client-{number}"))
                running.append(made[ref].process)
            for broker in took.values():
                broker.create(topics)
            await_all({f"the relay before {each.what}": each.relay for each in took.values()}, "serving")
            await_clients(list(made.values()))
            yield KafkaPrograms(lab, took, made)
        finally:
            for process in running:
                process.stop()
