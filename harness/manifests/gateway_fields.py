"""Fields that the kinds of Gateway API share, checked as the rules of its CRDs check them.

Source of the rules: ``apis/v1/shared_types.go`` of Gateway API.
"""

import re
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated

import re2
from pydantic import AfterValidator, Field

from harness.manifests.errors import quoted
from harness.manifests.kubernetes import DnsLabel, Metadata
from harness.manifests.shape import wrong

GROUP = "gateway.networking.k8s.io"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KIND = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}")  # of RFC 9110
_DURATION = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")
_PART = re.compile(r"([0-9]+)(ms|h|m|s)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _precise_hostname(text: str) -> str:
    if len(text) > 253 or not _NAME.fullmatch(text) or _is_address(text):
        raise wrong(f"want a host name in lower case, no address (a-z, 0-9, '-' and '.' inside), found {quoted(text)}")
    return text


def _hostname(text: str) -> str:
    if len(text) > 253:
        raise wrong(f"over 253 characters in {quoted(text)}; shorten it")
    _precise_hostname(text.removeprefix("*."))
    return text


def _section_name(text: str) -> str:
    if len(text) > 253 or not _NAME.fullmatch(text):
        raise wrong(f"want a name (a-z, 0-9, '-' and '.' inside; at most 253 characters), found {quoted(text)}")
    return text


def _group(text: str) -> str:
    return text if text == "" else _section_name(text)


def _kind(text: str) -> str:
    if len(text) > 63 or not _KIND.fullmatch(text):
        raise wrong(f"want a kind such as Service (letters, digits, '-' inside; at most 63), found {quoted(text)}")
    return text


def header_name(text: str) -> str:
    """``text``, which names a header of HTTP (RFC 9110, section 5.1)."""
    if not _TOKEN.fullmatch(text):
        raise wrong(f"want a name of letters, digits and !#$%&'*+-.^_`|~, at most 256 characters, found {quoted(text)}")
    return text


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise wrong(f"want a duration such as 500ms, 10s or 1h30m, found {quoted(text)}")
    return text


def milliseconds(duration: str) -> int:
    """A duration of Gateway API, which must be a valid one, in milliseconds."""
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(duration))


def _time(text: str) -> str:
    try:
        if _TIME.fullmatch(text):
            datetime.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise wrong(f"want a time such as 2026-01-31T12:00:00Z, found {quoted(text)}")


def regular_expression(text: str, *at: str) -> None:
    """Raise the error that pydantic reports, at ``at``, where RE2, the engine of Envoy, does not take ``text``."""
    options = re2.Options()
    options.log_errors = False  # or it writes to standard error by itself
    try:
        re2.compile(text, options)
    except (re2.error, UnicodeError) as refused:
        said = refused.args[0] if isinstance(refused, re2.error) else "no Unicode text"
        why = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise wrong(f"RE2 does not take {quoted(text)}: {quoted(why)}; correct it", *at) from None


Hostname = Annotated[str, AfterValidator(_hostname)]
PreciseHostname = Annotated[str, AfterValidator(_precise_hostname)]
SectionName = Annotated[str, AfterValidator(_section_name)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253)]
Group = Annotated[str, AfterValidator(_group)]
Kind = Annotated[str, AfterValidator(_kind)]
Namespace = DnsLabel
HeaderName = Annotated[str, AfterValidator(header_name)]
HeaderValue = Annotated[str, Field(min_length=1, max_length=4096)]
Duration = Annotated[str, AfterValidator(_duration)]
Hostnames = Annotated[list[Hostname], Field(max_length=16)]


class RouteMetadata(Metadata):
    """Metadata of a route: the older of two routes wins."""

    creation_timestamp: Annotated[str, AfterValidator(_time)] | None = None
