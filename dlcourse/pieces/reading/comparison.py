"""What was read of a network beside the network itself, at some points: nothing is counted of what disagrees.

Both are computed in float64, so they may differ by what each of them rounds. The bound for that runs along with the
layers: an error e of a layer's input becomes |W| e, plus what its own sums round, in the 2-norm (see
`dlcourse.pieces.rounding`). The network rounds the same sums in another order, so the same bound holds for it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from dlcourse.pieces.arithmetic.rounding import EPS, norm, num_terms, roundings
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.reading.nested import leaves, mapped
from dlcourse.pieces.reading.own_dtype import CONVERSIONS, copies
from dlcourse.pieces.reading.recording import call_name

Points = Float[np.ndarray, "points *input_shape"]
Domain = Callable[[np.random.Generator, int], Points]  # so many points of what is counted

NUM_POINTS = 8  # in the domain, and as many normal ones
_SEED = np.random.SeedSequence(0)  # to make it takes as long as to draw the points
_ROUNDINGS = 4  # times the bound: for what was read, for the network, and for folded constants such as 1 / sqrt(var)


def check(
    network: nn.Module,
    values: dict[str, Tensor],
    layers: list[UnitLayer],
    input_shape: tuple[int, ...],
    domain: Domain | None,
) -> None:
    """Compares layers with the network that they were read of.

    Args:
        network: The network.
        values: What its parameters and buffers are, by name, in float64.
        layers: Its layers, as a stack of one.
        input_shape: The shape of one input.
        domain: Draws points of what is counted.

    Raises:
        ValueError: If they disagree at a point by more than rounding explains.

    Tolerance: four times the running error bound of the layers. It grows with the product of the layers' norms, so in
    networks of many dozens of layers it may come to allow everything.
    """
    computed: Float[np.ndarray, "points out_features"] | None
    with np.errstate(all="ignore"):
        points = _points(input_shape, domain)
        flat = points.reshape(len(points), -1)
        read, least = _with_least_error(layers, flat)
        try:
            computed = _computed(network, values, points, read.shape)
        except Exception:  # float64 may have met another type
            computed = None
        if computed is not None and (np.abs(read - computed) <= least).all():
            return
    read, error, stretch = _with_error(layers, flat)
    possible = np.isfinite(read).all(axis=1) & np.isfinite(error)

    def wrong(computed: Float[np.ndarray, "points out_features"], more: float) -> Bool[np.ndarray, "points outputs"]:
        with np.errstate(all="ignore"):
            differences = np.abs(read - computed)
            within: Bool[np.ndarray, "points outputs"] = differences <= _ROUNDINGS * error[:, None] + more
        beyond: Bool[np.ndarray, "points outputs"] = possible[:, None] & ~within  # as NaN is
        return beyond

    if computed is not None and not wrong(computed, 0.0).any():
        return
    # In float64 throughout, and twice, as it may compute something else at every call. What cancels inside of the
    # network is not seen in the layers, but can round.
    for _ in range(2):
        try:
            with _InFloat64() as mode:
                computed = _computed(network, values, points, read.shape)
        except Exception as error:
            raise ValueError(
                f"what was read of a {type(network).__name__} cannot be compared with it: {error}, for {NUM_POINTS} or "
                f"more inputs in float64"
            ) from error
        found = np.argwhere(wrong(computed, EPS * mode.num_calls * mode.largest * stretch))
        if len(found):
            point, unit = found[0]
            raise ValueError(
                f"what was read of a {type(network).__name__} disagrees with it: at x = "
                f"{np.array2string(points[point], threshold=6)} its output {unit} is {computed[point, unit]}, and was "
                f"read as {read[point, unit]}; does it change from call to call, or depend on other inputs of a batch?"
            )


def _computed(
    network: nn.Module, values: dict[str, Tensor], points: Points, shape: tuple[int, ...]
) -> Float[np.ndarray, "points out_features"]:
    """What the network makes of the points.

    Raises:
        ValueError: If it makes an output of another shape, or an error.
    """
    inputs = torch.from_numpy(points.copy())
    own = {name: value.clone() for name, value in values.items()}
    output = functional_call(network, own, (inputs,), tie_weights=_have_tensors_in_common(network))
    computed: Float[np.ndarray, "points out_features"] = output.detach().double().reshape(len(points), -1).cpu().numpy()
    if computed.shape != shape:
        raise ValueError(
            f"what was read of a {type(network).__name__} disagrees with it: for {len(points)} inputs its output has "
            f"shape {tuple(output.shape)}"
        )
    return computed


def _have_tensors_in_common(network: nn.Module) -> bool:
    """Whether layers do; functional_call would look for these by name, in a tenth of the comparison's time."""
    seen: set[int] = set()
    for layer in network.modules():
        for own in (layer._parameters, layer._buffers):
            for value in own.values():
                if id(value) in seen and value is not None:
                    return True
                seen.add(id(value))
    return False


def _points(input_shape: tuple[int, ...], domain: Domain | None) -> Points:
    """The same ones at each call."""
    random = np.random.Generator(np.random.PCG64(_SEED))
    normal: Points = random.standard_normal((NUM_POINTS, *input_shape))
    if domain is None:
        return normal
    within = domain(random, NUM_POINTS).reshape(-1, *input_shape)
    return np.concatenate([within, normal])


def _with_least_error(
    layers: list[UnitLayer], x: Float[np.ndarray, "points in_features"]
) -> tuple[Float[np.ndarray, "points out_features"], Float[np.ndarray, "points out_features"]]:
    """The outputs, and what each of the last sums alone may round: less than the bound for all, and mostly enough."""
    for layer in layers:
        inputs, slope = x, layer.slope[0]
        x = (layer.stored[0] @ inputs.T).T + layer.bias[0]
        if layer.relu:
            x = np.maximum(x, 0)
        elif layer.bends:
            x = np.where(x >= 0, x, slope * x)
    last = layers[-1].stored
    rounded = EPS * (num_terms(last) - 1) * layers[-1].row_sums[0]
    return x, np.abs(inputs).max(axis=1, initial=0)[:, None] * rounded


def _with_error(
    layers: list[UnitLayer], x: Float[np.ndarray, "points in_features"]
) -> tuple[Float[np.ndarray, "points out_features"], Float[np.ndarray, " points"], float]:
    """The outputs, a bound for their errors in the 2-norm, and how much the layers can stretch an error."""
    error, stretch = np.zeros(len(x)), 1.0
    with np.errstate(all="ignore"):
        for layer in layers:
            bias, slope = layer.bias[0], layer.slope[0]
            of_weight, of_bias = roundings(layer.stored, layer.bias, layer.row_sums)
            steepest = max(1.0, float(np.abs(slope).max(initial=0)))
            longest = float(norm(layer.stored, len(x))[0]) * steepest
            error = longest * error + steepest * (of_weight[0] * np.abs(x).max(axis=1, initial=0) + of_bias[0])
            x = (layer.stored[0] @ x.T).T + bias
            x = np.where(x >= 0, x, slope * x)
            error += EPS * np.abs(x).sum(axis=1)
            stretch *= max(1.0, longest)
    return x, error, stretch


class _InFloat64(TorchFunctionMode):
    """All floating-point tensors that meet are float64, whatever type a forward asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.num_calls = 0
        self.largest = 0.0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = call_name(func)
        if name in CONVERSIONS and isinstance(args[0], Tensor) and args[0].is_floating_point():
            return args[0].double().clone() if copies(args, kwargs or {}) else args[0].double()
        keyword_arguments = kwargs or {}
        narrow = any(_narrow(leaf) for leaf in leaves((args, keyword_arguments)))
        if narrow and not name.endswith("_"):
            args = mapped(lambda value: value.double() if _narrow(value) else value, args)
            keyword_arguments = mapped(lambda value: value.double() if _narrow(value) else value, keyword_arguments)
        result = func(*args, **keyword_arguments)
        if isinstance(result, Tensor) and result.dtype is torch.float64 and result.numel():
            self.num_calls += 1
            self.largest = max(self.largest, float(result.abs().max()))
        return result


def _narrow(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.dtype is not torch.float64
