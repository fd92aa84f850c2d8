"""The requests of HTTP that generated cases may ask: beside each that a rule may mean, those that a misreading takes for it."""

from itertools import product
from typing import Final

from harness.model.flow import Flow
from harness.model.request import HTTPRequest

PORT: Final = 8080
_PAIRS: Final = (
    ("shop/client", "shop/api"),
    ("shop/client", "shop/cart"),
    ("lab/client", "shop/api"),
    ("shop/cart", "shop/api"),
)
"""Within a node and between nodes, and clients that other peers name."""

_PATHS: Final = (
    "/", "/items", "/Items", "/items/", "/items/7", "/items/1234", "/items/x", "/items?page=2", "/itemsx", "/x/items",
    "/orders", "/orders.json", "/ordersxjson", "/items/../orders", "//items", "/%69tems",
)  # fmt: skip
_METHODS: Final = ("POST", "PUT", "HEAD", "DELETE")
_HOSTS: Final = ("shop", "shop:8080", "SHOP", "api.shop.example", "apixshop.example", "myshop")
_HEADERS: Final = (
    (("X-Team", "web"),),
    (("X-Team", "WEB"),),
    (("X-Team", "web shop"),),
    (("X-Team", "web"), ("X-Team", "shop")),
    (("X-Id", "1"),),
    (("X-Team", "web"), ("X-Id", "1")),
)


def requests() -> tuple[Flow, ...]:
    """All that may be asked about a rule about requests."""
    asked = (
        *(HTTPRequest(path=path) for path in _PATHS),
        *(HTTPRequest(method, "/items") for method in _METHODS),
        *(HTTPRequest(path="/items", host=host) for host in _HOSTS),
        *(HTTPRequest(path="/items", headers=headers) for headers in _HEADERS),
        HTTPRequest("POST", "/items", "shop", _HEADERS[0]),
        HTTPRequest("POST", "/orders", "shop", _HEADERS[0]),
    )
    return tuple(Flow(*ends, PORT, family=family, request=request) for ends, request, family in product(_PAIRS, asked, (4, 6)))


def written(request: HTTPRequest) -> str:
    """A request as a case writes it."""
    fields = [f"method: {request.method}"] if request.method != "GET" else []
    fields += [f'path: "{request.path}"'] + ([f'host: "{request.host}"'] if request.host else [])
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name, []).append(f'"{value}"')
    headers = ", ".join(f"{name}: [{', '.join(each)}]" for name, each in values.items())
    return ", ".join([*fields, *([f"headers: {{{headers}}}"] if headers else [])])
