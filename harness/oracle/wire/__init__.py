"""Which requests of HTTP/1.1 are in the bytes of a connection, as the strictest reading of RFC 9112 has it."""

from harness.oracle.wire.reading import read

__all__ = ["read"]
