"""Small random networks on small domains, among which hardly one is in general position: `Case` after `Case`."""

import math
import random
from typing import NamedTuple

import numpy as np
import torch
from exact_cells import Absolute, Residual
from torch import nn


class Case(NamedTuple):
    """A network on a domain."""

    network: nn.Module
    on: str  # "segment", "whole line", "plane" or "box"
    domain: dict[str, np.ndarray]  # what exact_cells.py takes for it
    families: str  # what it was drawn from, to be read


NUMBERS: dict[str, list[float]] = {
    "small integers": [-2.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 2.0],
    "denormals": [5e-324, -5e-324, 1e-310, -3e-320, 2.0**-1022, 1.0, -1.0, 0.3, 1e17, 0.0],
    "tiny": [1e-300, -1e-300, 1e-162, -1e-162, 1.0, -1.0, 3.7, -0.1, 0.0],
    "huge beside tiny": [1e17, -1e17, 1e-300, -1e-300, 1.0, -1.0, 0.0, 1e8, 0.3],
}
FAMILIES = ["floats", "floats", "small integers", "small integers", *NUMBERS]
SLOPES = [0.01, 0.0, 1.0, -1.0, -0.5, 0.25, 2.0, 1e-300]
CLAMPS = [(-1.0, 1.0), (0.0, 1.0), (0.0, 0.5), (-0.1, 0.3)]


def case(seed: int) -> Case:
    """A network on a domain, drawn from all families."""
    draw = random.Random(seed)
    on = draw.choice(["segment", "whole line", "plane", "box"])
    family, structure = draw.choice(FAMILIES), draw.choice(["plain", "plain", "residual", "cancelling", "images"])
    numbers = Numbers(draw, family)
    d = draw.choice({"box": [1, 2, 2, 3], "plane": [2, 2, 3, 4]}.get(on, [1, 2, 3, 5]))
    in_space = on == "box" and d == 3  # where counting in fractions takes long
    if structure == "images":
        shape = draw.choice([(1, 3, 3), (1, 3, 3), (2, 3)] if in_space else [(1, 3, 3), (1, 3, 3), (2, 5)])
        if on != "box" and draw.random() < 0.5:
            d = math.prod(shape)
        network = images(numbers, d, shape, most=1 if in_space else 3)
    else:
        network = vectors(numbers, d, structure, most=6 if in_space else 12 if on in ("plane", "box") else 24)
    return Case(network, on, domain(draw, on, d), f"{family}, {structure}, on a {on}, {d} inputs")


class Numbers:
    """Draws weights and biases of one family."""

    def __init__(self, draw: random.Random, family: str) -> None:
        self.draw, self.family = draw, family
        self.has_biases = draw.random() < 0.5

    def number(self) -> float:
        """One number."""
        return self.draw.choice(NUMBERS[self.family]) if self.family in NUMBERS else self.draw.gauss(0, 1)

    def put_into(self, layer: nn.Linear | nn.Conv1d | nn.Conv2d) -> None:
        """Gives every unit weights and a bias; some are copies, opposites or multiples of others, or nearly so."""
        num_units, num_weights = len(layer.weight), layer.weight[0].numel()
        rows = [[self.number() for _ in range(num_weights + 1)] for _ in range(num_units)]
        for unit in range(1, num_units):
            factor = self.draw.choice([None, None, None, None, None, 1.0, -1.0, 2.0, 0.0, 1 + 2.0**-52])
            if factor is not None:
                rows[unit] = [factor * number for number in rows[self.draw.randrange(unit)]]
        values = torch.tensor(rows, dtype=torch.float64)
        layer.weight.data = values[:, :-1].reshape(layer.weight.shape)
        layer.bias.data = values[:, -1] if self.has_biases else torch.zeros(num_units, dtype=torch.float64)

    def linear(self, num_inputs: int, num_outputs: int) -> nn.Linear:
        """An affine layer."""
        layer = nn.Linear(num_inputs, num_outputs, dtype=torch.float64)
        self.put_into(layer)
        return layer

    def activation(self) -> nn.Module:
        """What bends, in most cases at 0."""
        kind = self.draw.choice(["relu", "relu", "relu", "leaky", "leaky", "absolute", "clamp", "relu6"])
        match kind:
            case "leaky":
                return nn.LeakyReLU(self.draw.choice(SLOPES))
            case "absolute":
                return Absolute()
            case "clamp":
                return nn.Hardtanh(*self.draw.choice(CLAMPS))
            case "relu6":
                return nn.ReLU6()
            case _:
                return nn.ReLU()


def vectors(numbers: Numbers, d: int, structure: str, most: int) -> nn.Sequential:
    """Up to four layers of up to six units, `most` together; some around a sum with their input."""
    draw, modules, width, left = numbers.draw, [], d, most
    for _ in range(draw.choice([1, 2, 3, 4, 5])):
        units = min(draw.choice([1, 2, 3, 4, 5, 6]), left)
        if units == 0:
            break
        if structure == "plain" or width > left:
            modules += [numbers.linear(width, units), numbers.activation()]
            width, left = units, left - units
        elif structure == "residual":
            block = nn.Sequential(numbers.linear(width, units), numbers.activation(), numbers.linear(units, width))
            modules.append(Residual(block))
            left -= units
        else:
            modules.append(Residual(nothing_left(draw, width)))
            left -= 2 * width
            if draw.random() < 0.7:
                modules += [numbers.linear(width, units), numbers.activation()]
                width, left = units, left - units
        left = max(left, 0)
    return nn.Sequential(*modules, numbers.linear(width, draw.choice([1, 1, 2])))


def nothing_left(draw: random.Random, width: int) -> nn.Sequential:
    """relu(-z) - relu(z) = -z for any multiple z of each input, so that nothing is left of a sum with the input.

    Where the multiple is rounded, or one weight is next to what it should be, next to nothing is left.
    """
    scale = draw.choice([1.0, 1.0, 2.0, 3.0, 0.1])
    eye = torch.eye(width, dtype=torch.float64)
    one, other = (nn.Linear(a, b, dtype=torch.float64) for a, b in ((width, 2 * width), (2 * width, width)))
    one.weight.data, other.weight.data = torch.cat([-scale * eye, scale * eye]), torch.cat([eye, -eye], 1) / scale
    for layer in (one, other):
        layer.bias.data.zero_()
    if draw.random() < 0.3:
        other.weight.data[0, 0] = math.nextafter(float(other.weight.data[0, 0]), draw.choice([-math.inf, math.inf]))
    return nn.Sequential(one, nn.ReLU(), other)


def images(numbers: Numbers, d: int, shape: tuple[int, ...], most: int) -> nn.Sequential:
    """Inputs that are an image or are made one, a convolution, a pool, and maybe another layer of so many units."""
    draw, channels = numbers.draw, numbers.draw.choice([1, 2]) if most > 1 else 1
    two = len(shape) == 3
    kernel = (nn.Conv2d if two else nn.Conv1d)(shape[0], channels, 2, dtype=torch.float64)
    numbers.put_into(kernel)
    maximum, mean = (nn.MaxPool2d, nn.AvgPool2d) if two else (nn.MaxPool1d, nn.AvgPool1d)
    size = 4 if shape[1] == 5 and draw.random() < 0.5 else 2
    pool = draw.choice([maximum, maximum, mean])(size, draw.choice([1, size]))
    bent = numbers.activation()
    modules = [nn.Unflatten(1, shape), kernel, *((pool, bent) if draw.random() < 0.3 else (bent, pool)), nn.Flatten()]
    if d != math.prod(shape):
        modules.insert(0, numbers.linear(d, math.prod(shape)))
    width = nn.Sequential(*modules)(torch.zeros(1, d, dtype=torch.float64)).shape[1]
    if draw.random() < 0.5:
        modules += [numbers.linear(width, most), numbers.activation()]
        width = most
    return nn.Sequential(*modules, numbers.linear(width, 1))


POLYGONS = [
    [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]],
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
    [[-0.1, -1 / 3], [0.7, -1 / 3], [0.7, 0.9], [-0.1, 0.9]],
    [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]],
    [[-1.0, 0.0], [0.0, -1.0], [1.0, 0.0], [0.5, 0.7], [-0.5, 0.7]],
]


def domain(draw: random.Random, on: str, d: int) -> dict[str, np.ndarray]:
    """Where the network is counted: where its units are, or in floats, or in integers."""
    whole = draw.random() < 0.5

    def vector() -> np.ndarray:
        return np.array([float(draw.randint(-2, 2)) if whole else draw.gauss(0, 1) for _ in range(d)])

    if on == "box":
        low, high = draw.choice([(-1.0, 1.0), (0.0, 1.0), (-0.3, 0.9), (-2.0, 1.0)])
        return {"low": np.full(d, low), "high": np.full(d, high)}
    one, other = vector(), vector()
    while not other.any() or (one == other).all():
        other = vector()
    if on == "segment":
        return {"start": one, "end": one + draw.choice([1.0, 1.0, 1e-12, 1e6]) * (other - one)}
    if on == "whole line":
        return {"origin": one, "direction": other}
    directions = np.eye(2)
    if d > 2 or whole:
        directions = np.stack([other, vector()])
        while np.linalg.matrix_rank(directions) < 2:
            directions[1] = vector()
    origin = np.zeros(2) if d == 2 and not whole else one
    return {"corners": np.array(draw.choice(POLYGONS)), "origin": origin, "directions": directions}
