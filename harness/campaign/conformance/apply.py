"""Has data planes put things in force, and takes whatever they raise for their own failure: the other cases go on."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from harness.dataplanes.port import NO_ROUTING, Attachment, DataPlaneError, Revision
from harness.lab.port import LabError, LabPod
from harness.model.cilium import Policy
from harness.model.routing import Routing
from harness.model.topology import Pod

_Said = TypeVar("_Said")


def applied(attachment: Attachment, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
    """The revision that enforces ``policies``, and routes as ``routing`` says. Raises DataPlaneError, LabError."""
    return _failing(lambda: attachment.apply(policies, routing))


def followed(attachment: Attachment, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
    """The revision that follows the lab's pods. Raises DataPlaneError, LabError."""
    return _failing(lambda: attachment.pods_changed(added, removed))


def _failing(change: Callable[[], _Said]) -> _Said:
    try:
        return change()
    except (DataPlaneError, LabError):
        raise
    except Exception as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        at = f" at {where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where is not None else ""
        raise DataPlaneError(f"the data plane's program failed: {type(error).__name__}: {error}{at}") from error
