"""How many units does one hidden layer take to be a deep network?"""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dlcourse import pieces
from dlcourse.checks import check_number, check_whole, check_widths
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.measurements.near_the_solution import centred_tents, errors, trained
from dlcourse.networks import MLP, stack, unstack
from dlcourse.streams import stream
from dlcourse.tasks import ZigZag


@dataclass(kw_only=True)
class DeepToShallow(Measurement):
    """Makes deep networks shallow on the zig-zag's interval [-2, 2]: the lecture's tents, or networks trained on it.

    Attributes:
        num_folds: Tents in the target, which has 2^num_folds pieces.
        widths: One width per hidden layer of the trained networks; null takes the tents that the target is.
        rate: Adam's first rate, which falls to 0 as a cosine.
        num_seeds: Trained networks; their seeds are 0, 1, ...
        num_steps: Updates.
        batch_size: Data items per update.

    Source: slides "Shallow vs. Deep Feed-Forward Neural Networks", "one layer is enough", and "Depth and piecewise
    linear functions".
    """

    kind: ClassVar[str] = "deep_to_shallow"

    num_folds: int = 3
    widths: list[int] | None = None
    rate: float = 0.01
    num_seeds: int = 10
    num_steps: int = 6_000
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_folds", self.num_folds, 1, 10)
        if self.widths is not None:
            self.widths = check_widths("widths", self.widths, fewest_layers=1)
        check_number("rate", self.rate, 0.0, 1e9)
        for field in ("num_seeds", "num_steps", "batch_size"):
            check_whole(field, getattr(self, field), 1)

    def measure(self) -> Row:
        """Units before and after, errors of both, and their largest difference beside what rounding may make it."""
        task = ZigZag(num_folds=self.num_folds, centred=True)
        networks = self.networks()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* pieces are left")  # they are counted below
            shallow = [pieces.shallow(network, task.low, task.high) for network in networks]
        units = [network.hidden.out_features for network in shallow]
        pairs = list(zip(networks, shallow, strict=True))
        differences = [pieces.largest_difference(*pair, task.low, task.high) for pair in pairs]
        bounds = [pieces.shallow_error(network, task.high) for network in shallow]
        left = [pieces.on_line(network, task.low, task.high).num_pieces for network in shallow]
        deep_errors = errors(task, stack(networks))
        shallow_errors = np.array([errors(task, stack([network]))[0] for network in shallow])
        return {
            "num_networks": len(networks),
            "deep_units": sum(layer.out_features for layer in networks[0].hidden.layers),  # type: ignore[misc]
            "fewest_units": min(units),
            "median_units": float(np.median(units)),
            "most_units": max(units),
            "num_that_lost_pieces": sum(num < width for num, width in zip(left, units, strict=True)),
            "num_within_the_bound": sum(d <= bound for d, bound in zip(differences, bounds, strict=True)),
            "largest_difference": float(max(differences)),
            "largest_bound": float(max(bounds)),
            "num_solved": int((deep_errors < task.solved).sum()),
            "num_solved_shallow": int((shallow_errors < task.solved).sum()),
            "median_error": float(np.median(deep_errors)),
            "median_error_shallow": float(np.median(shallow_errors)),
        }

    def networks(self) -> list[MLP]:
        """The deep networks."""
        if self.widths is None:
            return [centred_tents(self.num_folds)]
        task = ZigZag(num_folds=self.num_folds, centred=True)
        starts = [MLP(1, 1, width=self.widths, generator=stream(seed, "start")) for seed in range(self.num_seeds)]
        members = unstack(trained(task, starts, self.rate, self.num_steps, self.batch_size))
        assert all(isinstance(member, MLP) for member in members)
        return members  # type: ignore[return-value]
