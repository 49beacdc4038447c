"""A convex polygon of a plane, cut where units of one layer after another change their signs.

Every layer's cut goes through stages, each a file of its own that returns a record and changes nothing: `signs` at
vertices, points on `edges`, `border` (the parts of edges), `chords` across faces, their `arrangement`, `inner` points
where they cross, and `cutting`, which makes the new mesh. What they return is put in place here and nowhere else.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.arithmetic.rounding import frobenius, grows
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.memory import check_memory
from dlcourse.pieces.plane.arrangement import Arrangement, arrange, num_crossing_points
from dlcourse.pieces.plane.border import Border, border_of
from dlcourse.pieces.plane.chords import chords_across_faces
from dlcourse.pieces.plane.cutting import (
    new_edges,
    new_faces,
    off_vertices,
    uncut_faces,
    vertices_inside_faces,
    vertices_on_edges,
)
from dlcourse.pieces.plane.edges import points_on_edges, signs_along_edges
from dlcourse.pieces.plane.exact import ExactPlane
from dlcourse.pieces.plane.history import History, NewVertices
from dlcourse.pieces.plane.inner import points_inside_faces
from dlcourse.pieces.plane.mesh import Mesh, polygon_mesh
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.signs import signs_at_vertices
from dlcourse.pieces.plane.values import Values, activated, affine, at_corners, with_new_vertices
from dlcourse.pieces.progress import each

_FELT = 2.0**-36  # of a bound for all values: errors beyond that are worth closer bounds


class _Found(NamedTuple):
    """What the zeros of a layer's units do on the mesh before it."""

    border: Border
    arrangement: Arrangement


class _New(NamedTuple):
    """The vertices that a layer makes."""

    vertices: list[NewVertices]
    zeros: list[tuple[Int[np.ndarray, " zeros"], Int[np.ndarray, " zeros"]]]  # as `with_new_vertices` takes them
    off: Bool[np.ndarray, " all_vertices"]  # where no unit is positive, of old and new ones


class Subdivision:
    """The subdivision and the current layer's values at its vertices, taken up to the last layer that cuts.

    The signs of pre-activations at vertices are exact, as are the orders of points on lines.

    Attributes:
        layers: The network's layers.
        max_regions: More faces than that are refused.
        max_gigabytes: What takes more memory is refused; None for what takes more than is free.
        layer: The current layer.
        last_cut: The last layer with kinks.
        mesh: The subdivision.
        values: What the current layer takes in, or gives before its activation, at the vertices; nothing that can be
            relied on once the last layer has cut.
        history: What the layers that are done have made.
        exact: The functions on faces in exact arithmetic.
        num_settled: How many signs and orders exact arithmetic decided.
    """

    mesh: Mesh
    values: Values

    def __init__(
        self,
        layers: list[UnitLayer],
        frame: Float[np.ndarray, "in_features 3"],
        corners: Float[np.ndarray, "corners 2"],
        max_regions: int,
        max_gigabytes: float | int | None = None,
    ) -> None:
        self.layers, self.max_regions, self.max_gigabytes = layers, max_regions, max_gigabytes
        self.layer = 0
        self.last_cut = max((index for index, layer in enumerate(layers) if layer.bends), default=0)
        self.mesh, self.values = polygon_mesh(len(corners)), at_corners(corners, frame)
        self.history = History(corners)
        self.exact = ExactPlane(layers, frame, self.history)
        self.num_settled = 0
        self._counted: _Found | None = None  # what `count` has found out about the last layer that cuts
        with np.errstate(all="ignore"):  # overflow is looked for where it can begin
            # Whether what layers stretch both is bounded more closely than by their Frobenius norms.
            self._closely = grows(frobenius(layer.stored) for layer in layers)
            self._affine(0)
            steps = range(1, self.last_cut + 1)  # of the last one, `count` counts what it would make
            for following in each(steps, "layer", lambda: f"{self.mesh.num_faces:,} regions"):
                self._cut()
                self._affine(following)

    def count(self) -> int:
        """How many faces cutting would make; nothing is cut."""
        if not self.layers[self.layer].bends:
            return self.mesh.num_faces
        with np.errstate(all="ignore"):
            self._counted = border, arrangement = self._find()
            num_points, num_settled = num_crossing_points(border, arrangement)
        self.num_settled += num_settled
        # Every chord cuts a part off, and one more at every point where it crosses earlier ones.
        num_faces = self.mesh.num_faces + len(arrangement.chords.face) + num_points
        self._guard(num_faces)
        return num_faces

    def finish(self) -> None:
        """Lets the last layer that cuts make its cuts too; no values are kept."""
        with np.errstate(all="ignore"):
            self._cut()
            for following in range(self.layer + 1, len(self.layers) - 1):
                self.layer = following
                self._cut()

    def _affine(self, index: int) -> None:
        """Takes the affine part of a layer."""
        self.layer, (values, error, size), layer = index, self.values, self.layers[index]
        if self._closely and not layer.is_sparse and error.max() > _FELT * size:
            on_polygon = self.exact.not_zero.until(index)
            layer = on_polygon.network.layers[index]
            if layer.in_features < values.shape[1]:
                values = values.take(on_polygon.units[index - 1], axis=1)
        self.values = affine(layer, values, error, closely=self._closely)

    def _cut(self) -> None:
        """Cuts the faces where units of the current layer change their signs, and applies its activation."""
        layer = self.layers[self.layer]
        if not layer.bends:
            everywhere = np.ones((self.mesh.num_faces, layer.bias.shape[1]), dtype=bool)
            self.history.parents.append(np.arange(self.mesh.num_faces))
            self.history.patterns.append(bits.pack(everywhere))
            return
        found, self._counted = self._counted or self._find(), None
        if len(found.border.points.edge) + len(found.arrangement.chords.face) > 0:
            new = self._put_new_mesh(found)
            del found  # which takes more memory than the mesh
            if self.layer < self.last_cut:
                with_new = with_new_vertices(self.values, new.vertices, new.zeros)
                self.values = activated(layer, with_new, new.off)
        else:
            self._keep_mesh(found)
        self.exact.forget()

    def _find(self) -> _Found:
        """The first stages: what the zeros of the current layer's units do on the mesh."""
        layer, (values, error, _) = self.layers[self.layer], self.values
        before = Preactivations(self.layer, self.mesh, values, error, self.exact)
        signs, settled = signs_at_vertices(before, layer.slope[0] == 1)
        if settled is not None:
            values[settled.vertices], error[settled.vertices] = settled.values, settled.error
            self.num_settled += settled.num_signs
        along = signs_along_edges(self.mesh, signs)
        points = points_on_edges(before, along)
        self.num_settled += points.num_settled
        border = border_of(before, signs, along, points)
        arrangement = arrange(border, chords_across_faces(border))
        num_chords, num_crossings = len(arrangement.chords.face), len(arrangement.crossings.chord) // 2
        if self.mesh.num_faces + num_chords + num_crossings > self.max_regions:
            num_crossings, _ = num_crossing_points(border, arrangement)  # many may cross in one point
        self._guard(self.mesh.num_faces + num_chords + (0 if points.coincide else num_crossings))
        return _Found(border, arrangement)

    def _put_new_mesh(self, found: _Found) -> _New:
        """The last stages: puts the cut mesh in the place of that before; its vertices still need values."""
        border, arrangement = found
        self._guard_memory(found)
        inner = points_inside_faces(border, arrangement)
        self.num_settled += inner.num_settled
        edges = new_edges(border, arrangement, inner)
        self._guard(edges.num_faces)
        faces = new_faces(self.mesh, arrangement, edges)
        made = [vertices_on_edges(border), vertices_inside_faces(self.layer, arrangement, inner)]
        points, first_inner = border.points, self.mesh.num_vertices + len(border.points.edge)
        zeros = [
            (self.mesh.num_vertices + points.crossing_point, points.crossing_unit),
            (first_inner + inner.zero_point, inner.zero_unit),
        ]
        off = np.zeros(edges.num_vertices, dtype=bool)
        if not faces.patterns.any(axis=1).all():  # otherwise some unit is on around every vertex
            off = off_vertices(border, inner, edges.num_vertices)
        self.mesh = Mesh(edges.num_vertices, edges.num_faces, edges.ends, faces.beside, edges.lines)
        self.history.made.extend(made)
        self.history.parents.append(faces.parents)
        self.history.patterns.append(faces.patterns)
        return _New(made, zeros, off)

    def _keep_mesh(self, found: _Found) -> None:
        """Notes that the layer has left the mesh as it was."""
        faces = uncut_faces(found.border)
        if self.layer < self.last_cut:
            off = np.logical_not(found.border.vertices.positive.any(axis=1))
            self.values = activated(self.layers[self.layer], self.values, off)
        self.history.parents.append(faces.parents)
        self.history.patterns.append(faces.patterns)

    def _guard(self, num_faces: int) -> None:
        """Refuses to make too many faces."""
        if num_faces > self.max_regions:
            raise ValueError(
                f"max_regions must be at least the number of regions, got {self.max_regions}, but layer "
                f"{self.layer + 1} of {len(self.layers)} cuts {self.mesh.num_faces} regions into {num_faces}"
            )

    def _guard_memory(self, found: _Found) -> None:
        """Refuses to cut if that takes too much memory.

        At every new vertex there are 8 bytes for each unit of this layer, and then for each of the next one; for every
        new edge some 16 numbers, and the units that are positive beside it, six times while edges are made and once
        later. What is there already is not counted.
        """
        border, arrangement = found
        units, words = border.before.num_units, border.before.num_words
        num_points, num_crossings = len(border.points.edge), len(arrangement.crossings.chord) // 2
        num_vertices = self.mesh.num_vertices + num_points + num_crossings
        num_edges = len(border.parts.line) + len(arrangement.chords.face) + 2 * num_crossings
        num_numbers = num_edges * (6 * words + 16)
        if self.layer < self.last_cut:
            following = self.layers[self.layer + 1].bias.shape[1]
            num_numbers = max(
                num_numbers + num_vertices * units, num_edges * (words + 8) + num_vertices * (units + following)
            )
        check_memory(
            8.0 * num_numbers,
            self.max_gigabytes,
            f"layer {self.layer + 1} of {len(self.layers)}, of {units} units, makes {num_vertices} vertices",
        )
