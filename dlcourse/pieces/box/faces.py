"""The faces of a convex polytope, read off which walls go through which of its corners: no coordinates are needed.

A face of a polytope is the set of its corners on some walls; what walls do not tell apart is one face. Sets are
integers here, with a bit for each member. A wall may touch the polytope where it has no facet, and may be the same as
another one: a set of corners that such a wall adds lies in those of facets.

Source: Fukuda, Prodon, Double description method revisited (1996), the combinatorial adjacency test.
"""

from collections.abc import Iterator, Sequence

Set = int  # with a bit for each member


def cut_edges(
    positive: Sequence[int], negative: Sequence[int], corners: Sequence[int], walls: Sequence[Set], d: int
) -> Iterator[tuple[int, int]]:
    """The edges of a polytope from its corners on one side to those on the other.

    Two corners are joined by an edge if no third one lies on all the walls that both lie on.

    Args:
        positive: Corners on one side.
        negative: Corners on the other side.
        corners: All corners of the polytope.
        walls: For each vertex, corner of this polytope or not, the walls that it lies on.
        d: The polytope's dimension.
    """
    for one in positive:
        for other in negative:
            common = walls[one] & walls[other]
            if common.bit_count() < d - 1:  # an edge lies on that many facets at least
                continue
            if all(walls[third] & common != common or third in (one, other) for third in corners):
                yield one, other


def corners_on_walls(corners: Sequence[int], walls: Sequence[Set]) -> list[Set]:
    """The corners on each wall, the i-th corner as bit i, for walls that some but not all corners lie on."""
    on_wall: dict[Set, Set] = {}
    for place, corner in enumerate(corners):
        left = walls[corner]
        while left:
            wall = left & -left
            on_wall[wall] = on_wall.get(wall, 0) | 1 << place
            left ^= wall
    return list(set(on_wall.values()) - {(1 << len(corners)) - 1})


def facets(face: Set, on_walls: Sequence[Set]) -> list[Set]:
    """The facets of a face: what walls have in common with it, without what lies in another one."""
    found: list[Set] = []
    for part in sorted({face & wall for wall in on_walls} - {face, 0}, key=int.bit_count, reverse=True):
        if all(part & ~larger for larger in found):
            found.append(part)
    return found


def simplices(face: Set, on_walls: Sequence[Set]) -> Iterator[tuple[int, ...]]:
    """The simplices that a face is cut into: pyramids over those of its facets, with its lowest corner for apex."""
    apex = face & -face
    if face == apex:
        yield (apex.bit_length() - 1,)
    for facet in facets(face, on_walls):
        if not facet & apex:
            for simplex in simplices(facet, on_walls):
                yield (apex.bit_length() - 1, *simplex)


def faces_by_dimension(num_corners: int, on_walls: Sequence[Set], d: int) -> list[list[Set]]:
    """All faces of a polytope: its corners first, then its edges, and so on up to itself."""
    levels = [{(1 << num_corners) - 1}]
    for _ in range(d):
        levels.append({facet for face in levels[-1] for facet in facets(face, on_walls)})
    return [list(level) for level in reversed(levels)]


def members(face: Set, corners: Sequence[int]) -> tuple[int, ...]:
    """The corners in a set, in their order."""
    return tuple(corner for place, corner in enumerate(corners) if face >> place & 1)
