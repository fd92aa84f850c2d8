"""All crafts by name; what each is to prove is said in ``harness.model.crafts``."""

from collections.abc import Callable, Mapping

from harness.traffic.packet import errors, fragments, link, options, segments, sources, sums
from harness.traffic.packet.shot import Frames, Shot

MAKERS: Mapping[str, Callable[[Shot], Frames]] = {
    **segments.CRAFTS,
    **fragments.CRAFTS,
    **sums.CRAFTS,
    **options.CRAFTS,
    **sources.CRAFTS,
    **errors.CRAFTS,
    **link.CRAFTS,
}
