"""Many tensors in one flat piece of memory, so that an elementwise pass touches all of them at once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

# torch computes elementwise passes by two vectors at a time and what is left over number by number, with other bits:
# 32 numbers are two vectors of the widest instruction set (AVX-512, float32), so nothing is ever left over.
TWO_VECTORS = 32


def zeros(shape: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor]:
    """A tensor of zeros, and the flat memory it begins, which is filled up for elementwise passes."""
    size = math.prod(shape)
    flat = like.new_zeros(-(-size // TWO_VECTORS) * TWO_VECTORS)
    return flat[:size].view(shape), flat


@dataclass(frozen=True)
class Flat:
    """Named tensors one after another in one vector, each beginning at a vector boundary, possibly filled up by zeros.

    Attributes:
        vector: The memory.
        filled: Name -> the filled-up tensor, contiguous.
        views: Name -> the part of it that means something.
    """

    vector: Tensor
    filled: dict[str, Tensor]
    views: dict[str, Tensor]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], filled_shapes: Mapping[str, tuple[int, ...]] | None = None) -> "Flat":
        """A copy of these tensors, each in the corner of a tensor of the shape given (by default its own)."""
        shapes = {name: (filled_shapes or {}).get(name, tuple(tensor.shape)) for name, tensor in tensors.items()}
        sizes = [-(-math.prod(shape) // TWO_VECTORS) * TWO_VECTORS for shape in shapes.values()]
        vector = next(iter(tensors.values())).new_zeros(sum(sizes))
        filled = {
            name: part[: math.prod(shape)].view(shape)
            for (name, shape), part in zip(shapes.items(), vector.split(sizes), strict=True)
        }
        views = {name: filled[name][tuple(slice(n) for n in tensor.shape)] for name, tensor in tensors.items()}
        for name, tensor in tensors.items():
            views[name].copy_(tensor)
        return cls(vector, filled, views)

    def zeros_like(self) -> "Flat":
        """Memory of the same layout, all zero."""
        zeros = {name: torch.zeros_like(view) for name, view in self.views.items()}
        return Flat.of(zeros, {name: tuple(tensor.shape) for name, tensor in self.filled.items()})

    def over(self, vector: Tensor) -> dict[str, Tensor]:
        """The views of the same layout over another vector of the same size."""
        return {
            name: vector.as_strided(view.shape, view.stride(), view.storage_offset())
            for name, view in self.views.items()
        }
