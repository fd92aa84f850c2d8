"""What is wrong with a user's file, and where."""

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.model.origin import Origin

_LISTED = 12  # known names that a message lists where none is near
_SHOWN = 60  # characters of a found value that a message repeats


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong: where it stands, and what was found and what to do in one line."""

    origin: Origin
    message: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


class ManifestError(Exception):
    """Files that cannot be used; ``faults`` holds every fault found, in the order of files and lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: Sequence[Fault] = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def refuse(faults: Sequence[Fault]) -> None:
    """Raise ManifestError if there are any faults."""
    if faults:
        raise ManifestError(faults)


def nearest(found: str, known: Iterable[str]) -> str:
    """`` (did you mean "x"?)`` with the nearest known name, or nothing where none is near."""
    names = {name.casefold(): name for name in sorted(known)}
    near = difflib.get_close_matches(found.casefold(), names, n=1)
    return f' (did you mean "{names[near[0]]}"?)' if near else ""


def suggestion(found: str, known: Iterable[str]) -> str:
    """The nearest known name, as ``nearest`` gives it; where none is near, the known ones if they are few."""
    names = sorted(known)
    return nearest(found, names) or (f" (known here: {', '.join(names)})" if 0 < len(names) <= _LISTED else "")


def found(value: object) -> str:
    """A value as a message shows it: what it is and, for scalars, how it reads."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {_shortened(_digits(value))}"
        case str():
            return f"the string {quoted(value)}"
        case list():
            return "a list"
        case _:
            return "a mapping"


def quoted(text: str) -> str:
    """``text`` in double quotes on one line, shortened to what a message can bear."""
    return "".join(_visible(each) for each in json.dumps(_shortened(text), ensure_ascii=False))


def _visible(character: str) -> str:
    # JSON leaves U+2028 and the like as they are: to a reader of lines they end one, to a terminal some are commands.
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _digits(value: float) -> str:
    # Python refuses to write integers of over 4,300 digits in decimal; nobody reads beyond the first few.
    return hex(value) if isinstance(value, int) and value.bit_length() > 4 * _SHOWN else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
