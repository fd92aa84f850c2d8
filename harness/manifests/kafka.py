"""Requests of Kafka in conformance cases, which a client in the lab makes."""

from typing import Literal

from pydantic import Field, model_validator

from harness.manifests.asked import KafkaShape
from harness.manifests.exchanges import OneSends, cut
from harness.manifests.shape import wrong
from harness.model.kafka import VERSIONS, WITH_TOPICS, KafkaAsk


class KafkaAskShape(KafkaShape):
    """A request of Kafka's protocol that is made."""

    sends: OneSends = Field(
        default="whole", description="In one piece, byte by byte, or in pieces of these sizes and then the rest."
    )
    connection: Literal["own", "shared"] = Field(
        default="own",
        description="Whether it goes over a connection of its own, or over one with the step's other shared requests between "
        "the same ends, one behind another without waiting.",
    )

    @model_validator(mode="after")
    def _can_be_written(self) -> "KafkaAskShape":
        api = self.api.lower()
        versions = VERSIONS.get(api)
        if versions is None:
            raise wrong(f"Kafka has no {self.api} any more, so that no client can ask it; use another", "api")
        if self.version < versions.start:
            what = f"want {versions.start} or more, as Kafka has no older {self.api} any more, found {self.version}"
            raise wrong(what, "version")
        if self.topic is not None and api not in WITH_TOPICS:
            raise wrong(f"a request of {self.api} names no topics; remove it", "topic")
        return self

    def value(self) -> KafkaAsk:
        """The request, as the model holds it."""
        asked = super().value()
        return KafkaAsk(asked.api, asked.version, asked.topics, asked.client_id, cut(self.sends), self.connection == "shared")
