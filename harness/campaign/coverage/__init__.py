"""Which fields and classes of values conformance cases ask about."""
