"""What can go wrong with an Envoy."""


class EnvoyError(Exception):
    """An Envoy could not be found, started or configured: what, where, its own last words, in one line."""


class NotAccepted(EnvoyError):
    """Envoy refused a configuration, or did not say within the deadline that it uses it."""
