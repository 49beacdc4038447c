"""What lines, planes and boxes answer alike once they are cut into activation regions."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.maps import OutputMaps, output_maps
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.points import existing_region

if TYPE_CHECKING:
    import networkx

_PART = 4096  # pairs of neighbours that are compared at once: memory stays small


class Regions(ABC):
    """A network on a domain that is cut into activation regions, neighbours of which may be one linear piece.

    Attributes:
        num_regions: Number of activation regions.
    """

    num_regions: int

    @property
    @abstractmethod
    def piece_of_region(self) -> Int[np.ndarray, " regions"]:
        """The linear piece, 0 to num_pieces - 1, that each region is part of."""

    @property
    @abstractmethod
    def _layers(self) -> list[UnitLayer]:
        """The network's layers."""

    @abstractmethod
    def _patterns(self, regions: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        """Which units keep their values on some regions, for every layer that has kinks."""

    @abstractmethod
    def neighbours(self, region: int) -> Int[np.ndarray, " neighbours"]:
        """The regions that share a border with a region."""

    @property
    @abstractmethod
    def _neighbouring(self) -> Int[np.ndarray, "pairs 2"]:
        """All pairs of regions that share a border, the lower number first, in order."""

    @property
    @abstractmethod
    def _sizes(self) -> tuple[str, Float[np.ndarray, " regions"]]:
        """How large each region is, and what that is called."""

    @property
    def weights(self) -> Float[np.ndarray, "regions out_features in_features"]:
        """The weight of each region's affine map on the input space: the network is x -> weights[r] x + biases[r].

        Inputs of more than one dimension are flattened.
        """
        return self._maps.weight

    @property
    def biases(self) -> Float[np.ndarray, "regions out_features"]:
        """The bias of each region's affine map on the input space."""
        return self._maps.bias

    def pattern(self, region: int) -> list[Bool[np.ndarray, " units"]]:
        """Which units are positive on a region, for every layer that has kinks; units without one count as positive."""
        return [units[:, 0] for units in self._patterns(np.array([existing_region(region, self.num_regions)]))]

    def dual_graph(self) -> "networkx.Graph":
        """The regions as nodes, with an edge between any two that share a border, in a plane a side, in a box a facet.

        Node r has `pattern`, as `pattern(r)` gives it, `piece`, the linear piece that it is part of, and its size:
        `length`, in t, of a line's region, `area` in the plane's coordinates, or `volume`. An edge has `units`, the
        pairs (layer, unit) of those whose entry of the pattern is different at its two ends: more than one where zeros
        coincide. It can be drawn, searched and measured with all that networkx has. On a line it is a path.

        Returns:
            A `networkx.Graph` of its own at each call.

        Source: Björner et al. 1999, *Oriented Matroids*, call this graph of a hyperplane arrangement its tope graph.
        """
        import networkx  # only those who ask for a graph wait for it

        patterns = self._patterns(np.arange(self.num_regions))
        size, sizes = self._sizes
        graph = networkx.Graph()
        for region, piece in enumerate(self.piece_of_region.tolist()):
            pattern = [units[:, region].copy() for units in patterns]
            graph.add_node(region, pattern=pattern, piece=piece, **{size: float(sizes[region])})
        unit_of = [(layer, unit) for layer, units in enumerate(patterns) for unit in range(len(units))]
        rows = np.concatenate([units.T for units in patterns] or [np.empty((self.num_regions, 0), dtype=bool)], axis=1)
        pairs = self._neighbouring
        for first in range(0, len(pairs), _PART):
            one, other = pairs[first : first + _PART].T
            changes = [[unit_of[unit] for unit in row.nonzero()[0]] for row in rows[one] ^ rows[other]]
            edges = zip(one.tolist(), other.tolist(), changes, strict=True)
            graph.add_edges_from((a, b, {"units": units}) for a, b, units in edges)
        return graph

    @property
    @abstractmethod
    def _maps(self) -> OutputMaps:
        """Weights and biases, with bounds for their errors."""


class Geometry(ABC):
    """The regions of a plane or a box, where they are and what they border on, worked out when it is asked for.

    Attributes:
        layers: The network's layers.
        num_regions: Number of activation regions.
    """

    layers: list[UnitLayer]
    num_regions: int

    @abstractmethod
    def patterns(self, regions: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        """Which units are positive on some regions, for every layer that has kinks."""

    @property
    @abstractmethod
    def borders(self) -> tuple[Int[np.ndarray, " borders"], Int[np.ndarray, " borders"]]:
        """The regions at the two sides of each border."""

    @property
    @abstractmethod
    def kinks(self) -> Bool[np.ndarray, " borders"]:
        """Whether the regions at the two sides of a border have different affine maps, exactly."""

    @abstractmethod
    def locate(self, points: Float[np.ndarray, "points d"]) -> Int[np.ndarray, " points"]:
        """The region that each point is in; of the regions at whose border a point is, one of them."""

    @abstractmethod
    def check_invariants(self) -> None:
        """Checks Euler's formula, that sizes sum to the domain's, and the function's continuity.

        Raises:
            SubdivisionError: If one of them does not hold.
        """

    @cached_property
    def maps(self) -> OutputMaps:
        """Each region's affine map on the input space, with bounds for its errors."""
        return output_maps(self.layers, self.patterns, self.num_regions)

    @cached_property
    def pieces(self) -> Int[np.ndarray, " regions"]:
        """The linear piece that each region is part of: 0, 1, ... as they first occur."""
        if self.kinks.all():  # as a rule; nothing is to be joined then
            return np.arange(self.num_regions)
        from scipy.sparse import coo_array  # only those who count pieces wait for it
        from scipy.sparse.csgraph import connected_components

        one, other = (regions[~self.kinks] for regions in self.borders)
        pairs = coo_array((np.ones(len(one)), (one, other)), shape=(self.num_regions, self.num_regions))
        return np.asarray(connected_components(pairs, directed=False)[1], dtype=np.int64)

    @cached_property
    def adjacent(self) -> tuple[Int[np.ndarray, " regions_and_1"], Int[np.ndarray, " pairs"]]:
        """The regions that border on each region; those of region r are at starts[r] to starts[r + 1]."""
        one, other = self.borders
        pairs = np.unique(np.concatenate([one * self.num_regions + other, other * self.num_regions + one]))
        region, beside = np.divmod(pairs, self.num_regions)
        return np.concatenate([[0], np.cumsum(np.bincount(region, minlength=self.num_regions))]), beside


class Cells(Regions):
    """Regions that have a geometry: those of planes and boxes. It is built when it is first asked for."""

    @property
    @abstractmethod
    def _geometry(self) -> Geometry:
        """The regions."""

    @cached_property
    def num_pieces(self) -> int:
        """Number of linear pieces: connected sets on which the function, all outputs together, is one affine map."""
        return int(self._geometry.pieces.max()) + 1

    @property
    def piece_of_region(self) -> Int[np.ndarray, " regions"]:
        """The linear piece, 0 to num_pieces - 1, that each region is part of."""
        return self._geometry.pieces

    def neighbours(self, region: int) -> Int[np.ndarray, " neighbours"]:
        """The regions that share a side with a region, or in a box a facet."""
        starts, others = self._geometry.adjacent
        return others[starts[existing_region(region, self.num_regions)] : starts[region + 1]]

    @property
    def _neighbouring(self) -> Int[np.ndarray, "pairs 2"]:
        starts, others = self._geometry.adjacent
        pairs = np.column_stack([np.repeat(np.arange(self.num_regions), np.diff(starts)), others])
        return pairs[pairs[:, 0] < pairs[:, 1]]

    def check_invariants(self) -> None:
        """Checks Euler's formula, that areas or volumes sum to the domain's, and that affine maps agree at borders.

        Counting checks itself all along; this looks at the finished geometry.

        Raises:
            SubdivisionError: If one of them does not hold: the fault would be the program's.
        """
        self._geometry.check_invariants()

    @property
    def _layers(self) -> list[UnitLayer]:
        return self._geometry.layers

    def _patterns(self, regions: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
        return self._geometry.patterns(regions)

    @property
    def _maps(self) -> OutputMaps:
        return self._geometry.maps

    def _located(
        self,
        name: str,
        points: Float[np.ndarray, "*shape"],
        dimensions: int,
        inside: Callable[[Float[np.ndarray, "points d"]], Bool[np.ndarray, " points"]],
        domain: str,
    ) -> Int[np.ndarray, "..."]:
        """The regions of points, `[..., d]`, once they are known to be in the domain."""
        if points.ndim == 0 or points.shape[-1] != dimensions:
            raise ValueError(f"{name} must have shape [..., {dimensions}], got {points.shape}")
        flat = points.reshape(-1, dimensions)
        within = inside(flat)
        if not within.all():
            raise ValueError(f"{name} must be inside of the {domain}, got {flat[~within][0]}")
        return self._geometry.locate(flat).reshape(points.shape[:-1])

    def _outputs(
        self, region: Int[np.ndarray, "*shape"], inputs: Float[np.ndarray, "*shape in_features"]
    ) -> Float[np.ndarray, "*shape out_features"]:
        """The affine maps of regions at points of the input space."""
        outputs: Float[np.ndarray, "*shape out_features"]
        outputs = np.einsum("...oi,...i->...o", self.weights[region], inputs) + self.biases[region]
        return outputs
