"""Many tensors in one flat piece of memory, so that an elementwise pass touches all of them at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dlcourse.networks import corner

# In an elementwise pass, torch takes two vector registers at a time, and the numbers that are left over at the end one
# by one, which can round differently. 32 numbers fill two registers of the widest instruction set (AVX-512, float32),
# so in memory of a multiple of 32 numbers nothing is ever left over.
TWO_VECTORS = 32


def zeros_in_a_row(shapes: Sequence[tuple[int, ...]], like: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Tensors of zeros, one after another in one piece of memory.

    Args:
        shapes: Theirs.
        like: A tensor of their number format, on their device.

    Returns:
        Each with the flat memory it begins, which is filled up for elementwise passes.
    """
    sizes = [math.prod(shape) for shape in shapes]
    filled = [-(-size // TWO_VECTORS) * TWO_VECTORS for size in sizes]
    flats = like.new_zeros(sum(filled)).split(filled)
    return [(flat[:size].view(shape), flat) for flat, size, shape in zip(flats, sizes, shapes, strict=True)]


def beside_each_other(tensors: Sequence[Tensor]) -> Tensor:
    """One view, `[tensors, ...]`, of tensors of one shape that lie evenly apart in one piece of memory."""
    offsets = [tensor.storage_offset() for tensor in tensors]
    apart = offsets[1] - offsets[0] if len(tensors) > 1 else 0
    assert offsets == [offsets[0] + apart * index for index in range(len(tensors))]
    return tensors[0].as_strided((len(tensors), *tensors[0].shape), (apart, *tensors[0].stride()))


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
        """A copy of these tensors, each in the corner of a tensor of the shape given (by default its own).

        Args:
            tensors: Name -> tensor.
            filled_shapes: Name -> shape. These come first in memory, in this order.
        """
        shapes = {**(filled_shapes or {})}
        shapes |= {name: tuple(tensor.shape) for name, tensor in tensors.items() if name not in shapes}
        sizes = [-(-math.prod(shape) // TWO_VECTORS) * TWO_VECTORS for shape in shapes.values()]
        vector = next(iter(tensors.values())).new_zeros(sum(sizes))
        parts = dict(zip(shapes, vector.split(sizes), strict=True))
        filled = {name: parts[name][: math.prod(shapes[name])].view(shapes[name]) for name in tensors}
        views = {name: corner(filled[name], tensor.shape) for name, tensor in tensors.items()}
        flat = cls(vector, filled, views)
        flat.take(tensors)
        return flat

    @classmethod
    def by_member(cls, tensors: Mapping[str, Tensor]) -> "Flat":
        """A copy of members' tensors, `[members, ...]`, one member after another.

        Each tensor of each member is contiguous and begins at a vector boundary, so that where a member stands in its
        stack makes no difference to the instructions that compute with it.
        """
        num_members = len(next(iter(tensors.values())))
        sizes = [-(-value[0].numel() // TWO_VECTORS) * TWO_VECTORS for value in tensors.values()]
        vector = next(iter(tensors.values())).new_zeros(num_members * sum(sizes))
        parts = vector.view(num_members, -1).split(sizes, dim=1)
        views = {
            name: part[:, : value[0].numel()].view(value.shape)
            for (name, value), part in zip(tensors.items(), parts, strict=True)
        }
        flat = cls(vector, views, views)
        flat.take(tensors)
        return flat

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Copies the values of these tensors."""
        for name, view in self.views.items():
            view.copy_(tensors[name])

    def zeros_like(self) -> "Flat":
        """Memory of the same layout, all zero."""
        vector = torch.zeros_like(self.vector)
        return Flat(vector, _over(vector, self.filled), _over(vector, self.views))

    def over(self, vector: Tensor) -> dict[str, Tensor]:
        """The views of the same layout over another vector of the same size."""
        return _over(vector, self.views)


def _over(vector: Tensor, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same views of another vector."""
    return {
        name: vector.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
        for name, tensor in tensors.items()
    }
