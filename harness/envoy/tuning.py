"""Everything about an Envoy that may be chosen, in one value, so that a sweep can choose it and a report can print it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoyTuning:
    """What may be chosen of any Envoy. Each field reaches its configuration or command line.

    ``concurrency`` is the number of worker threads. ``buffer_bytes`` is the soft limit on each connection's buffers; None
    leaves Envoy's 1 MiB. ``drain_seconds`` is how long connections of a replaced policy, or of a process that is being
    replaced, may live on; ``handover_seconds`` is when a hot restart ends the old process.
    """

    concurrency: int = 2
    access_log: bool = False
    all_statistics: bool = False
    exact_balance: bool = False
    buffer_bytes: int | None = None
    drain_seconds: int = 1
    handover_seconds: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTuning(EnvoyTuning):
    """Settings of an Envoy that judges requests, and passes them on as they came.

    ``retries`` counts attempts after the first one for requests that no server has begun on. ``normalize_path`` has it judge
    and pass on paths as Cilium's agent does unless told otherwise (``--http-normalize-path``): RFC 3986's normal form, adjacent
    slashes merged, and escaped slashes answered by a redirect. ``idle_timeout`` has it close connections on which there was
    no request for an hour. ``flows`` has it write a line for each request, for who makes flow events of them.
    """

    retries: int = 2
    normalize_path: bool = True
    idle_timeout: bool = True
    flows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning(RequestTuning):
    """Settings of one sidecar.

    ``trust_port_names`` takes the protocol of a declared container port from its name, as Istio does
    (``http…``, ``http2…``, ``grpc…``, ``tcp…``); other ports, and all without it, are sniffed.
    ``mtls_http2`` carries HTTP/1.1 requests between sidecars as HTTP/2 streams (Istio's ``h2UpgradePolicy``).
    ``normalize_path`` and ``idle_timeout`` are about requests that policies look into, or that go to Services.
    """

    trust_port_names: bool = True
    mtls_http2: bool = False
    request_ids: bool = True


ISTIO_DEFAULTS = Tuning()
"""What Istio's proxy gets without any choice of the user, but for the drain times (45 s there), which no load sees."""

BEST = ISTIO_DEFAULTS
"""The sidecars' best settings: in the committed sweep none was better beyond the noise (docs/decisions/0026)."""

NAMED = {"istio-defaults": ISTIO_DEFAULTS, "best": BEST}


def parse(settings: str) -> Tuning:
    """Settings as a user writes them: ``istio-defaults``, ``best``, or changes to Istio's defaults as ``name=value,…``.

    Raises ValueError saying what there is to choose.
    """
    return chosen(settings, ISTIO_DEFAULTS, NAMED)


def chosen(settings: str, defaults: Settings, named: Mapping[str, Settings]) -> Settings:
    """The ``named`` settings of that name, else ``defaults`` with changes as ``name=value,…``.

    Raises ValueError saying what there is to choose.
    """
    if settings in named:
        return named[settings]
    changes: dict[str, int | bool] = {}
    for each in settings.split(","):
        name, _, value = each.partition("=")
        kind = next((field.type for field in fields(defaults) if field.name == name), None)
        if kind is bool and value in ("true", "false"):
            changes[name] = value == "true"
        elif kind not in (None, bool) and value.isdecimal():
            changes[name] = int(value)
        else:
            ways = (f"{field.name}={'true' if field.type is bool else 'N'}" for field in fields(defaults))
            raise ValueError(f"{each!r} is no setting; there are {', '.join([*named, *ways])}")
    return replace(defaults, **changes)
