"""What experiments measure without a training run: one dataclass a measurement, its fields the settings."""

from dlcourse.measurements.first_gradient import FirstGradient
from dlcourse.measurements.gradient_norms import GradientNorms
from dlcourse.measurements.layerwise_gradients import LayerwiseGradients
from dlcourse.measurements.layerwise_time import LayerwiseTime
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.measurements.near_the_solution import NearTheSolution
from dlcourse.measurements.networks_that_die import NetworksThatDie
from dlcourse.measurements.parity_circuits import ParityCircuits
from dlcourse.measurements.parity_networks import ParityNetworks
from dlcourse.measurements.parity_threshold import ParityThreshold
from dlcourse.measurements.pieces_by_design import PiecesByDesign
from dlcourse.measurements.planes_of_images import PlanesOfImages
from dlcourse.measurements.random_networks import RandomNetworks
from dlcourse.measurements.reached_pieces import ReachedPieces

__all__ = [
    "FirstGradient",
    "GradientNorms",
    "LayerwiseGradients",
    "LayerwiseTime",
    "Measurement",
    "NearTheSolution",
    "NetworksThatDie",
    "ParityCircuits",
    "ParityNetworks",
    "ParityThreshold",
    "PiecesByDesign",
    "PlanesOfImages",
    "RandomNetworks",
    "ReachedPieces",
    "Row",
]
