"""What experiments measure without a training run: one dataclass a measurement, its fields the settings."""

from dlcourse.measurements.deep_to_shallow import DeepToShallow
from dlcourse.measurements.first_gradient import FirstGradient
from dlcourse.measurements.gradient_norms import GradientNorms
from dlcourse.measurements.islands_by_depth import IslandsByDepth
from dlcourse.measurements.layerwise_gradients import LayerwiseGradients
from dlcourse.measurements.layerwise_time import LayerwiseTime
from dlcourse.measurements.measurement import Measurement, Row
from dlcourse.measurements.near_the_solution import NearTheSolution
from dlcourse.measurements.networks_that_die import NetworksThatDie
from dlcourse.measurements.parity_by_one_layer import ParityByOneLayer
from dlcourse.measurements.parity_circuits import ParityCircuits
from dlcourse.measurements.parity_networks import ParityNetworks
from dlcourse.measurements.parity_starts import ParityStarts
from dlcourse.measurements.parity_threshold import ParityThreshold
from dlcourse.measurements.pieces_by_design import PiecesByDesign
from dlcourse.measurements.planes_of_images import PlanesOfImages
from dlcourse.measurements.random_networks import RandomNetworks
from dlcourse.measurements.random_slices import RandomSlices
from dlcourse.measurements.random_topology import RandomTopology
from dlcourse.measurements.reached_pieces import ReachedPieces
from dlcourse.measurements.shallow_training import ShallowTraining

__all__ = [
    "DeepToShallow",
    "FirstGradient",
    "GradientNorms",
    "IslandsByDepth",
    "LayerwiseGradients",
    "LayerwiseTime",
    "Measurement",
    "NearTheSolution",
    "NetworksThatDie",
    "ParityByOneLayer",
    "ParityCircuits",
    "ParityNetworks",
    "ParityStarts",
    "ParityThreshold",
    "PiecesByDesign",
    "PlanesOfImages",
    "RandomNetworks",
    "RandomSlices",
    "RandomTopology",
    "ReachedPieces",
    "Row",
    "ShallowTraining",
]
