"""What keeps a policy from becoming rules."""

from harness.model.origin import Origin


class PolicyError(Exception):
    """A policy that these rules cannot enforce as written: ``file:line``, what was found, what to do."""

    def __init__(self, origin: Origin, what: str) -> None:
        super().__init__(f"{origin}: {what}")
