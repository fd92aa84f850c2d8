"""Faults that are seeded into data planes, and what became of them."""

from dataclasses import dataclass
from enum import StrEnum

from harness.model.origin import Origin


class Symptom(StrEnum):
    """In which way a case can fail."""

    ADMITS = "admits"  # something that is denied got through
    DENIES = "denies"  # something that is allowed did not
    REFUSES = "refuses"  # the plane does not put in force what it claims to
    BREAKS = "breaks"  # no record of a denial, or denied in another manner than declared


@dataclass(frozen=True, slots=True)
class Fault:
    """A change of one source file that must not go unseen: ``find``, which occurs once in ``file``, becomes ``replace``.

    ``file`` is relative to the checkout. ``kind`` is the symptom that must show, None where either admission or denial will
    do, as with what a program wrote. ``first`` are patterns of the cases (``area/name``) of its field, which are asked first.
    ``equivalent`` says why no case can tell the difference; ``operator`` names what wrote it.
    """

    origin: Origin
    name: str
    why: str
    file: str
    find: str
    replace: str
    planes: tuple[str, ...]
    kind: Symptom | None = None
    first: tuple[str, ...] = ()
    equivalent: str | None = None
    operator: str | None = None


class Fate(StrEnum):
    """What became of a fault on a data plane."""

    KILLED = "killed"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"  # survived, and is explained
    INVALID = "invalid"  # no mutant: the program with it does not start, or the kernel refuses it


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault on a data plane, judged. ``case`` is the one that killed it, ``reason`` the line by which it did."""

    fault: str
    dataplane: str
    fate: Fate
    case: str = ""
    reason: str = ""
    seconds: float = 0.0
