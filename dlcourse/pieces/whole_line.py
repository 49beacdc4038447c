"""Exact counts on a whole line, from minus to plus infinity."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import nn

from dlcourse.networks import Stack
from dlcourse.pieces.layer import Layer
from dlcourse.pieces.line import OnLine, Point, count_on_line, point
from dlcourse.pieces.reading import read


@dataclass(frozen=True, eq=False)
class OnWholeLine:
    """A network on the line x(t) = origin + t direction, for all real t.

    Attributes:
        num_regions: Number of activation regions.
        num_pieces: Number of linear pieces of the function; the first and the last one have no end.
        num_settled: Number of signs that floating point left open, so that exact arithmetic decided them.
        region_breakpoints: Where one activation region ends and the next begins: num_regions - 1 values of t, in order.
        breakpoints: Where one linear piece ends and the next begins: num_pieces - 1 values of t, in order.
        slopes: dy/dt on each piece.
        intercepts: What the affine map of each piece is at t = 0.
    """

    num_regions: int
    num_pieces: int
    num_settled: int
    region_breakpoints: Float[np.ndarray, " region_breakpoints"]
    breakpoints: Float[np.ndarray, " breakpoints"]
    slopes: Float[np.ndarray, "num_pieces out_features"]
    intercepts: Float[np.ndarray, "num_pieces out_features"]


def on_whole_line(
    network: nn.Module,
    origin: Point,
    direction: Point,
    *,
    max_regions: int = 10_000_000,
) -> OnWholeLine:
    """Counts the activation regions and the linear pieces of a ReLU network on a whole line, exactly.

    No segment is long enough for all networks, so infinity is brought near. Units are positively homogeneous,
    v f(z) = f(v z) for v > 0, so v times the network at x is another network at (v x, v): the biases become weights of
    v, which every layer passes on. On the segment from (origin, 1) to (direction, 0) this is (1 - s) times the network
    at t = s / (1 - s), and one is affine where the other is. The two halves of the line are counted like this, and
    whether they share a region or piece at t = 0 follows from counts on either side of it and on both.

    Args:
        network: Any network that `on_line` can count.
        origin: x(0), a point as in `on_line`.
        direction: x(1) - x(0); not zero.
        max_regions: More regions than that on half of the line are refused before they are made.

    Returns:
        The counts, the breakpoints and the affine map of every piece.

    Raises:
        TypeError: If a layer of the network is not understood.
        ValueError: As `on_line`; or if the direction is zero.

    Time and memory are those of `on_line` on a segment that all breakpoints lie on.

    Tolerance: a breakpoint at t is off by some 2e-16 (1 + |t|)^2: as many digits as 1 + |t| has are lost.

    Source: slide "Depth and piecewise linear functions"; homogeneous coordinates are those of projective geometry.
    """
    if isinstance(network, Stack):
        raise TypeError("on_whole_line counts for one network, got a Stack: count each of unstack(stack)")
    at_0, step = point(origin), point(direction)
    if at_0.shape != step.shape:
        raise ValueError(f"origin and direction must have one shape, got {at_0.shape} and {step.shape}")
    for name, values in (("origin", at_0), ("direction", step)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, got {values[~np.isfinite(values)][0]}")
    if not step.any():
        raise ValueError("direction must not be zero in every coordinate, got 0")
    layers = read(network, at_0.shape)
    if layers[0].weight.shape[2] != at_0.size:
        raise ValueError(f"origin must have {layers[0].weight.shape[2]} coordinates, got {at_0.size}")
    layers = _homogeneous(layers, at_0.reshape(-1), step.reshape(-1))

    def segment(start: tuple[int, int], end: tuple[int, int]) -> OnLine:
        """In coordinates (v, v t)."""
        return count_on_line(layers, np.array(start, dtype=float), np.array(end, dtype=float), max_regions)

    left, right = segment((1, 0), (0, -1)), segment((1, 0), (0, 1))
    around, before, after = segment((1, -1), (1, 1)), segment((1, -1), (1, 0)), segment((1, 0), (1, 1))
    # what goes through t = 0 is counted on both sides, but once on the segment around it
    shared_regions = before.num_regions + after.num_regions - around.num_regions
    shared_pieces = before.num_pieces + after.num_pieces - around.num_pieces
    return OnWholeLine(
        num_regions=left.num_regions + right.num_regions - shared_regions,
        num_pieces=left.num_pieces + right.num_pieces - shared_pieces,
        num_settled=sum(each.num_settled for each in (left, right, around, before, after)),
        region_breakpoints=_joined(left.region_breakpoints, right.region_breakpoints, shared_regions),
        breakpoints=_joined(left.breakpoints, right.breakpoints, shared_pieces),
        # (1 + t) (slope s + intercept) at s = t / (1 + t), and likewise in -t
        slopes=np.concatenate(
            [-(left.slopes + left.intercepts)[::-1], (right.slopes + right.intercepts)[shared_pieces:]]
        ),
        intercepts=np.concatenate([left.intercepts[::-1], right.intercepts[shared_pieces:]]),
    )


def _joined(
    left: Float[np.ndarray, " left"], right: Float[np.ndarray, " right"], num_shared: int
) -> Float[np.ndarray, " breakpoints"]:
    """The breakpoints t of both halves, given by s = |t| / (1 + |t|), and 0 unless something goes through it."""
    with np.errstate(divide="ignore"):  # what rounds to s = 1 is infinitely far away
        return np.concatenate([-(left / (1 - left))[::-1], [] if num_shared else [0.0], right / (1 - right)])


def _homogeneous(
    layers: list[Layer], origin: Float[np.ndarray, " in_features"], direction: Float[np.ndarray, " in_features"]
) -> list[Layer]:
    """v times the network at origin + t direction, as a network at (v, v t)."""
    inputs = np.stack([np.append(origin, 1), np.append(direction, 0)], axis=1)  # (v x, v)
    homogeneous = [Layer(inputs[None], np.zeros((1, len(inputs))), np.ones((1, len(inputs))))]
    for layer in layers[:-1]:
        passed_on = np.zeros((1, 1, layer.weight.shape[2] + 1))
        passed_on[..., -1] = 1  # v
        weight = np.concatenate([np.concatenate([layer.weight, layer.bias[..., None]], axis=2), passed_on], axis=1)
        slope = np.append(layer.slope, [[1]], axis=1)
        homogeneous.append(Layer(weight, np.zeros_like(slope), slope))
    last = layers[-1]
    weight = np.concatenate([last.weight, last.bias[..., None]], axis=2)
    return [*homogeneous, Layer(weight, np.zeros_like(last.bias), last.slope)]
