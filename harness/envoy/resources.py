"""Resources for Envoy as messages: dictionaries, in protobuf's JSON form, made into what goes over the wire.

The library is imported on first use: it takes a second.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from threading import RLock
from typing import Any

from harness.envoy.errors import EnvoyError

CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
ENDPOINTS = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
TYPES = (CLUSTER, ENDPOINTS, LISTENER, ROUTES)
"""In the order in which a change is sent, so that nothing names what is not there yet."""

_PREFIX = "type.googleapis.com/"
_OUTLIERS, _ERRORS = "outlier_detection", "consecutive_5xx"

_BUILDING = RLock()
"""Held wherever messages are made: the library completes a class when it is first used, and fails where two threads do."""


@dataclass(frozen=True, slots=True)
class Message:
    """A resource as Envoy is sent it."""

    name: str
    type_url: str
    value: bytes

    def packed(self) -> Any:
        """As ``google.protobuf.Any``."""
        return library("google.protobuf").Any(type_url=self.type_url, value=self.value)


Snapshot = Mapping[str, Sequence[Message]]
"""All resources of an Envoy by type."""


def discovery() -> tuple[Any, Any]:
    """The classes of DiscoveryRequest and DiscoveryResponse."""
    package = library("envoy.service.discovery.v3")
    return package.DiscoveryRequest, package.DiscoveryResponse


def request_of(data: bytes) -> Any:
    """The DiscoveryRequest that came as ``data``."""
    request, _ = discovery()
    with _BUILDING:
        return request.parse(data)


def response_of(type_url: str, messages: Sequence[Message], nonce: str) -> Any:
    """The DiscoveryResponse with all resources of a type; its version is its nonce."""
    _, response = discovery()
    with _BUILDING:
        resources = [each.packed() for each in messages]
        return response(version_info=nonce, resources=resources, type_url=type_url, nonce=nonce)


def short(type_url: str) -> str:
    """The name of a type, for messages."""
    return type_url.rpartition(".")[2]


def message(resource: Mapping[str, Any]) -> Message:
    """``resource``, whose ``@type`` says what it is. Raises EnvoyError for a field that its type lacks."""
    type_url = str(resource["@type"])
    try:
        with _BUILDING:
            value = _written(json.dumps(resource))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EnvoyError(f"{type_url.removeprefix(_PREFIX)} {resource.get('name')!r} is not one: {error!r}") from None
    return Message(str(resource.get("name") or resource["cluster_name"]), type_url, value)


@lru_cache(maxsize=4096)
def _written(resource: str) -> bytes:
    """A resource by its JSON. The library takes milliseconds for each, and a change of policy has most of them again."""
    body = json.loads(resource)
    errors = body.get(_OUTLIERS, {}).pop(_ERRORS, None)
    found: bytes = _any(body).value
    return found if errors is None else found + _errors(errors)


def _errors(count: int) -> bytes:
    """A cluster's field that the library does not find by its name, as bytes to be added: who reads them merges the two."""
    package = library("envoy.config.cluster.v3")
    return bytes(package.Cluster(outlier_detection=package.OutlierDetection(**{_ERRORS: count})))


def library(package: str) -> Any:
    """A package of messages, by its name in protobuf."""
    return import_module(f"envoy_data_plane.{package}")


def _any(resource: Mapping[str, Any]) -> Any:
    for type_url in _types(resource):
        package = type_url.removeprefix(_PREFIX).rpartition(".")[0]
        library(package)
    return library("google.protobuf").Any.from_dict(dict(resource))


def _types(value: object) -> set[str]:
    """Every ``@type`` inside, whose modules must be imported for the library to know them."""
    if isinstance(value, Mapping):
        own = {str(value["@type"])} if "@type" in value else set()
        return own.union(*map(_types, value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*map(_types, value))
    return set()
