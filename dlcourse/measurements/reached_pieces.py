"""How many pieces are possible, and how many construction and search reach."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from dlcourse import pieces
from dlcourse.checks import check_number, check_whole
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, Stack, num_parameters, unstack
from dlcourse.networks.constructions import montufar, nested_tents, nested_valleys, nested_zigzags, serra
from dlcourse.pieces.bounds import montufar_lower, most_on_line, serra_lower, serra_upper
from dlcourse.streams import stream

Counts = NDArray[np.int64]
NUM_AT_ONCE = 1_000


@dataclass(kw_only=True)
class ReachedPieces(Measurement):
    """Linear pieces on the line, or activation regions of the plane: bounds, constructions, random and local search.

    Random search draws networks of two initialisations: `torch` as nn.Linear does it, `he` with He's weights and biases
    N(0, 1). Local search starts from the best draws and keeps every mutation that makes no fewer pieces.

    Attributes:
        width: Units per hidden layer, at least 2.
        depth: Number of hidden layers.
        in_features: 1 for the line, 2 for the plane.
        num_draws: Draws of each initialisation.
        num_climbers: How many of the best draws local search starts from.
        num_mutations: Mutations that each climber tries.
        far: [-far, far] stands for the whole line or plane: biases are about 1 or less.
        most_counted: Constructions that must have more pieces on the line than this are not counted.
        seed: Source of all random numbers.
    """

    kind: ClassVar[str] = "reached_pieces"

    width: int = 2
    depth: int = 1
    in_features: int = 1
    num_draws: int = 10_000
    num_climbers: int = 50
    num_mutations: int = 1_500
    far: float = 1e4
    most_counted: int = 200_000
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("in_features", self.in_features, 1, 2)
        check_whole("width", self.width, 2)
        check_whole("depth", self.depth, 1)
        check_whole("num_draws", self.num_draws, 1)
        check_whole("num_climbers", self.num_climbers, 1, 2 * self.num_draws)
        check_whole("num_mutations", self.num_mutations, 0)
        check_whole("most_counted", self.most_counted, 0)
        check_number("far", self.far, 1.0, 1e9)

    @property
    def widths(self) -> list[int]:
        """The width of each hidden layer."""
        return [self.width] * self.depth

    def measure(self) -> Row:
        """Bounds, counted constructions (`*_counted`), and most and quartiles of what the searches find."""
        row: Row = {
            "num_parameters": num_parameters(MLP(self.in_features, 1, width=self.widths)),
            "upper_bound": serra_upper(self.in_features, self.widths),
            "montufar_lower": montufar_lower(self.in_features, self.widths),
        }
        if self.width >= 3 * self.in_features:
            row["serra_lower"] = serra_lower(self.in_features, self.widths)
        row |= {f"{name}_counted": num for name, num in self.constructions().items()}
        for name, counts in self.search().items():
            lower, median, upper = np.percentile(counts, [25, 50, 75]).tolist()
            row |= {f"{name}/lower_quartile": lower, f"{name}/median": median, f"{name}/upper_quartile": upper}
            row[f"{name}/most"] = int(counts.max())
        return row

    def constructions(self) -> dict[str, int]:
        """The pieces of the networks by hand, counted."""
        if self.in_features == 2:
            side = 1 if self.depth == 1 else 2 * (self.width // 2) + 1
            counted = {"montufar": pieces.on_plane(montufar(2, self.widths), 0, 1).num_regions}
            if self.width >= 6:
                counted["serra"] = pieces.on_plane(serra(2, self.widths), 0, side).num_regions
            return counted
        counted = {}
        if montufar_lower(1, self.widths) <= self.most_counted:
            counted["montufar"] = pieces.on_line(montufar(1, self.widths), 0, 1).num_pieces
        if self.width == 2:
            counted["tents"] = pieces.on_line(nested_tents(self.depth), -self.far, self.far).num_pieces
            counted["valleys"] = pieces.on_line(nested_valleys(self.depth), -self.far, self.far).num_pieces
        elif most_on_line(self.widths) <= self.most_counted:
            counted["zigzags"] = pieces.on_line(nested_zigzags(self.widths), -self.far, self.far).num_pieces
        return counted

    def search(self) -> dict[str, Counts]:
        """Draws at random, then climbs from the best of them."""
        generator = stream(self.seed, "search", self.in_features, *self.widths)
        draws, counts = [], {}
        for initialization in ("torch", "he"):
            some = [
                draw(initialization, self.in_features, self.widths, min(NUM_AT_ONCE, self.num_draws - first), generator)
                for first in range(0, self.num_draws, NUM_AT_ONCE)
            ]
            counts[f"random_{initialization}"] = np.concatenate([self.count(networks) for networks in some])
            draws += some
        best = np.argsort(-np.concatenate(list(counts.values())), kind="stable")[: self.num_climbers]
        names = draws[0].parameters
        start = {name: torch.cat([networks.parameters[name] for networks in draws])[best] for name in names}
        counts["climbing"] = self.climb(replace(draws[0], parameters=start), generator)
        return counts

    def climb(self, networks: Stack, generator: torch.Generator) -> Counts:
        """Every member on its own takes each mutation that makes no fewer pieces."""
        counts = self.count(networks)
        for _ in range(self.num_mutations):
            mutants = mutate(networks, generator)
            found = self.count(mutants)
            taken = torch.from_numpy(found >= counts)
            for name, values in networks.parameters.items():
                values[taken] = mutants.parameters[name][taken]
            counts = np.maximum(counts, found)
        return counts

    def count(self, networks: Stack) -> Counts:
        """Linear pieces on the line, activation regions of the plane."""
        if self.in_features == 1:
            line = pieces.on_lines(networks, np.array([[-self.far]]), np.array([[self.far]]))
            return np.asarray(line.num_pieces[:, 0])
        return np.array([pieces.on_plane(network, -self.far, self.far).num_regions for network in unstack(networks)])


def draw(initialization: str, in_features: int, widths: Sequence[int], num: int, generator: torch.Generator) -> Stack:
    """Networks drawn at random: `torch` as nn.Linear does it, `he` He's weights with biases N(0, 1)."""
    architecture = MLP(in_features, 1, width=widths, device="meta", dtype=torch.float64)
    parameters = {}
    sizes = [in_features, *widths]
    for index, (name, parameter) in enumerate(architecture.named_parameters()):
        shape, num_inputs = (num, *parameter.shape), sizes[index // 2]
        if initialization == "torch":
            values = (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) / math.sqrt(num_inputs)
        else:
            scale = 1 if name.endswith("bias") else math.sqrt(2 / num_inputs)
            values = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        parameters[name] = values
    return Stack(architecture, parameters, {})


def mutate(networks: Stack, generator: torch.Generator) -> Stack:
    """Normal noise of any size from 0.001 to 1, in one layer or in all."""
    num, num_layers = networks.num_members, len(networks.parameters) // 2
    size = 10 ** (-3 * torch.rand(num, generator=generator, dtype=torch.float64))
    # Which layer of each network is changed; the number after the last one, num_layers, stands for all of them.
    layer = torch.randint(num_layers + 1, (num,), generator=generator)
    changed = {}
    for index, (name, values) in enumerate(networks.parameters.items()):
        size_here = size * ((layer == index // 2) | (layer == num_layers))
        noise = torch.randn(values.shape, generator=generator, dtype=torch.float64)
        changed[name] = values + noise * size_here.view(-1, *[1] * (values.ndim - 1))
    return replace(networks, parameters=changed)
