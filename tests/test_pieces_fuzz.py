"""Thousands of degenerate networks of all kinds, counted by dlcourse and by an independent counter in fractions.

    python tests/test_pieces_fuzz.py 10000 [SEED]

counts so many cases and prints those whose numbers differ; the tests count some of them.
"""

import sys
from collections import Counter

import exact_cells
from exact_cells import counts
from random_networks import Case, case

from dlcourse import pieces

DOMAINS = {
    "segment": exact_cells.segment, "whole line": exact_cells.whole_line, "plane": exact_cells.polygon,
    "box": exact_cells.box,
}  # fmt: skip


def expected(one: Case) -> tuple[int, int]:
    """Regions and pieces in fractions."""
    return counts(one.network, *DOMAINS[one.on](**one.domain))


def counted(one: Case) -> tuple[int, int] | None:
    """Regions and pieces by dlcourse; None if it refuses the network."""
    domain = dict(one.domain)
    if one.on == "box":
        try:
            found = pieces.in_box(one.network, **domain)
        except pieces.DegenerateError:
            return None
    elif one.on == "plane":
        found = pieces.on_plane(one.network, vertices=domain.pop("corners"), **domain)
    else:
        found = pieces.on_line(one.network, **domain)
    return found.num_regions, found.num_pieces


def main(num, first):
    met = Counter()
    for seed in range(first, first + num):
        one = case(seed)
        found = counted(one)
        met[one.on, "refused" if found is None else "counted"] += 1
        if found is not None and found != expected(one):
            print(seed, one.families, found, expected(one))
    print(met)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
