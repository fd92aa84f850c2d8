"""A value of a manifest taken for another one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Written = TypeVar("Written")
Outer = TypeVar("Outer")
Taken_co = TypeVar("Taken_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Misreading(Generic[Taken_co]):
    """``field`` holds a value of the class ``value``; taken as ``taken`` says it is as if ``instead`` were written."""

    field: str
    value: str
    taken: str
    instead: Taken_co

    def inside(self, put: Callable[[Taken_co], Outer]) -> "Misreading[Outer]":
        """The same in what holds it; ``put`` makes that from what is held."""
        return Misreading(self.field, self.value, self.taken, put(self.instead))


def each_of(
    items: Sequence[Written] | None, read: Callable[[Written], Iterable[Misreading[Written]]]
) -> Iterator[Misreading[tuple[Written, ...]]]:
    """One of ``items`` misread at a time, the others as they are."""
    items = tuple(items or ())
    for place, item in enumerate(items):
        put = spliced(items, place)
        for change in read(item):
            yield Misreading(change.field, change.value, change.taken, put((change.instead,)))


def spliced(items: Sequence[Written], place: int) -> Callable[[Sequence[Written]], tuple[Written, ...]]:
    """Makes ``items`` with others in place of the one at ``place``."""
    return lambda others: (*items[:place], *others, *items[place + 1 :])


def amount(items: Sequence[object] | None) -> str:
    """The class of a list by its length: what is absent and what is empty differ."""
    if items is None:
        return "absent"
    return ("empty", "one")[len(items)] if len(items) < 2 else "several"
