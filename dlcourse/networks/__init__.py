"""Networks as ordinary torch modules."""

from dlcourse.networks.activations import Activation as Activation
from dlcourse.networks.initialization import Initialization as Initialization
from dlcourse.networks.initialization import initialize_ as initialize_
from dlcourse.networks.mlp import MLP as MLP
from dlcourse.networks.mlp import HiddenLayers as HiddenLayers
from dlcourse.networks.mlp import num_parameters as num_parameters
from dlcourse.networks.model import MLPModel as MLPModel
from dlcourse.networks.model import Model as Model
from dlcourse.networks.precision import Precision as Precision
from dlcourse.networks.softmax import SoftmaxClassifier as SoftmaxClassifier
from dlcourse.networks.stacks import Stack as Stack
from dlcourse.networks.stacks import corner as corner
from dlcourse.networks.stacks import side_by_side as side_by_side
from dlcourse.networks.stacks import stack as stack
from dlcourse.networks.stacks import unstack as unstack
