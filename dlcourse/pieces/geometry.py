"""The regions of a finished subdivision: their patterns, affine maps and polygons."""

from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces import bits
from dlcourse.pieces.rounding import EPS, SLACK, norm
from dlcourse.pieces.subdivision import Subdivision

_PART = 2048  # regions that are worked on at once: memory stays small


class Geometry:
    """A subdivision in which all layers have made their cuts.

    Attributes:
        mesh: Its vertices, edges and faces; the faces are the regions.
        ancestors: For each layer, which face after its cuts each region is part of.
        num_settled: How many comparisons of affine maps exact arithmetic decided.
    """

    def __init__(self, subdivision: Subdivision) -> None:
        self.subdivision = subdivision
        self.layers, self.exact = subdivision.layers, subdivision.exact
        self.frame = self.exact.frame
        self.mesh = subdivision.mesh
        self.num_settled = 0
        ancestors = [np.arange(self.mesh.num_faces)]
        for parents in self.exact.parents[:0:-1]:
            ancestors.append(parents[ancestors[-1]])
        self.ancestors = ancestors[::-1]

    def patterns(self, layer: int, regions: Int[np.ndarray, " some"] | slice) -> Bool[np.ndarray, "some units"]:
        """Which units of a layer are positive on some regions."""
        words = self.exact.patterns[layer][self.ancestors[layer][regions]]
        return bits.unpack(words, self.layers[layer].bias.shape[1])

    @cached_property
    def maps(self) -> tuple[Float[np.ndarray, "regions outputs inputs"], Float[np.ndarray, "regions outputs"]]:
        """Weight and bias of each region's affine map, x -> weight x + bias on the input space."""
        return self._maps[:2]

    @cached_property
    def gradients(self) -> Float[np.ndarray, "regions outputs 2"]:
        """Derivatives of the outputs with respect to the plane's coordinates."""
        gradients: Float[np.ndarray, "regions outputs 2"] = self.maps[0] @ self.frame[:, :2]
        return gradients

    @cached_property
    def _maps(
        self,
    ) -> tuple[
        Float[np.ndarray, "regions outputs inputs"],
        Float[np.ndarray, "regions outputs"],
        Float[np.ndarray, "regions outputs"],
    ]:
        """Weights and biases, and bounds for the 2-norm of the error of each row of the weights."""
        final = self.layers[-1]
        num_regions, num_outputs = self.mesh.num_faces, final.bias.shape[1]
        weights = np.empty((num_regions, num_outputs, self.layers[0].weight.shape[2]))
        biases = np.empty((num_regions, num_outputs))
        errors = np.empty((num_regions, num_outputs))
        stretch = [float(norm(layer.weight, num_regions)[0]) for layer in self.layers]
        frobenius = [float(np.sqrt(np.einsum("moi,moi->", layer.weight, layer.weight))) for layer in self.layers]
        for first in range(0, num_regions, _PART):
            part = slice(first, min(first + _PART, num_regions))
            num = part.stop - first
            rows = np.repeat(final.weight, num, axis=0)  # how the outputs depend on what arrives at the layer
            bias = np.repeat(final.bias, num, axis=0)
            error = np.zeros((num, num_outputs))
            for index in range(len(self.layers) - 2, -1, -1):
                layer = self.layers[index]
                slope = layer.slope[0]
                if layer.bends:
                    positive = self.patterns(index, part)[:, None]
                    rows = rows * (np.where(positive, 1.0, slope) if slope.any() else positive)
                    error *= max(1.0, float(np.abs(slope).max()))
                length = np.sqrt(np.einsum("roi,roi->ro", rows, rows))
                error += EPS * length * max(1.0, float(np.abs(slope).max())) * bool(slope.any())
                rounded = (layer.weight.shape[1] + 2) * EPS * frobenius[index] * (length + error)
                error = SLACK * (stretch[index] * error + rounded)
                bias += rows @ layer.bias[0]
                rows = (rows.reshape(num * num_outputs, -1) @ layer.weight[0]).reshape(num, num_outputs, -1)
            weights[part], biases[part], errors[part] = rows, bias, error
        return weights, biases, errors

    @cached_property
    def kinks(self) -> Bool[np.ndarray, " edges"]:
        """Whether the regions on the two sides of an edge have different affine maps on the plane; False at the border.

        The function is continuous, so that maps with equal gradients agree.
        """
        left, right = self.mesh.faces.T
        inner = np.flatnonzero(right >= 0)
        left, right = left[inner], right[inner]
        error = self._maps[2]
        directions = self.frame[:, :2]
        length = float(np.sqrt(np.einsum("ij,ij->", directions, directions)))
        size = np.sqrt(np.einsum("roi,roi->ro", self.maps[0], self.maps[0]))
        rounded = (len(directions) + 1) * EPS * size
        bound = SLACK * length * (error + rounded)
        if length == np.sqrt(2) and directions.shape == (2, 2) and (directions == np.eye(2)).all():
            bound = error
        jump = self.gradients[left] - self.gradients[right]
        jump = np.sqrt(np.einsum("eoi,eoi->eo", jump, jump))
        bound = bound[left] + bound[right]
        different = (jump > SLACK * bound).any(axis=1)
        open_ = np.flatnonzero(~different & (bound > 0).any(axis=1))
        if len(open_):
            self.num_settled += len(open_)
            different[open_] = self._exact_kinks(left[open_], right[open_], inner[open_])
        kinks = np.zeros(len(self.mesh.faces), dtype=bool)
        kinks[inner] = different
        return kinks

    def _exact_kinks(
        self, left: Int[np.ndarray, " some"], right: Int[np.ndarray, " some"], edges: Int[np.ndarray, " some"]
    ) -> Bool[np.ndarray, " some"]:
        """Whether regions have different affine maps on the plane."""
        different = np.zeros(len(left), dtype=bool)
        for first in range(0, len(left), _PART):
            part = slice(first, first + _PART)
            faces = np.union1d(left[part], right[part])
            functions = self.exact.functions(len(self.layers) - 1, faces.tolist())
            of = dict(zip(faces.tolist(), functions, strict=True))
            pairs = zip(left[part].tolist(), right[part].tolist(), strict=True)
            different[part] = [bool((of[a] != of[b]).any()) for a, b in pairs]
            self.exact.forget()
        return different

    @cached_property
    def pieces(self) -> Int[np.ndarray, " regions"]:
        """The linear piece that each region is part of: 0, 1, ..."""
        inner = (self.mesh.faces[:, 1] >= 0) & ~self.kinks
        a, b = self.mesh.faces[inner].T
        label = np.arange(self.mesh.num_faces)
        while True:
            low = np.minimum(label[a], label[b])
            before = label.copy()
            for end in (a, b):
                np.minimum.at(label, label[end], low)
                np.minimum.at(label, end, low)
            label = label[label]
            if np.array_equal(label, before):
                return np.unique(label, return_inverse=True)[1]
