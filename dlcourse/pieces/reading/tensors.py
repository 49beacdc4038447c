"""A network's tensors, as they are read: entries that are affine in the outputs of units, constants, comparisons."""

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.pieces.reading import affine
from dlcourse.pieces.reading.affine import Affine, Vector
from dlcourse.pieces.reading.nested import leaves, mapped

BATCH = "the first dimension, which numbers the inputs of a batch, must stay as it is"


@dataclass(frozen=True, eq=False)
class Constants:
    """A tensor that does not depend on the input: one for each member, floating-point numbers in float64."""

    members: list[Tensor]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Constants":
        """The same function of each of them."""
        return Constants([function(member) for member in self.members])

    def __mul__(self, factor: float | int) -> "Constants":
        return self.map(lambda member: member * factor)


@dataclass(frozen=True, eq=False)
class Traced:
    """A tensor that depends on the input.

    Attributes:
        entries: Its entries for one input, flattened.
        shape: Its shape for a batch of two inputs, so that a call that mixes them cannot go unnoticed.
        batch: The dimension that numbers the inputs of the batch.
    """

    entries: Affine
    shape: tuple[int, ...]
    batch: int = 0

    @property
    def own_shape(self) -> tuple[int, ...]:
        """Its shape for one input."""
        return self.shape[: self.batch] + self.shape[self.batch + 1 :]

    def __add__(self, other: "Operand") -> "Traced":
        tensor, term = aligned(self, other)
        return tensor.with_entries(
            tensor.entries.plus(term) if isinstance(term, Affine) else tensor.entries.shifted(term)
        )

    def __mul__(self, other: "Operand") -> "Traced":
        tensor, factor = aligned(self, other)
        if isinstance(factor, Affine):
            raise TypeError("the product of two tensors that depend on the input is not piecewise linear")
        return tensor.with_entries(tensor.entries.scaled(factor))

    def __neg__(self) -> "Traced":
        return self * -1

    def __sub__(self, other: "Operand") -> "Traced":
        return self + (other.map(operator.neg) if isinstance(other, Constants) else -other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: "Operand") -> "Traced":
        return -self + other

    def bent(self, slope: "Operand") -> "Traced":
        """x where x >= 0, slope x elsewhere."""
        tensor, slopes = aligned(self, slope)
        if isinstance(slopes, Affine):
            raise TypeError("a slope that depends on the input is not piecewise linear")
        return tensor.with_entries(tensor.entries.bent(slopes))

    def with_entries(self, entries: Affine) -> "Traced":
        """A tensor of the same shape."""
        return Traced(entries, self.shape, self.batch)


Operand = Traced | Constants | float | int


def aligned(tensor: Traced, other: Operand) -> tuple[Traced, Affine | Vector]:
    """Two operands, broadcast to each other."""
    if isinstance(other, Traced):
        pair = (tensor, other)
        if (tensor.shape, tensor.batch) != (other.shape, other.batch):
            pair = moved(torch.broadcast_tensors, pair, {})
        if pair[0].batch != pair[1].batch:
            raise ValueError(BATCH)
        return pair[0], pair[1].entries
    if not isinstance(other, Constants) and math.isfinite(other):
        return tensor, np.full((1, tensor.entries.bias.shape[1]), float(other))
    members = other.members if isinstance(other, Constants) else [torch.tensor(other, dtype=torch.float64)]
    shape = np.broadcast_shapes(tensor.shape, members[0].shape)  # torch's imports sympy first, which takes 0.3 s
    if shape != tensor.shape:
        tensor = moved(torch.broadcast_to, (tensor, shape), {})
    return tensor, for_one_input([member.double().broadcast_to(shape) for member in members], tensor.batch)


def for_one_input(members: Sequence[Tensor], batch: int) -> Float[np.ndarray, "members entries"]:
    """The entries of a constant that are added to one input, or that multiply it.

    Raises:
        ValueError: If they are not the same for all inputs, or not finite.
    """
    values = np.stack([member.select(batch, 0).numpy().reshape(-1) for member in members])
    finite = np.isfinite(values)
    if not finite.all():
        raise ValueError(f"constants must be finite, got {values[~finite][0]}")
    if any(not torch.equal(*member.unbind(batch)) for member in members if member.stride(batch)):
        raise ValueError("constants must be the same for all inputs of a batch")
    return values


def moved(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call that leaves entries as they are: it is told by calling it with their numbers.

    Constants among the tensors have numbers of their own, the same ones for both inputs of the batch.
    """
    tensors = [leaf for leaf in leaves((args, kwargs)) if isinstance(leaf, Traced)]
    constants = [leaf for leaf in leaves((args, kwargs)) if _is_number(leaf)]
    total = sum(tensor.entries.bias.shape[1] for tensor in tensors)
    parts = [tensor.entries for tensor in tensors]
    parts += [Affine({}, torch.stack(one.members).double().reshape(len(one.members), -1).numpy()) for one in constants]
    whole = affine.joined(parts)
    if not np.isfinite(whole.bias).all():
        raise ValueError(f"constants must be finite, got {whole.bias[~np.isfinite(whole.bias)][0]}")
    first = {"traced": 1, "constant": 1 + 2 * total}  # 0 is what padding and tril put in

    def numbers(value: Any) -> Any:
        if isinstance(value, Traced):
            size = value.entries.bias.shape[1]
            own = torch.arange(first["traced"], first["traced"] + size, dtype=torch.float64).reshape(value.own_shape)
            first["traced"] += size
            return torch.stack([own, own + total], dim=value.batch)
        if _is_number(value):
            start = first["constant"]
            first["constant"] += value.members[0].numel()
            return torch.arange(start, first["constant"], dtype=torch.float64).reshape(value.members[0].shape)
        return index_of(value)

    def entries(result: Any) -> Any:
        if not isinstance(result, Tensor):
            return result
        for batch in range(result.ndim):
            if result.shape[batch] == 2:
                one, other = (result.select(batch, index).flatten().long().numpy() - 1 for index in (0, 1))
                constant = (one >= 2 * total) & (other >= 2 * total)
                same = one == other  # the numbers of the first input, and those of the second one
                same[constant] = (whole.bias[:, one[constant] - total] == whole.bias[:, other[constant] - total]).all(0)
                if (same & (constant | (one < 0)) | (one + total == other) & (one >= 0) & (one < total)).all():
                    return Traced(whole.rows(np.where(constant, one - total, one)), tuple(result.shape), batch)
        raise ValueError(BATCH)

    return mapped(entries, function(*mapped(numbers, args), **mapped(numbers, kwargs)))


def as_constant(operand: Constants | float | int) -> Constants:
    """A constant in float64, also one of whole numbers or truth values."""
    if isinstance(operand, Constants):
        return operand.map(Tensor.double)
    return Constants([torch.tensor(operand, dtype=torch.float64)])


def _is_number(value: Any) -> bool:
    """Whether it is a constant tensor of floating-point numbers, not of indices."""
    return isinstance(value, Constants) and value.members[0].is_floating_point()


def index_of(value: Any) -> Any:
    """A constant tensor of whole numbers or truth values, which tells which entries are meant; else what it is."""
    if not isinstance(value, Constants):
        return value
    if any(not torch.equal(member, value.members[0]) for member in value.members):
        raise ValueError("indices must be the same for all members of a stack")
    return value.members[0]
