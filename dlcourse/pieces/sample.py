"""Counts on random segments and triangles: what can be said exactly, on average, in any number of dimensions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from dlcourse.checks import check_whole
from dlcourse.networks import Stack, unstack
from dlcourse.pieces.line import on_lines
from dlcourse.pieces.plane import on_plane
from dlcourse.pieces.points import finite
from dlcourse.pieces.reading import read

Corner = float | int | Sequence[Any] | Tensor | np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """Exact counts on segments or triangles that were drawn independently from one distribution.

    Attributes:
        counts: The count on each of them; for a stack those of every member, all on the same ones.
    """

    counts: Int64[np.ndarray, "*members num_samples"]

    def __repr__(self) -> str:
        *members, num_samples = self.counts.shape
        means = np.atleast_1d(self.mean)
        said = f"mean={means[0]:.4g}" if len(means) == 1 else f"means={means.min():.4g} to {means.max():.4g}"
        return f"Sample({f'{members[0]} members, ' if members else ''}num_samples={num_samples}, {said})"

    @property
    def mean(self) -> Float[np.ndarray, " members"] | float:
        """The mean of the counts: an unbiased estimate of their expectation."""
        mean: Float[np.ndarray, " members"] | float = self.counts.mean(axis=-1)
        return mean

    @property
    def standard_deviation(self) -> Float[np.ndarray, " members"] | float:
        """The spread from one count to another, with num_samples - 1 in the denominator of the variance."""
        deviation: Float[np.ndarray, " members"] | float = self.counts.std(axis=-1, ddof=1)
        return deviation

    @property
    def interval(self) -> Float[np.ndarray, "*members 2"]:
        """The 95% interval of the expectation, mean -+ t standard_deviation / sqrt(num_samples).

        It covers the expected count, that is the mean over all segments or triangles that might have been drawn, in
        about 95 of 100 samples. It does not say where single counts lie, and nothing of the count in the whole domain.
        t is Student's quantile, which supposes that the mean of the counts is nearly normal: take 30 samples or more.
        """
        from scipy.special import stdtrit  # only those who ask for the interval wait for it

        num_samples = self.counts.shape[-1]
        half = stdtrit(num_samples - 1, 0.975) * self.standard_deviation / math.sqrt(num_samples)
        return np.stack([self.mean - half, self.mean + half], axis=-1)


def sample(
    network: nn.Module | Stack,
    low: Corner | None = None,
    high: Corner | None = None,
    *,
    points: Sequence[Any] | Tensor | np.ndarray | None = None,
    on: Literal["lines", "planes"] = "lines",
    of: Literal["regions", "pieces"] = "regions",
    num_samples: int = 100,
    generator: torch.Generator,
) -> Sample:
    """Counts regions or linear pieces on random segments, or on random triangles, of an input space of any dimension.

    Every segment joins two random points, every triangle has three random points as its corners. In a box low <= x <=
    high these points are independent and uniform; with `points` they are different ones of the given points, every
    choice being equally likely. Each count is exact (see `on_line` and `on_plane`), only the choice is random.

    For instance, a unit of the first layer whose zeros cut off the fraction p of the box adds 2 p (1 - p) to the
    expected number of regions on a segment, for that is how often the two ends lie on different sides.

    Args:
        network: A network or a stack of networks that `on_line` can count; all members meet the same segments.
        low: The box's lowest corner, in the shape of an input; or one number for all inputs, if the network begins with
            an affine layer or the other corner has the shape.
        high: The highest one.
        points: In place of a box, points of the input space, `[num_points, *input_shape]`, for instance data. Those
            that occur more than once are taken once.
        on: Whether to count on segments of lines or on triangles of planes.
        of: What to count: activation regions or linear pieces of the function. On planes pieces cost a few times more.
        num_samples: How many segments or triangles, at least 10.
        generator: Where the random points come from.

    Returns:
        The counts, with their mean, spread, and the 95% interval of the expected count.

    Raises:
        TypeError: If a layer of the network is not understood.
        ValueError: If an argument is out of range, the domain is empty, there are too few points, three of them lie on
            one line, or the network cannot be counted.

    Time is that of `num_samples` counts; segments are counted 64 at a time.

    Source: Hanin and Rolnick 2019, Complexity of linear regions in deep networks, count along lines and planes, too.
    """
    for name, value, allowed in (("on", on, ("lines", "planes")), ("of", of, ("regions", "pieces"))):
        if value not in allowed:
            raise ValueError(f"{name} must be '{allowed[0]}' or '{allowed[1]}', got {value!r}")
    check_whole("num_samples", num_samples, 10)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, got {generator!r}")
    num_corners = 2 if on == "lines" else 3
    if points is None:
        lowest, highest = _box(network, low, high)
        random = torch.rand(num_samples, num_corners, *lowest.shape, dtype=torch.float64, generator=generator)
        corners = lowest + random.numpy() * (highest - lowest)
    else:
        if low is not None or high is not None:
            raise ValueError("the domain must be given either by low and high or by points, got both")
        given = finite("points", points)
        if given.ndim < 2:
            raise ValueError(f"points must be [num_points, *input_shape], got shape {given.shape}")
        different = np.unique(given, axis=0)
        if len(different) < num_corners:
            raise ValueError(f"there must be at least {num_corners} different points, got {len(different)}")
        chosen = [torch.randperm(len(different), generator=generator)[:num_corners] for _ in range(num_samples)]
        corners = different[torch.stack(chosen).numpy()]
    _check_shape(network, "low and high" if points is None else "points", corners.shape[2:])
    counts = _on_segments(network, corners, of) if on == "lines" else _on_triangles(network, corners, of)
    return Sample(counts if isinstance(network, Stack) else counts[0])


def _box(
    network: nn.Module | Stack, low: Corner | None, high: Corner | None
) -> tuple[Float64[np.ndarray, "*input_shape"], Float64[np.ndarray, "*input_shape"]]:
    """The box's lowest and highest corner."""
    if low is None or high is None:
        got = "neither" if low is high else "low alone" if high is None else "high alone"
        raise ValueError(f"the domain must be given either by low and high or by points, got {got}")
    corners = finite("low", low), finite("high", high)
    shapes = [corner.shape for corner in corners if corner.ndim > 0] or [(read(network)[0].in_features,)]
    if len(set(shapes)) > 1:
        raise ValueError(f"low and high must have one shape, got {shapes[0]} and {shapes[1]}")
    lowest, highest = (np.broadcast_to(corner, shapes[0]) for corner in corners)
    if not (lowest < highest).all():
        raise ValueError(f"low must be below high in every coordinate, got {low} and {high}")
    with np.errstate(over="ignore"):
        if not np.isfinite(highest - lowest).all():
            raise ValueError(f"high - low must be finite in float64, but it overflows, got {low} and {high}")
    return lowest, highest


def _check_shape(network: nn.Module | Stack, name: str, shape: tuple[int, ...]) -> None:
    """Refuses points that are no inputs of the network."""
    in_features = read(network, shape)[0].in_features
    if math.prod(shape) != in_features:
        raise ValueError(f"{name} must be inputs of the network, {in_features} numbers, got shape {shape}")


_PART = 64  # segments that are counted at once: enough to be fast, and memory stays small


def _on_segments(
    network: nn.Module | Stack, corners: Float64[np.ndarray, "num_samples 2 *input_shape"], of: str
) -> Int64[np.ndarray, "members num_samples"]:
    """The counts on segments."""
    parts = []
    for first in range(0, len(corners), _PART):
        part = corners[first : first + _PART]
        counted = on_lines(network, part[:, 0], part[:, 1], input_shape=corners.shape[2:])
        parts.append(counted.num_regions if of == "regions" else counted.num_pieces)
    return np.concatenate(parts, axis=1)


def _on_triangles(
    network: nn.Module | Stack, corners: Float64[np.ndarray, "num_samples 3 *input_shape"], of: str
) -> Int64[np.ndarray, "members num_samples"]:
    """The counts on triangles, each of which is the same one in the coordinates of its plane."""
    members = unstack(network) if isinstance(network, Stack) else [network]
    counts = np.empty((len(members), len(corners)), dtype=np.int64)
    for index, (origin, *others) in enumerate(corners):
        triangle = {"vertices": [[0, 0], [1, 0], [0, 1]], "origin": origin, "directions": np.stack(others) - origin}
        for member, one in enumerate(members):
            counted = on_plane(one, **triangle)
            counts[member, index] = counted.num_regions if of == "regions" else counted.num_pieces
    return counts
