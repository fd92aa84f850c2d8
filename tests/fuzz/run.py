"""One world's packets: made, run, dissected, compared."""

import random
from collections import Counter
from dataclasses import dataclass, field

from fuzz.bench import Bench
from fuzz.dissection import NotJudged, dissect
from fuzz.expected import Model
from fuzz.frames import Conversations, Sent
from fuzz.mutations import mutated
from fuzz.worlds import World, world

PACKETS = 2000
"""Of each world; a packet's index is the world's number times this, and its place."""
_HALF = PACKETS // 2
_PAST = 400  # frames that may be sent again


@dataclass
class Tally:
    """What was tried and found. ``differing``: index, frame as sent, expected and found reasons."""

    packets: int = 0
    not_judged: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    differing: list[tuple[int, Sent, str, str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.packets += other.packets
        for name in ("not_judged", "reasons", "mutations", "kinds"):
            getattr(self, name).update(getattr(other, name))
        self.differing += other.differing


def packets(of: World, run_seed: int, tally: Tally) -> list[Sent]:
    """The same arguments make the same packets: valid ones, mutants of them, and both again."""
    chance = random.Random(f"{run_seed}/{of.number}")
    conversations, made = Conversations(of, chance), []
    while len(made) < PACKETS:
        for sent in conversations.next():
            made.append(sent)
            tally.kinds[sent.kind] += 1
            tally.mutations["none"] += 1
            for _ in range(chance.choice((2, 3, 4))):
                frame, names = mutated(sent.frame, chance)
                made.append(Sent(sent.program, sent.interface, frame, sent.kind))
                tally.kinds[sent.kind] += 1
                tally.mutations.update(names)
            if chance.random() < 0.5:
                made.append(chance.choice(made[-_PAST:]))
                tally.mutations["sent again"] += 1
    return made[:PACKETS]


def run_world(bench: Bench, run_seed: int, number: int, limit: int = PACKETS) -> Tally:
    """Try the first ``limit`` packets of one world: half under its first policies, half under its second."""
    tally, of = Tally(), world(run_seed, number)
    made = []
    for sent in packets(of, run_seed, tally)[:limit]:
        try:
            made.append((sent, dissect(sent.frame)))
        except NotJudged as why:  # not sent, for it might change what the node remembers
            tally.not_judged[str(why)] += 1
    found: list[str] = []
    bench.enter(of)
    for which, part in enumerate((made[:_HALF], made[_HALF:])):
        bench.enforce(of, which)
        found += bench.run([sent for sent, _ in part])
    model = Model(of)
    for place, ((sent, seen), reason) in enumerate(zip(made, found, strict=True)):
        model.enforce(int(place >= _HALF))
        tally.packets += 1
        tally.reasons[reason] += 1
        expected = model.judge(seen, sent.program, sent.interface)
        if reason not in expected:
            tally.differing.append((number * PACKETS + place, sent, "/".join(sorted(expected)), reason))
            break  # what is remembered of flows may differ from here on
    return tally
