"""The form that training uses: a gradient multiplied from the loss downwards, for a batch and a stack at once."""

import contextlib
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.layerwise.flat import Flat, zeros
from dlcourse.layerwise.layer import is_layered, layer_names
from dlcourse.losses import Loss
from dlcourse.networks import Stack, unstack


class LayerwiseGradient:
    """The gradient of a batch's loss for every member of a stack, layer by layer, without autograd.

    Upwards, every layer keeps its output h[i]. Downwards, delta[i] = dL/d(W h[i-1] + b) gives the derivatives with
    respect to the layer's parameters, dL/dW = delta h[i-1]^T and dL/db = delta summed over the batch, and, through the
    layer's input, the next delta[i-1] = (W^T delta[i]) g'. Where a layer adds its input to its output, dL/dh[i] goes
    down beside that: delta[i-1] = (W^T delta[i] + dL/dh[i]) g'.

    All memory is laid out once, with every layer's units filled up to a multiple of 16 by units that stay zero. That is
    faster (on a CPU a batched product of 8 x 8 matrices takes twice the time of one of 16 x 16), and it makes a
    member's bits independent of its companions: every member's matrix begins at a vector boundary, and no elementwise
    pass has an odd tail. Both hold for two members or more; a lone one takes other instructions (`train` gives it a
    copy for company).

    Args:
        members: Where to start: a stack of `MLP` or `SoftmaxClassifier` on hidden layers; their values are copied.
        batch_size: Items per member and call.
        loss: The loss, if gradients are wanted.
        reduction: `mean` over the batch, or `sum` as on the slide L(D) = sum_i L(h(i), y(i)).

    Attributes:
        parameters: All members' values; the caller may change them between calls.
        gradients: The same names and shapes, filled by `gradient_`; only where there is a loss.

    Raises:
        TypeError: If the architecture has no layers to tell apart.
        ValueError: If the reduction has no such name.

    Source: slide "Computing gradient (layerwise)". Cost: 6 flops per weight, item and member; memory: two numbers per
    unit, item and member (four in layers that add their input) and two per parameter (filled-up sizes).
    """

    def __init__(self, members: Stack, batch_size: int, *, loss: Loss | None = None, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction must be mean or sum, got {reduction}")
        names, self._activation, self._skips = layer_names(members.architecture)
        # A function like sigmoid makes 1/2 of 0: then the units that fill a layer up must be set to 0 again after it.
        self._keeps_zero = self._activation.keeps_zero
        self.parameters = Flat.of(members.parameters, _filled_shapes(members, names, self._skips[0]))
        if loss is not None:
            self.gradients = self.parameters.zeros_like()
        self._loss = loss
        # All views are made here, once: making one costs as much as a small matrix product.
        weights = [self.parameters.filled[f"{name}.weight"] for name in names]
        biases = [self.parameters.filled[f"{name}.bias"] for name in names]
        shapes = [(len(weight), batch_size, weight.shape[1]) for weight in weights]
        self._weights = weights
        self._weights_transposed = [weight.transpose(1, 2) for weight in weights]
        self._biases = [bias.unsqueeze(1) for bias in biases]
        self._outputs, self._flat_outputs = zip(*(zeros(shape, weights[0]) for shape in shapes), strict=True)
        # What goes on upwards, h[i]; where a layer adds its input that is not g(W h[i-1] + b), from which g' is told.
        self._sums = [
            torch.zeros_like(output) if skip else output
            for skip, output in zip(self._skips, self._outputs, strict=True)
        ]
        self._inputs = weights[0].new_zeros(len(weights[0]), batch_size, weights[0].shape[2])
        self._terms = torch.zeros_like(self._sums[-2] if len(weights) > 1 else self._inputs)  # of a single output's sum
        sizes = [members.parameters[f"{name}.bias"].shape[1] for name in names]
        self._given_inputs = self._inputs[..., : members.parameters[f"{names[0]}.weight"].shape[2]]
        self._result: Tensor = self._outputs[-1][..., : sizes[-1]]
        self._fillings = [output[..., size:] for output, size in zip(self._outputs, sizes, strict=True)]
        if loss is not None:
            self._weight_gradients = [self.gradients.filled[f"{name}.weight"] for name in names]
            self._bias_gradients = [self.gradients.filled[f"{name}.bias"] for name in names]
            self._deltas, self._flat_deltas = zip(*(zeros(shape, weights[0]) for shape in shapes), strict=True)
            self._deltas_transposed = [delta.transpose(1, 2) for delta in self._deltas]
            self._by_sums = [
                torch.zeros_like(delta) if skip else None for skip, delta in zip(self._skips, self._deltas, strict=True)
            ]
            self._only_column = self._weight_gradients[0][..., 0]
            self._derivative = self._deltas[-1][..., : sizes[-1]]
            # A tensor, by which torch multiplies three times as fast as by a number of Python.
            self._scales = torch.full_like(self._derivative, 1 / batch_size if reduction == "mean" else 1.0)

    def forward(
        self, inputs: Float[Tensor, "members batch in_features"]
    ) -> Float[Tensor, "members batch out_features"]:
        """The outputs of every member, in memory that the next call overwrites."""
        self._given_inputs.copy_(inputs)
        h = self._inputs
        last = len(self._weights) - 1
        for i, (weight, bias, output) in enumerate(zip(self._weights, self._biases, self._outputs, strict=True)):
            # With one input, the product is an outer product, which is 8 times faster elementwise. With one output it
            # is a dot product for each item.
            if weight.shape[2] == 1:
                torch.addcmul(bias, h, self._weights_transposed[i], out=output)
            elif weight.shape[1] == 1:
                torch.sum(torch.mul(h, weight, out=self._terms), 2, keepdim=True, out=output).add_(bias)
            else:
                torch.baddbmm(bias, h, self._weights_transposed[i], out=output)
            if i < last:
                self._activation.apply_(self._flat_outputs[i])
                if not self._keeps_zero:
                    self._fillings[i].zero_()
            if self._skips[i]:
                torch.add(output, h, out=self._sums[i])
            h = self._sums[i]
        return self._result

    def gradient_(
        self,
        inputs: Float[Tensor, "members batch in_features"],
        targets: Float[Tensor, "members batch out_features"],
    ) -> None:
        """Overwrites the gradients by those of this batch."""
        assert self._loss is not None
        derivative = self._loss.derivative(self.forward(inputs), targets)
        torch.mul(derivative, self._scales, out=self._derivative)
        for i in range(len(self._weights) - 1, -1, -1):
            h = self._sums[i - 1] if i > 0 else self._inputs
            weight, delta = self._weights[i], self._deltas[i]
            torch.sum(delta, 1, out=self._bias_gradients[i])
            if weight.shape[2] == 1:
                torch.sum(delta.mul_(h), 1, out=self._only_column)  # the last use of this delta: one input, first layer
            else:
                torch.bmm(self._deltas_transposed[i], h, out=self._weight_gradients[i])
            if i > 0:
                if weight.shape[1] == 1:
                    torch.mul(delta, weight, out=self._deltas[i - 1])
                else:
                    torch.bmm(delta, weight, out=self._deltas[i - 1])
                # In the slides' words: with a skip connection dh[i]/dh[i-1] = I + diag(g') W, and this is dL/dh[i] I.
                if (by_sum := self._by_sums[i]) is not None:
                    self._deltas[i - 1].add_(by_sum)
                if (by_sum := self._by_sums[i - 1]) is not None:
                    by_sum.copy_(self._deltas[i - 1])
                self._activation.multiply_derivative_(self._flat_deltas[i - 1], self._flat_outputs[i - 1])


# Items whose outputs are computed at once: few enough that a stack's activations stay in the cache.
EVALUATED_AT_ONCE = 256


def outputs(
    members: Stack, inputs: Float[Tensor, "n in_features"] | Float[Tensor, "members n in_features"]
) -> Float[Tensor, "members n out_features"]:
    """Every member's outputs, with the same bits whatever its companions (on a CPU).

    Args:
        members: A stack; where layers cannot be told apart, the members are computed one after another.
        inputs: The same for all members, or each one's own.

    Returns:
        The outputs, in memory of their own.
    """
    return Outputs()(members, inputs)


class Outputs:
    """What `outputs` does, for stacks of one shape again and again: its memory is laid out at the first call and kept.

    That is several times as fast where networks are small: memory that is new has to be cleared, page by page.
    """

    def __init__(self) -> None:
        self._layers: dict[int, LayerwiseGradient] = {}  # for so many items at once

    def __call__(
        self, members: Stack, inputs: Float[Tensor, "n in_features"] | Float[Tensor, "members n in_features"]
    ) -> Float[Tensor, "members n out_features"]:
        """The outputs (see `outputs`)."""
        n = inputs.shape[-2]
        if n == 0:
            with torch.no_grad():
                return members(inputs)
        if not is_layered(members.architecture):
            # Copied, since a copy always begins at a vector boundary. A slice begins wherever the member stands in the
            # stack, which would decide on the instructions that compute with it, and so on its bits.
            inputs = inputs.expand(members.num_members, n, inputs.shape[-1])
            with one_thread(), torch.no_grad():
                return torch.stack([network(x.clone()) for network, x in zip(unstack(members), inputs, strict=True)])
        company = in_company(members)
        inputs = inputs.expand(company.num_members, n, inputs.shape[-1])
        with one_thread(), torch.no_grad():
            return self._by_layers(company, inputs)[: members.num_members]

    def _by_layers(self, company: Stack, inputs: Tensor) -> Tensor:
        """The outputs of two members or more, each on its own inputs, part after part."""
        n = inputs.shape[1]
        at_once = min(n, EVALUATED_AT_ONCE)
        if at_once not in self._layers:
            self._layers[at_once] = LayerwiseGradient(company, at_once)
        layers = self._layers[at_once]
        layers.parameters.take(company.parameters)
        parts = [layers.forward(part).clone() for part in inputs[:, : n - n % at_once].split(at_once, dim=1)]
        # The memory is laid out for parts of exactly `at_once` items. So the last part begins earlier, among items that
        # were computed before, and these are dropped.
        if n % at_once:
            parts.append(layers.forward(inputs[:, n - at_once :])[:, -(n % at_once) :].clone())
        return torch.cat(parts, dim=1)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread for the time being: networks of this size gain nothing from more, and their bits would vary."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def in_company(members: Stack) -> Stack:
    """A lone member twice, so that it is computed like one in company; stacks of two or more as they are."""
    if members.num_members > 1:
        return members
    return Stack(
        members.architecture,
        {name: value.expand(2, *value.shape[1:]) for name, value in members.parameters.items()},
        {name: value.expand(2, *value.shape[1:]) for name, value in members.buffers.items()},
    )


# Layers are filled up to a multiple of 16 units: 16 float32 numbers are 64 bytes, which is a cache line, and the
# alignment on which the rounding of MKL's matrix products depends.
UNITS = 16


def _filled_shapes(members: Stack, names: list[str], adds_inputs: bool) -> dict[str, tuple[int, ...]]:
    """The parameters' shapes with units filled up, but for one input (an elementwise product) and one output.

    One input that is added to the first layer's output has to have that one's size, filling included.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for name in names:
        num_members, n_out, n_in = members.parameters[f"{name}.weight"].shape
        n_in = n_in if n_in == 1 and name == names[0] and not adds_inputs else -(-n_in // UNITS) * UNITS
        n_out = n_out if n_out == 1 and name == names[-1] else -(-n_out // UNITS) * UNITS
        shapes[f"{name}.weight"] = (num_members, n_out, n_in)
        shapes[f"{name}.bias"] = (num_members, n_out)
    return shapes
