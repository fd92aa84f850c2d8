"""Records of denials, which may be written a moment after the client has its answer."""

import time

from harness.dataplanes.port import Attachment
from harness.model.flow import Evidence, Flow

SECONDS = 5.0


def recorded(attachment: Attachment, flow: Flow) -> Evidence | None:
    """The record of ``flow``, as soon as there is one; None if there is none in SECONDS."""
    deadline = time.monotonic() + SECONDS
    while (found := attachment.evidence(flow)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return found
