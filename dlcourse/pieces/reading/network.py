"""A network as layers of units, in float64."""

from collections.abc import Sequence
from contextlib import ExitStack

from torch import nn

from dlcourse.networks import Stack, unstack
from dlcourse.pieces.layer import UnitLayer, of_member
from dlcourse.pieces.reading import comparison
from dlcourse.pieces.reading.borrowed import borrowed
from dlcourse.pieces.reading.comparison import Domain
from dlcourse.pieces.reading.plain import is_plain, read_plain, runs_as_written
from dlcourse.pieces.reading.recording import num_inputs, record
from dlcourse.pieces.reading.refusals import check_network
from dlcourse.pieces.reading.replay import replay


def read(
    network: nn.Module | Stack, input_shape: Sequence[int] | None = None, *, domain: Domain | None = None
) -> list[UnitLayer]:
    """The layers of a network, or of all members of a stack; a network is read as a stack of one.

    An `MLP`, a `SoftmaxClassifier` (up to its logits) and an `nn.Sequential` of `nn.Linear`, `nn.ReLU` and what does
    nothing to a vector are read off directly. Any other module is followed through all that it calls of torch, with its
    hooks: `dlcourse.pieces.reading.calls` lists the layers and the calls. What was read is then compared with the
    module, unless it is made of our own and torch's plain layers only. Values that are needed later, as in residual
    networks, are passed along by units of slope 1: a layer of an MLP that adds its input to its output is read as twice
    as many units, the second half of which hold that input, and what comes next takes the sum of both halves.

    The layers stand for the stored numbers without any rounding, except where one constant is made of several numbers.
    Weights that a parametrization, `weight_norm`, `spectral_norm` or pruning works out are worked out by it, in the
    network's own type; in training mode `spectral_norm` as it will be at the next call. The scale and the shift of
    batch normalization, the mean of k entries if k is not a power of two, Hardsigmoid's 1/6, reciprocals and what a
    forward makes of its parameters are computed once in float64. All of these are taken as exact from there on. A
    number that torch keeps as a Python float, such as LeakyReLU's slope, is taken as that float.

    Args:
        network: In evaluation mode, in any floating-point type of 16 to 64 bits, on any device.
        input_shape: The shape of one input, without the batch's dimension; by default a vector of as many numbers as
            the first affine layer takes.
        domain: Draws points of what will be counted, where the network is compared, too.

    Returns:
        The layers, first to last, as copies on the CPU; inputs of more than one dimension are flattened. The last one
        never bends; the identity is added where it would. The network is left as it was.

    Raises:
        TypeError: If it is no network, or a layer or a call is not understood; the message names it.
        ValueError: If an activation is not piecewise linear, a dropout or a batch normalization is in training mode, a
            parameter is infinite or NaN, the input has the wrong shape, or what was read disagrees with the network.
    """
    architecture = network.architecture if isinstance(network, Stack) else network
    plain = isinstance(architecture, nn.Module) and is_plain(architecture)
    if not plain:
        check_network(network)
    as_written = runs_as_written(architecture)
    layers = read_plain(network, input_shape) if as_written else None
    needs_no_comparison = plain and as_written
    if layers is not None and needs_no_comparison:
        _check_units(layers)
        return layers
    if plain:
        check_network(network)
    members = unstack(network) if isinstance(network, Stack) else [network]
    with ExitStack() as lent:
        values = [lent.enter_context(borrowed(member)) for member in members]
        if layers is None:
            shape = (num_inputs(members[0], values[0]),) if input_shape is None else tuple(input_shape)
            tapes = [
                record(member, own, shape, index)
                for index, (member, own) in enumerate(zip(members, values, strict=True))
            ]
            layers = replay(tapes, shape)
        else:
            shape = (layers[0].in_features,)
        _check_units(layers)
        if not needs_no_comparison:
            for index, (member, own) in enumerate(zip(members, values, strict=True)):
                comparison.check(member, own, of_member(layers, index), shape, domain)
    return layers


def _check_units(layers: Sequence[UnitLayer]) -> None:
    """Refuses layers that give nothing."""
    if any(layer.bias.shape[1] == 0 for layer in layers):
        raise ValueError("every layer must have at least one output, but one of the network has none")


def read_for_points(
    network: nn.Module | Stack, shape: tuple[int, ...], domain: Domain | None
) -> tuple[list[UnitLayer], tuple[int, ...]]:
    """The layers of a network, and the shape of its inputs, where points are given in some shape.

    A batch of one point is taken for that point, unless the network takes inputs of that shape; not so for stacks.

    Args:
        network: The network, or a stack.
        shape: The shape of a point.
        domain: Draws points of what will be counted.

    Raises:
        TypeError: As `read`.
        ValueError: As `read`.
    """
    try:
        return read(network, shape, domain=domain), shape
    except ValueError:
        if isinstance(network, Stack) or len(shape) < 2 or shape[0] != 1:
            raise
        try:
            return read(network, shape[1:], domain=domain), shape[1:]
        except (TypeError, ValueError):
            pass  # what is wrong with the shape that was given says more
        raise
