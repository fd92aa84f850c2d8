"""IP addresses and CIDRs as users write them."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator

from harness.manifests.errors import quoted
from harness.manifests.shape import wrong


def address(text: str) -> str:
    """An address in its usual form; raises the error that pydantic reports."""
    try:
        made = ip_address(text)
    except ValueError:
        raise wrong(f"want an IPv4 or IPv6 address, found {quoted(text)}") from None
    if "%" in text:
        raise wrong(f"a zone in {quoted(text)}; write the address without it")
    _one_family(text, made)
    return str(made)


def _one_family(text: str, first: IPv4Address | IPv6Address) -> None:
    """Refuse ``::ffff:10.0.0.1``: some readers take it for IPv4, others for an IPv6 address that no packet has."""
    if isinstance(first, IPv6Address) and first.ipv4_mapped is not None:
        raise wrong(f"IPv4 written as IPv6 in {quoted(text)}; write it as IPv4")


def _network(text: str) -> IPv4Network | IPv6Network:
    host, slash, length = text.partition("/")
    if not slash or not length.isdecimal() or "%" in host or (length != "0" and length.startswith("0")):
        raise wrong(f"want a CIDR such as 10.0.0.0/8 or fd00::/8, found {quoted(text)}")
    try:
        loose = ip_network(text, strict=False)
    except ValueError:
        raise wrong(f"want a CIDR such as 10.0.0.0/8 or fd00::/8, found {quoted(text)}") from None
    _one_family(text, ip_address(host))
    try:
        return ip_network(text)
    except ValueError:
        raise wrong(f"host bits are set in {quoted(text)}; write {loose}") from None


def _cidr(text: str) -> str:
    _network(text)
    return text


def _cidr_or_address(text: str) -> str:
    if "/" in text:
        return _cidr(text)
    address(text)
    return text


def excepts_inside(cidr: str, excepts: Sequence[str]) -> None:
    """Raise what pydantic reports, at ``except``, for an exception that is no proper part of ``cidr``."""
    whole = _network(cidr)
    for position, text in enumerate(excepts):
        part = _network(text)
        inside = whole.version == part.version and part != whole and part.subnet_of(whole)  # type: ignore[arg-type]
        if not inside:
            raise wrong(f"{text} is not inside {cidr}; remove it or widen the cidr", "except", position)


Address = Annotated[str, AfterValidator(address)]
Cidr = Annotated[str, AfterValidator(_cidr)]
CidrOrAddress = Annotated[str, AfterValidator(_cidr_or_address)]
