"""Which kernel runs here, where a feature cannot be asked for directly."""

import platform
import re


def version(release: str | None = None) -> tuple[int, int]:
    """Major and minor of a kernel's release (``6.1.0-18-amd64`` is (6, 1)); by default of the running one."""
    text = platform.release() if release is None else release
    numbers = re.match(r"(\d+)\.(\d+)", text)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
