"""How deep a parity circuit of few gates must be."""

from dataclasses import dataclass
from typing import ClassVar

from dlcourse.checks import check_whole
from dlcourse.circuits.bounds import necessary_depth, sufficient_depth, threshold_depth
from dlcourse.measurements.measurement import Measurement, Row


@dataclass(kw_only=True)
class ParityThreshold(Measurement):
    """The threshold depth k_min(d) for the parity of d = 10^power_of_ten bits with d^2 gates, from below and above.

    Attributes:
        power_of_ten: The base-10 logarithm of d.

    Source: slide "Parity Circuits", the threshold k_min(d).
    """

    kind: ClassVar[str] = "parity_threshold"

    power_of_ten: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("power_of_ten", self.power_of_ten, 1, 300)

    def measure(self) -> Row:
        """The depth that is needed, the slide's formula, and the depth that is enough."""
        num_bits = 10**self.power_of_ten
        return {
            "necessary_depth": necessary_depth(num_bits, num_bits**2),
            "formula_of_the_slide": threshold_depth(num_bits),
            "sufficient_depth": sufficient_depth(num_bits, num_bits**2),
        }
