"""The names that Cilium gives to ICMP types.

Source: https://docs.cilium.io/en/stable/network/kubernetes/policy/ and pkg/policy/api/icmp.go
"""

_V4 = {
    "EchoReply": 0,
    "DestinationUnreachable": 3,
    "Redirect": 5,
    "Echo": 8,
    "EchoRequest": 8,
    "RouterAdvertisement": 9,
    "RouterSelection": 10,
    "TimeExceeded": 11,
    "ParameterProblem": 12,
    "Timestamp": 13,
    "TimestampReply": 14,
}
_V6 = {
    "DestinationUnreachable": 1,
    "PacketTooBig": 2,
    "TimeExceeded": 3,
    "ParameterProblem": 4,
    "EchoRequest": 128,
    "EchoReply": 129,
    "RouterSolicitation": 133,
    "RouterAdvertisement": 134,
    "NeighborSolicitation": 135,
    "NeighborAdvertisement": 136,
    "RedirectMessage": 137,
}


def number(written: int | str, family: int) -> int:
    """The type that a number, as a number or as text, or a name stands for. Raises KeyError for an unknown name."""
    if isinstance(written, int):
        return written
    return int(written) if written.isdigit() else (_V4 if family == 4 else _V6)[written]
