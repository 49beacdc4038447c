"""A whole line of a network's input space, from minus to plus infinity."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.rounding import EPS
from dlcourse.pieces.layer import SparseWeight, UnitLayer, of_member
from dlcourse.pieces.line.along import Along
from dlcourse.pieces.line.segment import OnLine, count_on_lines
from dlcourse.pieces.points import MOST_SHOWN, in_short


@dataclass(frozen=True, eq=False, repr=False)
class OnWholeLine(Along):
    """A network on the line x(t) = origin + t direction, for all real t.

    The counts are there at once; all else is worked out when it is first asked for. The first and the last linear piece
    have no end. A breakpoint at t is proven to 2^-20 (1 + |t|), and mostly good to 2e-16 (1 + |t|)^2.

    Attributes:
        num_regions: Number of activation regions.
        num_pieces: Number of linear pieces of the function.
        num_settled: Number of signs that neither floats nor numbers of more digits proved, so that integers did.
        origin: x(0).
        direction: dx/dt.
    """

    origin: Float[np.ndarray, "*input_shape"]
    direction: Float[np.ndarray, "*input_shape"]
    # The halves t <= 0 and t >= 0, both from t = 0 outwards; how many regions and pieces they share there, 0 or 1; and
    # the network.
    _left: OnLine = field(repr=False)
    _right: OnLine = field(repr=False)
    _shared_regions: int = field(repr=False)
    _shared_pieces: int = field(repr=False)
    _network: list[UnitLayer] = field(repr=False)
    _max_regions: int = field(repr=False)
    _max_gigabytes: float | int | None = field(repr=False)

    def __repr__(self) -> str:
        counts = f"num_regions={self.num_regions}, num_pieces={self.num_pieces}"
        return f"OnWholeLine({counts}, origin={in_short(self.origin)}, direction={in_short(self.direction)})"

    @cached_property
    def region_breakpoints(self) -> Float[np.ndarray, " region_breakpoints"]:
        """Where one activation region ends and the next begins: num_regions - 1 values of t, in order.

        Proven to 2^-20 (1 + |t|); infinity where that is no float.
        """
        left, right = self._left._breakpoints_of_half_line, self._right._breakpoints_of_half_line
        return np.concatenate([-left[::-1], [] if self._shared_regions else [0.0], right])

    @cached_property
    def piece_of_region(self) -> Int[np.ndarray, " regions"]:
        """The linear piece, 0 to num_pieces - 1, that each region is part of."""
        left = self._left.num_pieces - 1 - self._left.piece_of_region[::-1]
        right = self._left.num_pieces - self._shared_pieces + self._right.piece_of_region
        return np.concatenate([left, right[self._shared_regions :]])

    @cached_property
    def slopes(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """dy/dt on each piece: (1 + t) (slope s + intercept) at s = t / (1 + t), and likewise in -t."""
        left, right = (half.slopes + half.intercepts for half in (self._left, self._right))
        return np.concatenate([-left[::-1], right[self._shared_pieces :]])

    @cached_property
    def intercepts(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """What the affine map of each piece is at t = 0, so that y = slope t + intercept on the piece."""
        return np.concatenate([self._left.intercepts[::-1], self._right.intercepts[self._shared_pieces :]])

    @property
    def _errors(self) -> tuple[Float[np.ndarray, "num_pieces 1"], Float[np.ndarray, "num_pieces out_features"]]:
        (left, left_at_0), (right, right_at_0) = self._left._errors, self._right._errors
        left, right = (of + at_0.max(axis=1, keepdims=True) for of, at_0 in ((left, left_at_0), (right, right_at_0)))
        pairs = ((left, right), (left_at_0, right_at_0))
        slopes, intercepts = (np.concatenate([a[::-1], b[self._shared_pieces :]]) for a, b in pairs)
        return slopes + EPS * np.abs(self.slopes).max(axis=1, keepdims=True), intercepts

    @property
    def _limits(self) -> tuple[float, float]:
        return -np.inf, np.inf

    @property
    def _origin(self) -> Float[np.ndarray, "*input_shape"]:
        return self.origin

    @property
    def _direction(self) -> Float[np.ndarray, "*input_shape"]:
        return self.direction

    @property
    def _where(self) -> str:
        is_short = self.origin.size <= MOST_SHOWN
        return f" (x = {in_short(self.origin)} + t {in_short(self.direction)})" if is_short else ""

    @property
    def _layers(self) -> list[UnitLayer]:
        return self._network

    def _patterns(self, regions: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        outwards = regions - self._left.num_regions  # negative on the left half
        on_left = outwards < 0
        left = self._left._patterns(-1 - outwards[on_left])
        right = self._right._patterns(outwards[~on_left] + self._shared_regions)
        patterns = []
        for of_left, of_right in zip(left, right, strict=True):
            units = np.empty((len(of_left) - 1, len(regions)), dtype=bool)
            units[:, on_left], units[:, ~on_left] = of_left[:-1], of_right[:-1]  # all but v
            patterns.append(units)
        return patterns

    def _with_layers(self, layers: list[UnitLayer]) -> "OnWholeLine":
        return count_on_whole_line(layers, self.origin, self.direction, self._max_regions, self._max_gigabytes)[0]


def count_on_whole_line(
    layers: list[UnitLayer],
    origin: Float[np.ndarray, "*input_shape"],
    direction: Float[np.ndarray, "*input_shape"],
    max_regions: int,
    max_gigabytes: float | int | None = None,
) -> tuple[OnWholeLine, ...]:
    """What `on_line` does on a whole line once it has read the network: the counts of every member.

    No segment is long enough for all networks, so infinity is brought near. Units are positively homogeneous,
    v f(z) = f(v z) for v > 0, so v times the network at x is another network at (v x, v): the biases become weights of
    v, which every layer passes on. On the segment from (origin, 1) to (direction, 0) this is (1 - s) times the network
    at t = s / (1 - s), and one is affine where the other is. The two halves of the line are counted like this, and
    whether they share a region or piece at t = 0 follows from counts on either side of it and on both.

    Source: homogeneous coordinates are those of projective geometry.
    """
    # The halves, both sides of t = 0, and one side each, in coordinates (v, v t).
    starts = np.array([[1, 0], [1, 0], [1, -1], [1, -1], [1, 0]], dtype=float)
    ends = np.array([[0, -1], [0, 1], [1, 1], [1, 0], [1, 1]], dtype=float)
    members = len(layers[0].bias)
    homogeneous = _homogeneous(layers, origin.reshape(-1), direction.reshape(-1))
    of_members = (members, *starts.shape)
    starts, ends = np.broadcast_to(starts, of_members), np.broadcast_to(ends, of_members)
    counted = count_on_lines(homogeneous, starts, ends, (2,), max_regions, max_gigabytes)
    whole_lines = []
    for member in range(members):
        left, right, around, before, after = (counted.line(member, index) for index in range(5))
        # what goes through t = 0 is counted on both sides, but once on the segment around it
        shared_regions = before.num_regions + after.num_regions - around.num_regions
        shared_pieces = before.num_pieces + after.num_pieces - around.num_pieces
        whole_lines.append(
            OnWholeLine(
                num_regions=left.num_regions + right.num_regions - shared_regions,
                num_pieces=left.num_pieces + right.num_pieces - shared_pieces,
                num_settled=int(counted.num_settled[member].sum()),
                origin=origin,
                direction=direction,
                _left=left,
                _right=right,
                _shared_regions=shared_regions,
                _shared_pieces=shared_pieces,
                _network=of_member(layers, member),
                _max_regions=max_regions,
                _max_gigabytes=max_gigabytes,
            )
        )
    return tuple(whole_lines)


def _homogeneous(
    layers: list[UnitLayer], origin: Float[np.ndarray, " in_features"], direction: Float[np.ndarray, " in_features"]
) -> list[UnitLayer]:
    """v times the networks at origin + t direction, as networks at (v, v t)."""
    members = len(layers[0].bias)
    inputs = np.stack([np.append(origin, 1), np.append(direction, 0)], axis=1)  # (v x, v)
    inputs = np.broadcast_to(inputs, (members, *inputs.shape))
    homogeneous = [UnitLayer(inputs, np.zeros(inputs.shape[:2]), np.ones(inputs.shape[:2]))]
    for layer in layers[:-1]:
        slope = np.append(layer.slope, np.ones((members, 1)), axis=1)
        homogeneous.append(UnitLayer(_with_biases(layer, pass_on=True), np.zeros_like(slope), slope))
    last = layers[-1]
    return [*homogeneous, UnitLayer(_with_biases(last, pass_on=False), np.zeros_like(last.bias), last.slope)]


def _with_biases(layer: UnitLayer, *, pass_on: bool) -> Float[np.ndarray, "members units inputs"] | SparseWeight:
    """(W, b), which v meets last; with one more row if it passes v on."""
    if isinstance(layer.stored, np.ndarray):
        weight = np.concatenate([layer.stored, layer.bias[..., None]], axis=2)
        passed_on = np.zeros((len(weight), int(pass_on), weight.shape[2]))
        passed_on[..., -1] = 1
        return np.concatenate([weight, passed_on], axis=1)
    from scipy.sparse import csr_array, hstack, vstack

    v = csr_array(([1.0], ([0], [layer.in_features])), shape=(1, layer.in_features + 1))
    weights = [hstack([w, csr_array(b[:, None])], format="csr") for w, b in zip(layer.stored, layer.bias, strict=True)]
    return tuple(vstack([w, v], format="csr") for w in weights) if pass_on else tuple(weights)
