"""Layerwise differentiation: each layer needs to know just two derivatives, by its parameters and by its input.

Two forms of the same idea. `jacobians` writes it out as the slides do, with explicit matrices, for one small network
and one input, and `explain` prints every number of it: they are there to be read. `LayerwiseGradient` multiplies from
the loss downwards, so that only vectors are ever kept, for a batch of inputs and a whole stack of networks at once, in
memory laid out beforehand: it is what training uses. Neither uses autograd; the tests use it as their judge.
"""

from dlcourse.layerwise.explanation import Explanation as Explanation
from dlcourse.layerwise.explanation import explain as explain
from dlcourse.layerwise.gradient import UNITS as UNITS
from dlcourse.layerwise.gradient import LayerwiseGradient as LayerwiseGradient
from dlcourse.layerwise.gradient import Outputs as Outputs
from dlcourse.layerwise.gradient import in_company as in_company
from dlcourse.layerwise.gradient import one_thread as one_thread
from dlcourse.layerwise.gradient import outputs as outputs
from dlcourse.layerwise.layer import Layer as Layer
from dlcourse.layerwise.layer import is_layered as is_layered
from dlcourse.layerwise.layer import jacobians as jacobians
from dlcourse.layerwise.layer import layer_names as layer_names
from dlcourse.layerwise.layer import layers as layers
from dlcourse.layerwise.softmax import LogSoftmax as LogSoftmax
from dlcourse.layerwise.softmax import SoftmaxGradient as SoftmaxGradient
from dlcourse.layerwise.softmax import data_gradient as data_gradient
from dlcourse.layerwise.softmax import log_probability_jacobians as log_probability_jacobians
