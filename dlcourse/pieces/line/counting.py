"""Exact counts of linear pieces on lines: segments or whole lines, of a network or of all members of a stack."""

import math
from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from dlcourse.networks import Stack
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line.segment import OnLine, OnLines, count_on_lines
from dlcourse.pieces.line.whole_line import OnWholeLine, count_on_whole_line
from dlcourse.pieces.memory import check_limits
from dlcourse.pieces.points import point
from dlcourse.pieces.progress import bars
from dlcourse.pieces.reading import read, read_for_points

Point = float | int | Sequence[float | int] | Tensor | np.ndarray
Points = Float[Tensor, "..."] | Float[np.ndarray, "..."]


@overload
def on_line(
    network: Stack, start: Point, end: Point, *, max_regions: int = ..., progress: bool = ...
) -> tuple[OnLine, ...]: ...
@overload
def on_line(
    network: Stack, *, origin: Point, direction: Point, max_regions: int = ..., progress: bool = ...
) -> tuple[OnWholeLine, ...]: ...
@overload
def on_line(
    network: nn.Module, start: Point, end: Point, *, max_regions: int = ..., progress: bool = ...
) -> OnLine: ...
@overload
def on_line(
    network: nn.Module, *, origin: Point, direction: Point, max_regions: int = ..., progress: bool = ...
) -> OnWholeLine: ...
def on_line(
    network: nn.Module | Stack,
    start: Point | None = None,
    end: Point | None = None,
    *,
    origin: Point | None = None,
    direction: Point | None = None,
    max_regions: int = 10_000_000,
    max_gigabytes: float | int | None = None,
    progress: bool = False,
) -> OnLine | OnWholeLine | tuple[OnLine, ...] | tuple[OnWholeLine, ...]:
    """Counts the activation regions and the linear pieces of a ReLU network on a line of its input space, exactly.

    The line is a segment, given by start and end, or it goes from minus to plus infinity and is given by origin and
    direction.

    *Activation regions* are the longest open intervals on which every hidden unit's pre-activation keeps its sign: -, 0
    or +. Whether 0 is a sign of its own makes no difference: a pre-activation that is 0 all along an interval, but not
    beside it, bends at the interval's end, and it bends only where a unit of an earlier layer goes from - to + or back.
    *Linear pieces* are the longest intervals on which the function, all outputs together, is one affine map:
    neighbouring regions with the same map are one piece.

    What is counted is the function that the stored numbers define when they are taken as exact. Floating point decides
    only where a derived error bound proves the sign. The rest, signs at vertices, the order of breakpoints, and whether
    neighbouring regions have one map, is decided by numbers of more digits where their bounds prove it, by remainders
    where these prove that two maps differ, and else by integers.

    Time and memory grow as regions times units: 2^20 pieces of nested tents take about 0.1 s and 100 MB. Where
    breakpoints coincide it may take longer: every sign that is settled in integers costs a pass through the network,
    about 0.1 microseconds for each weight that is not 0. In networks of more than 16 layers or so, nearly every vertex
    takes a pass in digits every 15 layers, of some 20 products in the place of one. A whole line takes two to three
    times as long as a segment that all breakpoints lie on. All members of a stack together take much less than one by
    one.

    Units are what `dlcourse.pieces.reading.read` makes of the network. Besides the hidden units themselves these are
    two for each Hardtanh, ReLU6, Hardsigmoid or clamp, one for each absolute value and one for each comparison
    max(a, b) = b + relu(a - b): a pool over k entries is a tournament of k - 1 of them. So `num_regions` tells apart
    who won which round of a pool; `num_pieces` does not depend on how the function is computed.

    Args:
        network: Any `nn.Module` that `dlcourse.pieces.reading.read` understands, in evaluation mode; or a stack.
        start: A point of the input space: one number for each input, or just a number if there is one input; for a
            network that takes anything but vectors a point in the shape that it takes, such as `[channels, height,
            width]`, without the batch's dimension. A batch of one such point is taken for the point, except by stacks.
        end: Another point.
        origin: In place of start and end the point x(0) of a whole line.
        direction: x(1) - x(0); not zero.
        max_regions: More regions than that, of all members together, are refused before they are made. On whole lines
            some regions near the origin are made three times.
        max_gigabytes: What takes more memory than that, in 10^9 bytes by an estimate, is refused before it is asked
            for; by default what takes more than is free.
        progress: Whether to show on stderr how far the count is: a bar over the layers.

    Returns:
        The counts and, worked out on request, breakpoints, affine maps and more; for a stack one result for each
        member, all counted in one pass.

    Raises:
        TypeError: If a layer of the network is not understood.
        ValueError: If a parameter or a coordinate is not finite, a point has the wrong number of coordinates, start and
            end are equal, the direction is zero, values on the line overflow float64, or there are more than
            `max_regions` regions, or they take more than `max_gigabytes`.

    Tolerance: breakpoints are proven to 2^-20 of the segment, on whole lines to 2^-20 (1 + |t|); where floats do not
    tell so much, they are worked out exactly. Mostly they are good to 2^-40, or to 2e-16 (1 + |t|)^2.

    Source: slide "Depth and piecewise linear functions".
    """
    check_limits(max_regions, max_gigabytes)
    if start is not None and end is not None and origin is None and direction is None:
        first, last = point("start", start), point("end", end)
        layers, shape = read_for_points(network, first.shape, _between(first, last, first.size))
        segments = _segments(layers, first.reshape(1, -1), last.reshape(1, -1))
        with bars(progress):
            counted = count_on_lines(layers, *segments, shape, max_regions, max_gigabytes)
        lines = tuple(counted.line(member, 0) for member in range(len(counted.num_regions)))
        return lines if isinstance(network, Stack) else lines[0]
    if origin is not None and direction is not None and start is None and end is None:
        first, step = point("origin", origin), point("direction", direction)
        layers, shape = read_for_points(
            network, first.shape, lambda random, num: first + random.standard_normal((num, *[1] * first.ndim)) * step
        )
        _check_whole_line(layers, first, step)
        with bars(progress):
            whole_lines = count_on_whole_line(
                layers, first.reshape(shape), step.reshape(shape), max_regions, max_gigabytes
            )
        return whole_lines if isinstance(network, Stack) else whole_lines[0]
    points = {"start": start, "end": end, "origin": origin, "direction": direction}
    given = [name for name, coordinates in points.items() if coordinates is not None]
    raise ValueError(
        f"a line must be given by start and end or by origin and direction, got {' and '.join(given) or 'none of them'}"
    )


def on_lines(
    network: nn.Module | Stack,
    starts: Points,
    ends: Points,
    *,
    input_shape: Sequence[int] | None = None,
    max_regions: int = 10_000_000,
    max_gigabytes: float | int | None = None,
    progress: bool = False,
) -> OnLines:
    """Counts on several segments, and for all members of a stack, in one pass: the counts of `on_line`, but faster.

    Args:
        network: A network or a stack of networks that `on_line` can count.
        starts: Where the segments start, `[num_lines, in_features]`, the same for all members, or
            `[members, num_lines, in_features]`.
        ends: Where they end, likewise.
        input_shape: For a network that takes anything but vectors the shape of one input, such as `(1, 28, 28)`; starts
            and ends have it in place of in_features.
        max_regions: More regions than that, on all segments together, are refused before they are made.
        max_gigabytes: What takes more memory than that, in 10^9 bytes by an estimate, is refused before it is asked
            for; by default what takes more than is free.
        progress: Whether to show on stderr how far the count is: a bar over the layers.

    Returns:
        The counts, `[members, num_lines]`; a network is a stack of one.

    Raises:
        TypeError: As `on_line`.
        ValueError: As `on_line`; or if there are not as many ends as starts, or none.
    """
    check_limits(max_regions, max_gigabytes)
    first, last = point("starts", starts), point("ends", ends)
    if input_shape is None:
        input_shape = first.shape[-1:]
    layers = read(network, input_shape, domain=_between(first, last, math.prod(input_shape)))
    flat = []
    for name, points in (("starts", first), ("ends", last)):
        shape = points.shape[: points.ndim - len(input_shape)]
        if points.shape != (*shape, *input_shape):
            raise ValueError(
                f"{name} must end in the shape of an input, {tuple(input_shape)}, got shape {points.shape}"
            )
        flat.append(points.reshape(*shape, math.prod(input_shape)))
    with bars(progress):
        return count_on_lines(layers, *_segments(layers, *flat), tuple(input_shape), max_regions, max_gigabytes)


def _between(
    starts: Float[np.ndarray, "..."], ends: Float[np.ndarray, "..."], num_inputs: int
) -> Callable[[np.random.Generator, int], Float[np.ndarray, "points in_features"]] | None:
    """Draws points of segments, each of a random one; None for what will be refused."""
    if starts.size != ends.size or starts.size == 0:
        return None
    starts, ends = starts.reshape(-1, num_inputs), ends.reshape(-1, num_inputs)

    def drawn(random: np.random.Generator, num_points: int) -> Float[np.ndarray, "points in_features"]:
        chosen = random.integers(len(starts), size=num_points) if len(starts) > 1 else slice(None)
        share = random.random((num_points, 1))
        return (1 - share) * starts[chosen] + share * ends[chosen]  # type: ignore[no-any-return]

    return drawn


def _segments(
    layers: list[UnitLayer], starts: Float[np.ndarray, "..."], ends: Float[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "members num_lines in_features"], Float[np.ndarray, "members num_lines in_features"]]:
    """The segments of every member, checked."""
    members, in_features = len(layers[0].bias), layers[0].in_features
    for name, points in (("start", starts), ("end", ends)):
        if (
            points.ndim not in (2, 3)
            or points.shape[-1] != in_features
            or (points.ndim == 3 and len(points) != members)
        ):
            raise ValueError(
                f"{name} must have {in_features} coordinates, as many as the network has inputs (shape [num_lines, "
                f"{in_features}] or [{members}, num_lines, {in_features}] for several lines), got shape {points.shape}"
            )
        if not np.isfinite(points).all():
            raise ValueError(f"{name} must be finite, got {points[~np.isfinite(points)][0]}")
    if starts.shape[-2] != ends.shape[-2] or starts.shape[-2] == 0:
        raise ValueError(f"there must be as many ends as starts, and at least one, got {starts.shape} and {ends.shape}")
    starts, ends = (np.broadcast_to(points, (members, *points.shape[-2:])) for points in (starts, ends))
    equal = (starts == ends).all(axis=2)
    if equal.any():
        raise ValueError(f"start and end must differ, got {starts[equal][0]} for both")
    return starts, ends


def _check_whole_line(
    layers: list[UnitLayer], origin: Float[np.ndarray, "*input_shape"], direction: Float[np.ndarray, "..."]
) -> None:
    """Refuses what is no line of the network's input space."""
    if origin.shape != direction.shape:
        raise ValueError(f"origin and direction must have one shape, got {origin.shape} and {direction.shape}")
    for name, values in (("origin", origin), ("direction", direction)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, got {values[~np.isfinite(values)][0]}")
    if not direction.any():
        raise ValueError("direction must not be zero in every coordinate, got 0")
    if layers[0].in_features != origin.size:
        raise ValueError(f"origin must have {layers[0].in_features} coordinates, got {origin.size}")
