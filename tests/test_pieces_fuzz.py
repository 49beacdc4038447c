"""Degenerate networks of all kinds, counted by dlcourse and by an independent counter in fractions.

    python tests/test_pieces_fuzz.py 10000 [SEED]

counts so many networks, in a quarter of an hour, and prints those whose numbers differ; the tests count the first 100.
"""

import sys
from collections import Counter
from typing import Any

import exact_cells
import pytest
from marks import slow_except
from random_networks import Case, case

from dlcourse import pieces

DOMAINS: dict[str, Any] = {
    "segment": exact_cells.segment, "whole line": exact_cells.whole_line, "plane": exact_cells.polygon,
    "box": exact_cells.box,
}  # fmt: skip


def counted(one: Case) -> tuple[int, int]:
    """Regions and pieces by dlcourse."""
    domain = dict(one.domain)
    if one.on == "box":
        box = pieces.in_box(one.network, **domain)
        return box.num_regions, box.num_pieces
    if one.on == "plane":
        plane = pieces.on_plane(one.network, vertices=domain.pop("corners"), **domain)
        return plane.num_regions, plane.num_pieces
    line = pieces.on_line(one.network, **domain)
    return line.num_regions, line.num_pieces


def wrong(first: int, num: int) -> tuple[list[str], Counter[str]]:
    """What is said of cases that are counted wrongly, and how many there were on each kind of domain."""
    found, met = [], Counter[str]()
    for seed in range(first, first + num):
        one = case(seed)
        ours = counted(one)
        exact = exact_cells.counts(one.network, *DOMAINS[one.on](**one.domain))
        met[one.on] += 1
        if ours != exact:
            found.append(f"seed {seed}: (regions, pieces) = {ours}, should be {exact}: {one.families}")
    return found, met


@pytest.mark.parametrize("first", slow_except(range(0, 100, 10), 0))
def test_degenerate_networks_are_counted_right(first: int) -> None:
    found, met = wrong(first, 10)
    assert not found
    assert sum(met.values()) == 10


def main() -> None:
    num, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    found, met = wrong(first, num)
    print(*found, f"{num} networks from seed {first} on, {len(found)} counted wrongly: {dict(met)}", sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
