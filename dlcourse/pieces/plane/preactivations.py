"""What every stage of a cut starts from: one layer's pre-activations on the mesh as it is before the cut."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.plane.closer import Closer, look_closer
from dlcourse.pieces.plane.exact import ExactPlane
from dlcourse.pieces.plane.history import Lines
from dlcourse.pieces.plane.mesh import Mesh


class Preactivations(NamedTuple):
    """The pre-activations of one layer: affine on every face, so that their values at the vertices say all.

    Attributes:
        layer: The layer's index.
        mesh: The mesh that the layers before have made.
        values: The values at its vertices.
        error: Bounds for their errors, in the 2-norm over units.
        exact: The same functions in integers, for what these bounds leave open.
    """

    layer: int
    mesh: Mesh
    values: Float[np.ndarray, "vertices units"]
    error: Float[np.ndarray, " vertices"]
    exact: ExactPlane

    @property
    def num_units(self) -> int:
        """How many units the layer has."""
        num_units: int = self.values.shape[1]
        return num_units

    @property
    def num_words(self) -> int:
        """Words that hold a flag for each of them."""
        return bits.num_words(self.num_units)

    def at(self, vertex: Int[np.ndarray, " some"], unit: Int[np.ndarray, " some"]) -> Float[np.ndarray, " some"]:
        """values[vertex, unit], in half the time."""
        entries: Float[np.ndarray, " some"] = self.values.ravel().take(vertex * self.num_units + unit)
        return entries

    def exactly_at(
        self, vertices: Int[np.ndarray, " some"]
    ) -> tuple[Float[np.ndarray, "some units"], Int[np.ndarray, "some units"]]:
        """All values at some vertices, rounded once, and their signs."""
        values = np.empty((len(vertices), self.num_units))
        signs = np.empty((len(vertices), self.num_units), dtype=np.int64)
        functions = self.exact.functions(self.layer, self._beside(vertices).tolist())
        denominator = self.exact.denominator(self.layer)
        for index, (vertex, function) in enumerate(zip(vertices.tolist(), functions, strict=True)):
            point = self.exact.point(vertex)
            exact = function @ point
            values[index] = (exact / (denominator * int(point[2]))).astype(np.float64)
            signs[index] = np.sign(exact).astype(np.int64)
        return values, signs

    def anew_at(self, vertices: Int[np.ndarray, " some"]) -> Closer:
        """All values at some vertices, worked out from the inputs."""
        return self.anew(self.exact.history.lines(vertices), self._beside(vertices))

    def closely_at(self, vertices: Int[np.ndarray, " some"]) -> Closer:
        """All values at some vertices, worked out in digits."""
        return self.closely(self.exact.history.lines(vertices), self._beside(vertices))

    def anew(self, lines: Lines, faces: Int[np.ndarray, " points"]) -> Closer:
        """The same at points of these faces, given the lines that cross there."""
        return self.exact.anew.at(self.layer, lines, faces)

    def closely(self, lines: Lines, faces: Int[np.ndarray, " points"]) -> Closer:
        """The same, worked out in digits."""
        on_polygon = self.exact.not_zero.until(self.layer)
        return look_closer(on_polygon, self.exact.frame, self.exact.history, lines, faces)

    def _beside(self, vertices: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """A face beside each of some vertices."""
        mesh = self.mesh
        beside = np.empty(mesh.num_vertices, dtype=np.int64)
        beside[mesh.ends[:, 0]] = mesh.faces[:, 0]
        beside[mesh.ends[:, 1]] = mesh.faces[:, 0]
        return beside.take(vertices)
