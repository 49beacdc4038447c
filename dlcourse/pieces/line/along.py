"""A network along a line: its regions and pieces from left to right, whether the line has ends or not."""

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Union

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.maps import OutputMaps, output_maps
from dlcourse.pieces.arithmetic.rounding import EPS, SLACK, TINY
from dlcourse.pieces.decisions import largest_output, with_rounds
from dlcourse.pieces.errors import SubdivisionError
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.points import existing_region, finite
from dlcourse.pieces.regions import Regions

if TYPE_CHECKING:
    import matplotlib.axes


@dataclass(frozen=True, eq=False)
class Along(Regions):
    """A network on a line x(t), cut into activation regions, neighbours of which may be one linear piece.

    The counts are there at once; all else is worked out when it is first asked for. Regions and pieces are numbered
    from left to right. Breakpoints are rounded, and proven to 2^-20 of a segment, or on whole lines to 2^-20 (1 + |t|):
    two that are closer to each other may have one and the same t, and are still counted apart.

    Attributes:
        num_regions: Number of activation regions.
        num_pieces: Number of linear pieces of the function.
        num_settled: Number of signs that neither floats nor numbers of more digits proved, so that integers did.
    """

    num_regions: int
    num_pieces: int
    num_settled: int

    @property
    @abstractmethod
    def region_breakpoints(self) -> Float[np.ndarray, " region_breakpoints"]:
        """Where one activation region ends and the next begins: num_regions - 1 values of t, in order."""

    @property
    @abstractmethod
    def slopes(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """dy/dt on each piece."""

    @property
    @abstractmethod
    def intercepts(self) -> Float[np.ndarray, "num_pieces out_features"]:
        """What the affine map of each piece is at t = 0, so that y = slope t + intercept on the piece."""

    @property
    @abstractmethod
    def _errors(self) -> tuple[Float[np.ndarray, "num_pieces 1"], Float[np.ndarray, "num_pieces out_features"]]:
        """Bounds for how far off the slopes and the intercepts may be."""

    @property
    @abstractmethod
    def _limits(self) -> tuple[float, float]:
        """The least and the largest t."""

    @property
    @abstractmethod
    def _origin(self) -> Float[np.ndarray, "*input_shape"]:
        """x(0)."""

    @property
    @abstractmethod
    def _direction(self) -> Float[np.ndarray, "*input_shape"]:
        """dx/dt."""

    @property
    @abstractmethod
    def _where(self) -> str:
        """What t is, where the points have few coordinates: " (x from [-2] to [2])"."""

    @abstractmethod
    def _with_layers(self, layers: list[UnitLayer]) -> "Along":
        """Another network on the same line."""

    @cached_property
    def breakpoints(self) -> Float[np.ndarray, " breakpoints"]:
        """Where one linear piece ends and the next begins: num_pieces - 1 values of t, in order."""
        return self.region_breakpoints[np.diff(self.piece_of_region) > 0]

    @cached_property
    def _maps(self) -> OutputMaps:
        """Weights and biases; nothing on a line is decided by their bounds."""
        return output_maps(self._layers, self._patterns, self.num_regions, closely=False)

    def points(self, t: float | int | Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "..."]:
        """x(t), for instance `line.points(line.breakpoints)`; `[*shape, *input_shape]`.

        Raises:
            ValueError: If the line ends before t.
        """
        points: np.ndarray = self._origin + np.multiply.outer(self._parameters(t), self._direction)
        return points

    def locate(self, t: float | int | Float[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """The region, 0 to num_regions - 1, that x(t) is in; at a breakpoint the one to its right.

        Raises:
            ValueError: If the line ends before t.
        """
        return np.asarray(np.searchsorted(self.region_breakpoints, self._parameters(t), side="right"))

    def __call__(self, t: float | int | Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape out_features"]:
        """The network's outputs at x(t), from the affine map of the piece.

        Raises:
            ValueError: If the line ends before t.
        """
        piece = self.piece_of_region[self.locate(t)]
        outputs: Float[np.ndarray, "*shape out_features"]
        outputs = self.slopes[piece] * self._parameters(t)[..., None] + self.intercepts[piece]
        return outputs

    def neighbours(self, region: int) -> Int[np.ndarray, " neighbours"]:
        """The regions that share a breakpoint with a region: the one before it and the one after it, if there are."""
        beside = np.array([existing_region(region, self.num_regions) - 1, region + 1])
        return beside[(beside >= 0) & (beside < self.num_regions)]

    @property
    def _neighbouring(self) -> Int[np.ndarray, "pairs 2"]:
        regions = np.arange(self.num_regions)
        return np.column_stack([regions[:-1], regions[1:]])

    @property
    def _sizes(self) -> tuple[str, Float[np.ndarray, " regions"]]:
        low, high = self._limits
        ends = np.concatenate([[low], self.region_breakpoints, [high]])
        start, end = ends[:-1], ends[1:]  # both may be infinite, where a breakpoint is as far away
        return "length", np.subtract(end, start, out=np.zeros(self.num_regions), where=end != start)

    def decision_boundary(self) -> Float[np.ndarray, " changes"]:
        """Where the largest output changes: values of t, in order.

        The outputs are taken for a classifier's logits; if there is only one, its sign is the class. Where there are
        changes is decided exactly, only their t are rounded. Where classes tie all along an interval, the one with the
        highest number has it, so that only its ends can be changes. Where they tie in one point, it is a change if one
        class has the points to its left and another one those to its right.
        """
        decided = self._with_layers(with_rounds(self._layers))
        num_outputs = self._layers[-1].bias.shape[1]
        rounds = decided._patterns(np.arange(decided.num_regions))[-max(1, num_outputs - 1) :]
        largest = largest_output([units[0] for units in rounds], num_outputs)
        changes: Float[np.ndarray, " changes"] = decided.region_breakpoints[largest[1:] != largest[:-1]]
        return changes

    def check_invariants(self) -> None:
        """Checks that breakpoints are in order and as many as counted, and that neighbouring maps agree at them.

        Raises:
            SubdivisionError: If one of them does not hold: the fault would be the program's.

        Tolerance: what the errors of maps and breakpoints allow.
        """
        t = self.region_breakpoints
        if len(t) != self.num_regions - 1 or len(self.breakpoints) != self.num_pieces - 1:
            raise SubdivisionError(
                f"{self.num_regions} regions and {self.num_pieces} pieces do not fit the breakpoints"
            )
        low, high = self._limits
        if not ((t[1:] >= t[:-1]).all() and (t >= low).all() and (t <= high).all()):
            raise SubdivisionError("the breakpoints are not in order")
        near = np.isfinite(self.breakpoints)
        t, whole_line = self.breakpoints[near, None], np.isinf(high)
        with np.errstate(all="ignore"):  # bounds may overflow
            slope, intercept = np.diff(self.slopes, axis=0)[near], np.diff(self.intercepts, axis=0)[near]
            slope_error, intercept_error = (
                (errors[1:] + errors[:-1] + 4 * EPS * (np.abs(of[1:]) + np.abs(of[:-1])))[near]
                for of, errors in zip((self.slopes, self.intercepts), self._errors, strict=True)
            )
            misplaced = 2.0**-20 * (1 + np.abs(t) * whole_line)
            allowed = slope_error * np.abs(t) + intercept_error + (np.abs(slope) + slope_error) * misplaced
            jumps = np.abs(slope * t + intercept)
            if (jumps > SLACK * allowed + TINY).any():
                raise SubdivisionError(f"the function jumps by {jumps.max()} at a breakpoint")

    def plot(self, axes: Union["matplotlib.axes.Axes", None] = None) -> "matplotlib.axes.Axes":
        """Draws the outputs along the line, with a dot where one linear piece ends and the next begins.

        Args:
            axes: Where to draw; by default in a figure of its own, with a legend where there are several outputs.

        Returns:
            The axes.
        """
        from dlcourse.pieces.plotting import plot_pieces  # matplotlib is loaded only for those who draw

        drawn = self.breakpoints, self.slopes, self.intercepts, self._limits, self.num_regions
        return plot_pieces(*drawn, f"t{self._where}", axes)

    @cached_property
    def _first_regions(self) -> Int[np.ndarray, " num_pieces"]:
        """The first activation region of each piece."""
        return np.flatnonzero(np.diff(self.piece_of_region, prepend=-1))

    def _parameters(self, t: float | int | Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Values of t as an array, checked."""
        parameters = finite("t", t)
        low, high = self._limits
        if not ((parameters >= low) & (parameters <= high)).all():
            raise ValueError(f"t must be between {low:g} and {high:g}, got {t}")
        return parameters
