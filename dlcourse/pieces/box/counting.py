"""Exact counts of linear regions and pieces in boxes of a network's input space."""

from collections.abc import Sequence
from typing import overload

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from dlcourse.checks import check_whole
from dlcourse.networks import Stack
from dlcourse.pieces.box.box import InBox, cut
from dlcourse.pieces.box.parts import InParts, count_in_parts
from dlcourse.pieces.memory import check_limits
from dlcourse.pieces.points import finite
from dlcourse.pieces.progress import bars
from dlcourse.pieces.reading import read

Corner = float | int | Sequence[float | int] | Tensor | np.ndarray


@overload
def in_box(
    network: nn.Module, low: Corner, high: Corner, *, max_regions: int = 1_000_000, progress: bool = False
) -> InBox: ...


@overload
def in_box(
    network: nn.Module,
    low: Corner,
    high: Corner,
    *,
    max_regions: int = 1_000_000,
    num_parts: int,
    num_workers: int = 1,
    progress: bool = False,
) -> InParts: ...


def in_box(
    network: nn.Module,
    low: Corner,
    high: Corner,
    *,
    max_regions: int = 1_000_000,
    num_parts: int | None = None,
    num_workers: int = 1,
    progress: bool = False,
) -> InBox | InParts:
    """Counts the activation regions of a network in a box low <= x <= high, exactly.

    The box is cut by one unit after another: an edge at whose ends the unit has different signs gets a vertex there,
    and two such vertices of one two-dimensional face are the ends of a new edge. Regions are told apart by 64-bit sums
    of random numbers, one for each unit and sign: two of n regions are confused with a probability of n^2 / 2^65.

    What is counted is the function that the stored numbers define when they are taken as exact; signs that floating
    point cannot prove are settled in integers. Where more units are zero in one point than the box has dimensions, as
    in networks without biases or where two units coincide, the box is cut anew cell by cell, all in integers: as
    right, and slower. A unit that is zero on all of a region is off there.

    Time and memory grow as the number of vertices: in a few dimensions about as many as there are regions, but a box of
    d dimensions alone has 2^d. The memory is about 16 bytes for each unit of the widest layer, plus 50 d, times the
    vertices: a million regions of 128 + 128 units take 2 GB; where integers are needed, about 100 bytes for each unit.
    In three dimensions, 11,512 regions of 32 + 32 units take 0.04 s; without biases they have 4,118, which take 0.4 s.
    Geometry is built when it is first asked for; its memory and time grow as 2^d times the vertices, the time for
    volumes as d! times that.

    A box may be counted in parts, so that memory holds one of them at a time, or as many as there are workers. Parts
    are slabs across the longest side. A region that several of them meet is counted once: regions are convex, and one
    that crosses the border of two slabs has the same pattern on both sides, which is compared whole. Of a box in parts
    there are the counts of regions and pieces, but no geometry.

    Args:
        network: A network that `dlcourse.pieces.reading.read` understands, with vectors for inputs.
        low: The box's lowest corner: one number for each input, or just a number if there is one input.
        high: The highest one.
        max_regions: More regions than that are refused before they are made; and so are eight times as many vertices,
            a box of more corners, and what would take more memory than is free. Of a box in parts, this is for
            each part.
        num_parts: In how many parts the box is counted.
        num_workers: How many processes count them.
        progress: Whether to show on stderr how far the count is: bars over layers, the units of each, and parts.

    Returns:
        The count, and pieces and geometry on request; of a box in parts only pieces.

    Raises:
        TypeError: If a layer of the network is not understood.
        ValueError: If a corner has the wrong number of coordinates or is not finite, the box is empty, a parameter is
            not finite, values overflow float64, there are more than `max_regions` regions or more vertices than fit in
            memory, a number of parts or workers is less than 1, or workers are asked for without parts.
    """
    if isinstance(network, Stack):
        raise TypeError("in_box counts for one network, got a Stack")
    check_limits(max_regions)
    if num_parts is not None:
        check_whole("num_parts", num_parts, 1)
    check_whole("num_workers", num_workers, 1)
    if num_parts is None and num_workers > 1:
        raise ValueError(f"num_workers must be 1 without num_parts, got {num_workers}: workers take parts of the box")
    corners = _corner("low", low), _corner("high", high)

    def in_the_box(random: np.random.Generator, num_points: int) -> Float[np.ndarray, "points in_features"]:
        share = random.random((num_points, len(corners[0])))
        return (1 - share) * corners[0] + share * corners[1]  # type: ignore[no-any-return]

    layers = read(network, corners[0].shape, domain=in_the_box if corners[0].shape == corners[1].shape else None)
    in_features = layers[0].in_features
    for name, corner in zip(("low", "high"), corners, strict=True):
        if len(corner) != in_features:
            raise ValueError(f"{name} must have {in_features} coordinates, one for each input, got {len(corner)}")
    if not (corners[0] < corners[1]).all():
        raise ValueError(f"low must be less than high in every coordinate, got {corners[0]} and {corners[1]}")
    with bars(progress):
        if num_parts is not None:
            return count_in_parts(layers, *corners, max_regions, num_parts, num_workers)
        subdivision = cut(layers, *corners, max_regions)
    return InBox(subdivision.num_regions, subdivision.num_settled, *corners, subdivision)


def _corner(name: str, corner: Corner) -> Float[np.ndarray, " coordinates"]:
    """A corner; a lone number has one coordinate."""
    coordinates = np.atleast_1d(finite(name, corner))
    if coordinates.ndim != 1:
        raise ValueError(f"{name} must be one point, got shape {coordinates.shape}")
    return coordinates
