"""Can one hidden layer of fewer units be the parity? Decided for 3 and 4 bits."""

from dataclasses import asdict, dataclass
from typing import ClassVar

from dlcourse.checks import check_whole
from dlcourse.circuits.one_layer import decide
from dlcourse.measurements.measurement import Measurement, Row


@dataclass(kw_only=True)
class ParityByOneLayer(Measurement):
    """Goes through all choices of where units are on and which sign they have, and solves or refutes each in rationals.

    Attributes:
        num_bits: Bits, 1 to 4.
        num_units: Units of the hidden layer, 1 or 2.

    Source: slide "Parity Circuits", "Which way is better?", asked of networks.
    """

    kind: ClassVar[str] = "parity_by_one_layer"

    num_bits: int = 3
    num_units: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_bits", self.num_bits, 1, 4)
        check_whole("num_units", self.num_units, 1, 2)

    def measure(self) -> Row:
        """How many choices there are, and what became of them."""
        return asdict(decide(self.num_bits, self.num_units))
