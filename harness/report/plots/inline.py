"""matplotlib's SVG made fit for the middle of a page: small, with ids of its own, and named for those who do not see it."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_SVG = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"
_FONT = "'DejaVu Sans', Verdana, sans-serif"
_DEFAULTS = {"stroke-linejoin": "miter", "stroke-linecap": "butt"}

_EDGE = 0.01
"""Points that a path may lie outside of its clip by mere rounding."""

TIP = "tip: "
"""What the id of a mark begins with whose rest a pointer on it brings up."""


def inlined(drawn: str, key: str, title: str, alt: str) -> str:
    """``drawn`` without what nobody sees, its ids preceded by ``key``, with a title and a description, as wide as its place.

    Laying out paper takes time for each element and each inline style, so groups that hold nothing of their own are
    dissolved, marks stand where they are used, and styles become attributes.
    """
    root = ElementTree.fromstring(drawn)  # noqa: S314 -- drawn by ourselves just before
    _unclip(root)
    marks = {path.get("id", ""): path for path in root.iter(f"{{{_SVG}}}path") if path.get("id")}
    for extra in ("width", "height", "version"):
        root.attrib.pop(extra, None)
    _tidy(root, key, marks)
    root.attrib |= {"font-family": _FONT, "role": "img", "aria-labelledby": f"{key}-title {key}-desc"}
    names = [Element("title", {"id": f"{key}-title"}), Element("desc", {"id": f"{key}-desc"})]
    names[0].text, names[1].text = title, alt
    root[:0] = names
    # a page of HTML knows the elements of SVG without their namespace
    root.set("xmlns", _SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _unclip(root: Element) -> None:
    """Take the clips off paths that lie within theirs: paper draws the clip anew for each path, which nothing would show."""
    areas = {f"url(#{clip.get('id')})": clip[0] for clip in root.iter(f"{{{_SVG}}}clipPath")}
    for path in root.iter(f"{{{_SVG}}}path"):
        if (area := areas.get(path.get("clip-path", ""))) is not None and _within(path.get("d", ""), area):
            del path.attrib["clip-path"]


def _within(path: str, area: Element) -> bool:
    """Whether all points of a path of absolute coordinates, those that bend it among them, are in a rectangle."""
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path)]
    return all(
        start - _EDGE <= number <= start + size + _EDGE
        for at, extent, coordinates in (("x", "width", numbers[::2]), ("y", "height", numbers[1::2]))
        for start, size in [(float(area.get(at, "0")), float(area.get(extent, "0")))]
        for number in coordinates
    )


def _tidy(parent: Element, key: str, marks: dict[str, Element]) -> None:
    kept: list[Element] = []
    for drawn in list(parent):
        child = drawn
        name = child.tag.removeprefix(f"{{{_SVG}}}") if isinstance(child.tag, str) else ""
        if name in ("", "metadata", "style") or "}" in name:
            continue
        child.tag, child.tail = name, None
        if name == "use":
            child = _placed(child, marks)
        elif name == "defs":
            _keep_clips(child)
        _attributes(child, key)
        _tidy(child, key, marks)
        if name == "g":
            child.text = None
            if not child.attrib:
                kept += list(child)
                continue
        if name in ("g", "defs") and not len(child):
            continue
        kept.append(child)
    parent[:] = kept
    parent.tag = parent.tag.removeprefix(f"{{{_SVG}}}")


def _placed(use: Element, marks: dict[str, Element]) -> Element:
    """The mark itself instead of a reference to it."""
    mark = marks[use.get(_HREF, "#")[1:]]
    path = Element("path", {"d": mark.get("d", ""), "style": use.get("style", "") or mark.get("style", "")})
    path.set("transform", f"translate({_short(use.get('x', '0'))} {_short(use.get('y', '0'))})")
    return path


def _keep_clips(defs: Element) -> None:
    defs[:] = [child for child in defs if child.tag == f"{{{_SVG}}}clipPath"]


def _attributes(element: Element, key: str) -> None:
    """Inline styles as attributes, one font for all, numbers no finer than a screen, and ids only where they are used."""
    for pair in element.attrib.pop("style", "").split(";"):
        name, _, value = pair.partition(":")
        if name.strip() and name.strip() != "font-family":
            element.set(name.strip(), value.strip())
    name = element.attrib.pop("id", "")
    if name.startswith(TIP):
        element.attrib |= {"class": "tip", "data-tip": name.removeprefix(TIP)}
    elif element.tag == "clipPath":
        element.set("id", f"{key}-{name}")
    for name, value in list(element.attrib.items()):
        if name == "clip-path":
            element.set(name, value.replace("url(#", f"url(#{key}-"))
        elif name in ("d", "transform", "x", "y", "width", "height", "stroke-width"):
            element.set(name, _short(value))
        if _DEFAULTS.get(name) == value or value.startswith("rotate(-0 "):
            del element.attrib[name]


def _short(numbers: str) -> str:
    return re.sub(r"(\.\d{2})\d+", r"\1", re.sub(r"\s+", " ", numbers)).strip()
