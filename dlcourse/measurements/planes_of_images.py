"""How the number of pieces between real images moves during training."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.checks import check_choice, check_number, check_whole, check_widths
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import Initialization, SoftmaxClassifier, stack, unstack
from dlcourse.streams import stream
from dlcourse.tasks import MNIST
from dlcourse.tasks.task import Data, lines_between
from dlcourse.training import Adam, Batches, train


@dataclass(kw_only=True)
class PlanesOfImages(Measurement):
    """Trains a classifier of MNIST, and counts on lines, triangles and planes through training images on the way.

    They are the same for all networks. A triangle has three images as corners. A plane is the parallelogram around such
    a triangle: with coordinates that put the three images at (0, 0), (1, 0) and (0, 1), both go from -far to far.

    Attributes:
        widths: One width per hidden layer.
        initialization: Where training starts.
        bias: Standard deviation of the biases before training, for initialisations that have them 0, with which the
            kinks of all units would go through one point; torch's keeps its own biases.
        seed: Source of the network and of the order of the images.
        rate: Adam's.
        batch_size: Images per update.
        steps: When to count: numbers of updates, increasing.
        num_lines: Lines between two images.
        num_triangles: Triangles between three.
        num_planes: Planes: those of the first triangles.
        far: How far planes go.

    Source: Hanin and Rolnick 2019, Complexity of linear regions in deep networks; Deep ReLU networks have surprisingly
    few activation patterns.
    """

    kind: ClassVar[str] = "planes_of_images"

    widths: list[int] = field(default_factory=lambda: [32, 32, 32])
    initialization: Initialization = Initialization.he
    bias: float = 1e-3
    seed: int = 0
    rate: float = 0.001
    batch_size: int = 64
    steps: list[int] = field(default_factory=lambda: [0, 10, 30, 100, 300, 1000, 3000])
    num_lines: int = 20
    num_triangles: int = 20
    num_planes: int = 5
    far: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        MNIST()  # raises, now rather than in the middle of a sweep, if the images are not installed
        self.widths, self.steps = check_widths("widths", self.widths, fewest_layers=1), list(self.steps)
        if not self.steps or self.steps[0] < 0 or self.steps != sorted(set(self.steps)):
            raise ValueError(f"steps must be one or more numbers from 0, increasing, got {self.steps}")
        self.initialization = check_choice("initialization", self.initialization, Initialization)
        check_number("bias", self.bias, 0.0, 1e9)
        check_number("rate", self.rate, 0.0, 1e9)
        check_whole("batch_size", self.batch_size, 1)
        check_whole("num_lines", self.num_lines, 1)
        check_whole("num_triangles", self.num_triangles, 1)
        check_whole("num_planes", self.num_planes, 1, self.num_triangles)
        check_number("far", self.far, 1.0, 1e9)

    def measure(self) -> Row:
        """At every step, as `<what>/<step>`: accuracy on the test images, and counts, averaged."""
        data = self.data()
        inputs = data.train_inputs.double()
        starts, ends = lines_between(inputs, self.num_lines, stream(0, "lines"))
        generator = stream(0, "planes")
        triples = [inputs[torch.randperm(len(inputs), generator=generator)[:3]] for _ in range(self.num_triangles)]
        row: Row = {}
        for step, network in self.networks().items():
            members = stack([network])
            on_triangles = [_num_regions(network, images, vertices=[[0, 0], [1, 0], [0, 1]]) for images in triples]
            on_planes = [
                _num_regions(network, images, low=-self.far, high=self.far) for images in triples[: self.num_planes]
            ]
            row |= {
                f"accuracy/{step}": MNIST().metrics(members, data)["accuracy"].item(),
                f"pieces_on_lines/{step}": float(pieces.on_lines(members, starts, ends).num_pieces.mean()),
                f"regions_of_triangles/{step}": float(np.mean(on_triangles)),
                f"regions_of_planes/{step}": float(np.mean(on_planes)),
            }
        return row

    def networks(self) -> dict[int, nn.Module]:
        """Step -> the network as it is then."""
        data = self.data()
        snapshots = train(
            stack([self.start()]),
            Batches([self.seed], data.train_inputs[None], data.train_targets[None], self.batch_size),
            loss=MNIST().loss,
            optimizer=Adam(rate=self.rate),
            num_steps=self.steps[-1],
            snapshot_every=math.gcd(*self.steps) or None,
        )
        networks = {}
        for snapshot in snapshots:
            if snapshot.step in self.steps:
                (networks[snapshot.step],) = unstack(snapshot.members)
        return networks

    def start(self) -> SoftmaxClassifier:
        """The network before training."""
        generator = stream(self.seed, "initialization")
        network = SoftmaxClassifier(784, 10, width=self.widths, initialization=self.initialization, generator=generator)
        if self.initialization is not Initialization.torch:
            for layer in network.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.normal_(layer.bias, 0, self.bias, generator=generator)
        return network

    def data(self) -> Data:
        """The images as the network sees them, in float32."""
        return MNIST().data(self.seed)


def _num_regions(network: nn.Module, images: Tensor, **domain: Any) -> int:
    """Activation regions of the plane through three images: they are at (0, 0), (1, 0) and (0, 1)."""
    return pieces.on_plane(network, origin=images[0], directions=images[1:] - images[0], **domain).num_regions
