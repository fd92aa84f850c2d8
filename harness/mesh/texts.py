"""The texts that a regular expression takes, where they are few: what a table of literals can ask instead.

A small part of RE2's syntax is read, in which nothing can be meant in two ways: literals, escaped punctuation, groups,
alternatives, classes of letters and digits, ``?``, and ``.*`` at the end of a text.
Source: https://github.com/google/re2/wiki/Syntax
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST = 64
"""Texts of one expression."""

_LITERAL = re.compile(r"[A-Za-z0-9/_~!@%&=:;,'\"<>#-]")
_ESCAPED = re.compile(r"[.+*?()\[\]{}^$|\\/_~!@&=:;,-]")
_RANGE = re.compile(r"([A-Za-z0-9])-([A-Za-z0-9])")
_SPANS = (("a", "z"), ("A", "Z"), ("0", "9"))


@dataclass(frozen=True, slots=True, order=True)
class Text:
    """A text, or with ``open`` every text that begins so."""

    text: str
    open: bool = False


class _NotFew(Exception):
    """It takes other texts than can be listed, or is written in a way that is not read here."""


def texts(expression: str) -> frozenset[Text] | None:
    """All texts that ``expression`` takes as a whole; None where they are not few, or it is not read here."""
    reader = _Reader(expression)
    try:
        found = reader.alternatives()
    except _NotFew:
        return None
    return found if not reader.left else None


class _Reader:
    """Reads from the left; ``left`` is what has not been read."""

    def __init__(self, expression: str) -> None:
        self.left = expression

    def alternatives(self) -> frozenset[Text]:
        found = self._sequence()
        while self._taken("|"):
            found = _few({*found, *self._sequence()})
        return found

    def _sequence(self) -> frozenset[Text]:
        found = frozenset((Text(""),))
        while self.left and self.left[0] not in "|)":
            found = _behind(found, self._item())
        return found

    def _item(self) -> frozenset[Text]:
        found = self._atom()
        if self._taken("?"):
            found = _few({*found, Text("")})
        if self.left[:1] in ("*", "+", "?", "{"):  # repeated, or as little as possible
            raise _NotFew
        return found

    def _atom(self) -> frozenset[Text]:
        if self._taken(".*"):
            return frozenset((Text("", open=True),))
        if self._taken("(?:") or (not self.left.startswith("(?") and self._taken("(")):
            found = self.alternatives()
            if not self._taken(")"):
                raise _NotFew
            return found
        if self._taken("["):
            return self._class()
        if self._taken("\\"):
            return frozenset((Text(self._one(_ESCAPED)),))
        return frozenset((Text(self._one(_LITERAL)),))

    def _class(self) -> frozenset[Text]:
        letters, end, self.left = self.left.partition("]")
        found: set[str] = set()
        while letters:
            span = _RANGE.match(letters)
            if span is None:
                if not letters[0].isascii() or not letters[0].isalnum():
                    raise _NotFew
                found.add(letters[0])
                letters = letters[1:]
                continue
            first, last = span.groups()
            if not any(low <= first <= last <= high for low, high in _SPANS):
                raise _NotFew
            found |= {chr(each) for each in range(ord(first), ord(last) + 1)}
            letters = letters[3:]
        if not end or not found:
            raise _NotFew
        return _few(map(Text, found))

    def _one(self, wanted: "re.Pattern[str]") -> str:
        if not wanted.match(self.left):
            raise _NotFew
        letter, self.left = self.left[0], self.left[1:]
        return letter

    def _taken(self, text: str) -> bool:
        taken = self.left.startswith(text)
        if taken:
            self.left = self.left[len(text) :]
        return taken


def _behind(first: Iterable[Text], then: frozenset[Text]) -> frozenset[Text]:
    """Each of the first with each of the others behind it. Behind ``.*`` nothing may come."""
    found = set()
    for each in first:
        if each.open and then != {Text("")}:
            raise _NotFew
        found |= {each} if each.open else {Text(each.text + other.text, other.open) for other in then}
    return _few(found)


def _few(found: Iterable[Text]) -> frozenset[Text]:
    listed = frozenset(found)
    if len(listed) > MOST:
        raise _NotFew
    return listed
