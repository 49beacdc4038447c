"""Circuits as networks: threshold units, ReLU units, and three networks that owe nothing to gates."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor, nn

from dlcourse.circuits.circuit import Circuit, Kind, sub_circuits
from dlcourse.circuits.parity import without_xor
from dlcourse.networks import MLP


class Threshold(nn.Module):
    """The threshold unit's activation: 1 where its input is above 0, else 0."""

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return (x > 0).to(x.dtype)


def to_threshold_network(circuit: Circuit, num_bits: int, *, dtype: torch.dtype | None = None) -> nn.Sequential:
    """A network of threshold units that computes the circuit on bits.

    A gate is a unit of the layer that is its depth: an AND of n literals is 1 where their sum is above n - 1, and for
    an OR the unit computes its negation, the AND of the negated literals. A negated literal is 1 - x, hence a weight -1
    and a larger bias: NOTs need no units. A value that a later layer needs is handed on by one unit a layer. XORs are
    expanded first, by `without_xor`.

    Args:
        circuit: Any circuit.
        num_bits: Number of inputs x_1 .. x_d, at least the highest that occurs.
        dtype: torch's default if None. All numbers are integers, exact as long as the dtype has that of the fan-in.

    Returns:
        A module from `[..., num_bits]`, of 0s and 1s, to `[..., 1]`, of exactly 0 or 1.

    Raises:
        ValueError: If an input of the circuit is beyond `num_bits`.
    """
    modules: list[nn.Module] = []
    for layer in _layers(circuit, num_bits):
        linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0], dtype=dtype)
        _set_(linear, layer)
        modules += [linear, Threshold()]
    return nn.Sequential(*modules[:-1])  # without the last threshold: the output layer is affine


def to_mlp(circuit: Circuit, num_bits: int, *, dtype: torch.dtype | None = None) -> MLP:
    """A ReLU network that computes the circuit on bits, with the weights of `to_threshold_network`.

    On bits every pre-activation is an integer of at most 1, where max(0, z) and the threshold [z > 0] agree.

    Args:
        circuit: Any circuit.
        num_bits: Number of inputs x_1 .. x_d, at least the highest that occurs.
        dtype: torch's default if None.

    Returns:
        A network whose depth is that of the circuit without XORs; its output on bits is exactly 0 or 1.

    Raises:
        ValueError: If an input of the circuit is beyond `num_bits`.
    """
    *hidden, output = _layers(circuit, num_bits)
    network = MLP(num_bits, 1, width=[len(layer.bias) for layer in hidden], dtype=dtype)
    for linear, layer in zip([*network.hidden.layers, network.output], [*hidden, output], strict=True):
        _set_(linear, layer)
    return network


def parity_of_sum(num_bits: int, *, dtype: torch.dtype | None = None) -> MLP:
    """The parity of d bits by one hidden layer of d units: the zig-zag of their sum s.

    y = max(0, s) - 2 max(0, s - 1) + 2 max(0, s - 2) - ... rises and falls by 1 in turn, so y = s mod 2 on integers.
    The shallow circuit has 2^(d-1) + 1 gates: units that add are stronger than gates. From 4 bits on one unit less is
    enough: `smallest_parity_of_sum`.

    Args:
        num_bits: Number d of bits.
        dtype: torch's default if None; exact on bits while it has all integers up to 2 d^2.

    Source: slides "Parity Circuits" and "Depth and piecewise linear functions" (the zig-zag).
    """
    network = MLP(num_bits, 1, width=num_bits, depth=1, dtype=dtype)
    folds = torch.arange(num_bits, dtype=torch.float64)
    signs = torch.where(folds % 2 == 0, 2.0, -2.0)
    signs[0] = 1
    _set_(network.hidden.layers[0], _Layer(torch.ones(num_bits, num_bits, dtype=torch.float64), -folds))
    _set_(network.output, _Layer(signs[None].double(), torch.zeros(1, dtype=torch.float64)))
    return network


def smallest_parity_of_sum(num_bits: int, *, dtype: torch.dtype | None = None) -> MLP:
    """The parity of d bits by the fewest units of one hidden layer that sees only their sum s: d - 1, for d >= 4.

        y = 6 - max(0, 3 s - 2) + 2 max(0, s - 2) - 2 max(0, 3 - s) + 2 max(0, s - 4) - 2 max(0, s - 5) + ...

    The third unit faces left, so that the first piece has slope 2 without a unit of its own; the slope then changes by
    -3 at s = 2/3, by 2 at 2, by -2 at 3, ..., and y goes through 0, 4/3, 0, 1, 0, 1, ... at s = 0, 2/3, 2, 3, 4, 5,
    ..., hence through 1 at s = 1. Below 4 bits there is no third unit to turn, and it is `parity_of_sum`, of d units.

    No function of s does with fewer. The second differences of the parity at s = 1, ..., d - 1 are -2, 2, -2, ... Those
    of a unit v max(0, a s + c), which bends at one place t, have the sign of v, and are 0 but where |s - t| < 1: at two
    neighbours at most, of which only one has that sign to fill. So each of the d - 1 places needs a unit of its own.
    (Units that weigh the bits differently are not covered by this: see experiments/parity_by_one_layer.)

    Args:
        num_bits: Number d of bits.
        dtype: torch's default if None; exact on bits while it has all integers up to 2 d^2.

    Source: slides "Parity Circuits" and "Depth and piecewise linear functions" (the zig-zag).
    """
    if num_bits < 4:
        return parity_of_sum(num_bits, dtype=dtype)
    num_units = num_bits - 1
    network = MLP(num_bits, 1, width=num_units, depth=1, dtype=dtype)
    facing = torch.ones(num_units, dtype=torch.float64)
    facing[0], facing[2] = 3, -1
    bends = torch.arange(1, num_bits, dtype=torch.float64)
    bends[0] = 2 / 3
    changes = torch.where(bends % 2 == 0, 2.0, -2.0).double()
    changes[0] = -1
    _set_(network.hidden.layers[0], _Layer(facing[:, None].expand(-1, num_bits), -(facing * bends).round()))
    _set_(network.output, _Layer(changes[None], torch.tensor([6.0], dtype=torch.float64)))
    return network


def parity_by_tents(num_bits: int, *, dtype: torch.dtype | None = None) -> MLP:
    """The parity of d bits by ceil(log2 d) hidden layers of 2 units: the sum folded in half until it is 0 or 1.

    The tent t(s) = max(0, s) - 2 max(0, s - n/2) maps s to min(s, n - s) on [0, n]; for an even n that keeps whether s
    is odd. From n = 2^m >= d, m tents lead to [0, 1].

    Args:
        num_bits: Number d of bits.
        dtype: torch's default if None; exact on bits while it has all integers up to 2 d.

    Source: slide "Depth and piecewise linear functions": the nested tents; parity is a zig-zag of the sum.
    """
    depth = (num_bits - 1).bit_length()
    network = MLP(num_bits, 1, width=2, depth=depth, dtype=dtype)
    ones, tent = torch.ones(1, num_bits, dtype=torch.float64), torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    for level, linear in enumerate(network.hidden.layers):
        incoming = tent if level else ones
        _set_(linear, _Layer(incoming.repeat(2, 1), torch.tensor([0, -(2.0 ** (depth - level - 1))]).double()))
    _set_(network.output, _Layer(tent if depth else ones, torch.zeros(1, dtype=torch.float64)))
    return network


@dataclass(frozen=True)
class _Layer:
    """W and b of one layer."""

    weight: Float64[Tensor, "out in"]
    bias: Float64[Tensor, " out"]


def _set_(linear: nn.Module, layer: _Layer) -> None:
    """Writes a layer's numbers into a module."""
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.copy_(layer.weight)
        linear.bias.copy_(layer.bias)


def _layers(circuit: Circuit, num_bits: int) -> list[_Layer]:
    """W and b of each hidden layer, and of the affine output."""
    circuit = without_xor(circuit)
    # For each value, the layer that has its unit. A NOT has no unit: it is read off the unit of what it negates.
    levels: dict[Circuit, int] = {}
    # For each unit, the last layer that reads it. All layers in between hand its value on.
    last_use: dict[Circuit, int] = {}
    for node in sub_circuits(circuit):
        below = max((levels[part] for part in node.parts), default=0)
        levels[node] = below if node.kind in (Kind.input, Kind.not_) else below + 1
        for part in node.parts if node.kind is not Kind.not_ else ():
            last_use[_unit(part)] = max(last_use.get(_unit(part), 0), levels[node])
        if node.index > num_bits:
            raise ValueError(f"num_bits must be at least {node.index}, the circuit's highest input, got {num_bits}")
    depth = levels[circuit]
    last_use[_unit(circuit)] = depth + 1

    places = {Circuit(Kind.input, (), index): index - 1 for index in range(1, num_bits + 1)}
    width = num_bits
    layers = []
    for level in range(1, depth + 1):
        units = [unit for unit, until in last_use.items() if levels[unit] <= level < until]
        weight, bias = torch.zeros(len(units), width, dtype=torch.float64), torch.zeros(len(units), dtype=torch.float64)
        for row, unit in enumerate(units):
            if levels[unit] < level:  # computed in an earlier layer: this unit only hands the value on
                weight[row, places[unit]] = 1
                continue
            # For an AND, the unit takes 1 - (the number of its parts that are 0), which is above 0 only if all of them
            # are 1. For an OR it does so with the negated parts, and thus computes the negation of the OR.
            bias[row] = 1
            for part in unit.parts:
                sign, offset = _read(part)
                if unit.kind is Kind.or_:
                    sign, offset = -sign, 1 - offset
                weight[row, places[_unit(part)]] += sign
                bias[row] += offset - 1
        layers.append(_Layer(weight, bias))
        places, width = {unit: row for row, unit in enumerate(units)}, len(units)
    weight, bias = torch.zeros(1, width, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    weight[0, places[_unit(circuit)]], bias[0] = _read(circuit)
    return [*layers, _Layer(weight, bias)]


def _unit(circuit: Circuit) -> Circuit:
    """The input or gate whose unit tells the value: what is negated, for a NOT."""
    return circuit.parts[0] if circuit.kind is Kind.not_ else circuit


def _read(circuit: Circuit) -> tuple[int, int]:
    """Weight and offset that make a circuit's value of what its unit computes; that of an OR computes its negation."""
    negated = (circuit.kind is Kind.not_) != (_unit(circuit).kind is Kind.or_)
    return (-1, 1) if negated else (1, 0)
