"""Writes calls.csv: sixteen bird calls, made up, each with what a listener noted; half fall like a cuckoo's."""

import math
import random
from pathlib import Path

NOTES = (
    "heard at dawn, from the edge of the wood",
    "near, over the open field",
    "faint, behind the farm, wind from the west",
    "twice within a minute, then silence",
    "loud and clear, by the river",
    "far away, before the rain",
    "from the tall oak at noon",
    "in the evening, above the heath",
)
"""What says nothing of the bird: the text is read, and the sound tells."""


def sing(start: float, end: float, chance: random.Random, length: int = 256) -> list[int]:
    """Gives the samples of a tone that glides from one frequency to another, as hundredths, with noise."""
    phase, samples = chance.uniform(0, 2 * math.pi), []
    for place in range(length):
        phase += 2 * math.pi * (start + (end - start) * place / length)
        samples.append(round(80 * math.sin(phase) + chance.gauss(0, 8)))
    return samples


def write_calls(path: Path) -> None:
    """Writes the table."""
    chance = random.Random(0)
    days = iter(chance.sample(range(1, 31), 2 * len(NOTES)))
    lines = ["note,bird,call"]
    for note in NOTES:
        for bird, (start, end) in {"cuckoo": (0.25, 0.10), "lark": (0.10, 0.25)}.items():
            samples = " ".join(map(str, sing(start, end, chance)))
            lines.append(f'"{note}, on day {next(days)}",{bird},{samples}')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_calls(Path(__file__).with_name("calls.csv"))
