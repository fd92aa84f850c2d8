"""Kafka's APIs and errors by number, and requests that clients in a lab make.

Source: https://kafka.apache.org/protocol.html
"""

from dataclasses import dataclass

from harness.model.exchange import Sends
from harness.model.request import KafkaRequest

API_KEYS = (
    "produce", "fetch", "offsets", "metadata", "leaderandisr", "stopreplica", "updatemetadata", "controlledshutdown",
    "offsetcommit", "offsetfetch", "findcoordinator", "joingroup", "heartbeat", "leavegroup", "syncgroup", "describegroups",
    "listgroups", "saslhandshake", "apiversions", "createtopics", "deletetopics", "deleterecords", "initproducerid",
    "offsetforleaderepoch", "addpartitionstotxn", "addoffsetstotxn", "endtxn", "writetxnmarkers", "txnoffsetcommit",
    "describeacls", "createacls", "deleteacls", "describeconfigs", "alterconfigs",
)  # fmt: skip
"""The names that policies have for APIs, in the order of their keys, of which the first is 0."""

VERSIONS = {
    "produce": range(3, 14), "fetch": range(4, 19), "offsets": range(1, 12), "metadata": range(14),
    "offsetcommit": range(2, 11), "offsetfetch": range(1, 11), "findcoordinator": range(7), "joingroup": range(10),
    "heartbeat": range(5), "leavegroup": range(6), "syncgroup": range(6), "describegroups": range(7), "listgroups": range(6),
    "saslhandshake": range(2), "apiversions": range(5), "createtopics": range(2, 8), "deletetopics": range(1, 7),
    "deleterecords": range(3), "initproducerid": range(7), "offsetforleaderepoch": range(2, 5),
    "addpartitionstotxn": range(6), "addoffsetstotxn": range(5), "endtxn": range(6), "writetxnmarkers": range(1, 3),
    "txnoffsetcommit": range(6), "describeacls": range(1, 4), "createacls": range(1, 4), "deleteacls": range(1, 4),
    "describeconfigs": range(1, 5), "alterconfigs": range(3),
}  # fmt: skip
"""The versions of APIs that are published with Kafka 4.1; those that it has no more, and those not known yet, are missing."""

WITH_TOPICS = frozenset(
    (
        "produce", "fetch", "offsets", "metadata", "leaderandisr", "stopreplica", "updatemetadata", "offsetcommit",
        "offsetfetch", "createtopics", "deletetopics", "deleterecords", "offsetforleaderepoch", "addpartitionstotxn",
        "writetxnmarkers", "txnoffsetcommit",
    )
)  # fmt: skip
"""The APIs whose requests can name topics."""

UNSUPPORTED_VERSION = 35
"""What an answer says to a client whose version of ApiVersions is not known."""

AUTHORIZATION_ERRORS = {
    29: "TOPIC_AUTHORIZATION_FAILED",
    30: "GROUP_AUTHORIZATION_FAILED",
    31: "CLUSTER_AUTHORIZATION_FAILED",
    53: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
}
"""What an answer says to a client that may not ask, by number."""


@dataclass(frozen=True, slots=True)
class KafkaAsk(KafkaRequest):
    """A request as it is made in a lab. Policy sees of it what it sees of any KafkaRequest.

    ``sends``: in one piece, byte by byte, or pieces of these sizes and then the rest. ``shared``: over one connection with the
    other such requests of a step between the same ends, one behind another without waiting.
    """

    sends: Sends | tuple[int, ...] = Sends.WHOLE
    shared: bool = False

    def __str__(self) -> str:
        traits = [f"client {self.client_id}"] if self.client_id is not None else []
        traits += ["bytewise"] if self.sends is Sends.BYTEWISE else []
        traits += [f"in pieces of {', '.join(map(str, self.sends))}"] if isinstance(self.sends, tuple) else []
        traits += ["shared connection"] if self.shared else []
        said = f"Kafka {self.api} v{self.version} {','.join(self.topics)}".rstrip()
        return f"{said} ({', '.join(traits)})" if traits else said
