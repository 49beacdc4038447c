"""What the layerwise gradients cost, beside autograd's."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from dlcourse.checks import check_whole
from dlcourse.layerwise import LayerwiseGradient
from dlcourse.losses import SquaredError
from dlcourse.measurements.layerwise_gradients import LayerwiseGradients, by_autograd, by_jacobians, items
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.networks import stack


@dataclass(kw_only=True)
class LayerwiseTime(Measurement):
    """Microseconds for the gradient of one relu network in float32: of one item, of a batch, and as one of a stack.

    The methods take turns and the median counts. Sizes take turns as well where a sweep varies `repetition` most
    slowly, so that a busy minute does not fall on one of them. What counts is the processor's time, in which waiting
    for it has no part. Yet whoever runs beside it takes caches and clock rate away: with one worker, and little else
    to do, times scatter least.

    Attributes:
        depth: Number of hidden layers.
        width: Units per hidden layer.
        batch_size: Items of a batch.
        num_members: Networks of the stack.
        num_turns: How often every method has its turn.
        repetition: Which of several measurements of the same size it is.
    """

    kind: ClassVar[str] = "layerwise_time"

    depth: int = 1
    width: int = 8
    batch_size: int = 64
    num_members: int = 50
    num_turns: int = 41
    repetition: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("depth", self.depth, 0)
        for field in ("width", "batch_size", "num_members", "num_turns"):
            check_whole(field, getattr(self, field), 1)
        check_whole("repetition", self.repetition, 0)

    def settings(self) -> dict[str, Any]:
        """The settings, without a repetition of 0: the field came later, and is in no older folder's name."""
        settings = super().settings()
        if self.repetition == 0:
            del settings["repetition"]
        return settings

    def measure(self) -> Row:
        """Median microseconds of every method; `item`, `batch` and `stack` say of what."""
        like = LayerwiseGradients(depth=self.depth, width=self.width)
        network = like.network(seed=0).float()
        drawn = items(self.batch_size, like.in_features, like.out_features, seed=0)
        inputs, targets = (values.float() for values in drawn)
        one = LayerwiseGradient(stack([network]), 1, loss=SquaredError())
        batch = LayerwiseGradient(stack([network]), self.batch_size, loss=SquaredError())
        many = LayerwiseGradient(stack([network] * self.num_members), self.batch_size, loss=SquaredError())
        many_items = [values.expand(self.num_members, -1, -1).contiguous() for values in (inputs, targets)]
        # For each method: the function, how often a turn calls it, and for how many networks one call computes.
        methods: dict[str, tuple[Callable[[], object], int, int]] = {
            "jacobians/item": (lambda: by_jacobians(network, inputs[:1], targets[:1]), 5, 1),
            "Sweep/item": (lambda: one.gradient_(inputs[None, :1], targets[None, :1]), 20, 1),
            "autograd/item": (lambda: by_autograd(network, inputs[:1], targets[:1]), 10, 1),
            "Sweep/batch": (lambda: batch.gradient_(inputs[None], targets[None]), 20, 1),
            "autograd/batch": (lambda: by_autograd(network, inputs, targets), 10, 1),
            "Sweep/stack": (lambda: many.gradient_(*many_items), 2, self.num_members),
        }
        taken: dict[str, list[float]] = {name: [] for name in methods}
        for _ in range(self.num_turns):
            for name, (function, num, share) in methods.items():
                taken[name].append(1e6 * _seconds(function, num) / share)
        return {name: statistics.median(values) for name, values in taken.items()}


def _seconds(function: Callable[[], object], num: int) -> float:
    """The processor's time for a call, the mean of so many."""
    start = time.process_time()
    for _ in range(num):
        function()
    return (time.process_time() - start) / num
