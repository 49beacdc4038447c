"""A classifier that folds the square until one diamond has become exponentially many."""

import torch
from torch import nn

from dlcourse.checks import check_whole
from dlcourse.networks.constructions import nested_tents
from dlcourse.networks.mlp import MLP


def islands(depth: int, *, dtype: torch.dtype | None = None) -> MLP:
    """t(x) + t(y) - 3/2, where t is `depth` tents on [0, 1] nested: islands in the square, in layers of four units.

    t is 1 at 2^(depth - 1) places, in the middle between two where it is 0. So the output is positive on a diamond
    around each of the 2^(depth - 1) x 2^(depth - 1) points where both are 1, half as wide as the way from one to the
    next, and negative between them: in [0, 1]^2 class 1 has 4^(depth - 1) components, and class 0 one with as many
    holes.

    Args:
        depth: Number of hidden layers, at least 1.
        dtype: Of the parameters, which are all whole numbers but 3/2.

    Returns:
        A network of two inputs and one output, of width 4, with 20 depth - 3 parameters.

    Raises:
        ValueError: If depth is below 1.

    Source: the folds are those of Montufar, Pascanu, Cho, Bengio 2014; that depth can make the number of components
        grow exponentially is in Bianchini & Scarselli 2014, *On the Complexity of Neural Network Classifiers*.
    """
    check_whole("depth", depth, 1)
    one = nested_tents(depth, 0, 1, dtype=torch.float64)
    network = MLP(2, 1, width=4, depth=depth, dtype=dtype, device="meta").to_empty(device="cpu")
    for layer, of_one in zip(network.hidden.layers, one.hidden.layers, strict=True):
        assert isinstance(layer, nn.Linear) and isinstance(of_one, nn.Linear)
        layer.weight.data.copy_(torch.block_diag(of_one.weight.data, of_one.weight.data))
        layer.bias.data.copy_(of_one.bias.data.repeat(2))
    network.output.weight.data.copy_(one.output.weight.data.repeat(1, 2))
    network.output.bias.data.fill_(-3 / 2)
    return network
