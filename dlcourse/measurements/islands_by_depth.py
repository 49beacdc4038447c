"""How many parts of the square a classifier by construction tells apart, beside the most that one layer can."""

from dataclasses import dataclass
from typing import ClassVar

from dlcourse import pieces
from dlcourse.checks import check_whole
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import MLP, num_parameters
from dlcourse.networks.islands import islands
from dlcourse.networks.model import widths_of_size
from dlcourse.pieces.bounds import zaslavsky


@dataclass(kw_only=True)
class IslandsByDepth(Measurement):
    """Counts components and holes of `networks.islands`, and bounds those of one hidden layer of the same size.

    Let one hidden layer of h units have one output f. On a region of its activation pattern f is an affine function on
    a convex set, and so positive on one part of it at most. The set where f is positive therefore has no more
    components than there are regions, 1 + h + h (h - 1) / 2. Likewise the set where f is not positive, of whose
    components those that do not touch the border are the holes of the first.

    Attributes:
        depth: Number of hidden layers, of four units each.
    """

    kind: ClassVar[str] = "islands_by_depth"

    depth: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("depth", self.depth, 1, 8)

    def measure(self) -> Row:
        """What is counted, what must be, and the bound for one layer that has no more parameters."""
        network = islands(self.depth)
        plane = pieces.on_plane(network, 0, 1)
        found = plane.decision_topology()
        parameters = num_parameters(network)
        (width,) = widths_of_size(parameters, 1, 2, 1)
        return {
            "num_parameters": parameters,
            "num_regions": plane.num_regions,
            "components": int(found.num_components[1]),
            "holes": int(found.num_holes[0]),
            "expected": 4 ** (self.depth - 1),
            "shallow_width": width,
            "shallow_parameters": num_parameters(MLP(2, 1, width=[width], device="meta")),
            "shallow_upper_bound": zaslavsky(2, width),
        }
