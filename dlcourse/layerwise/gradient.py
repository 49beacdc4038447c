"""The form that training uses: a gradient multiplied from the loss downwards, for a batch and a stack at once."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate, groupby, pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.layerwise.flat import Flat, beside_each_other, zeros_in_a_row
from dlcourse.layerwise.layer import is_layered, layer_names
from dlcourse.losses import Loss
from dlcourse.networks import Stack, unstack

# A call of torch with all its arguments. A step of a small network is some thirty of them, each shorter than it takes
# Python to look its arguments up, and torch to make a view: so both is done once.
Call = Callable[[], object]


class LayerwiseGradient:
    """The gradient of a batch's loss for every member of a stack, layer by layer, without autograd.

    Upwards, every layer keeps its output h[i]. Downwards, delta[i] = dL/d(W h[i-1] + b) gives the derivatives with
    respect to the layer's parameters, dL/dW = delta h[i-1]^T and dL/db = delta summed over the batch, and, through the
    layer's input, the next delta[i-1] = (W^T delta[i]) g'. Where a layer adds its input to its output, dL/dh[i] goes
    down beside that: delta[i-1] = (W^T delta[i] + dL/dh[i]) g'.

    All memory is laid out once, with every layer's units filled up to a multiple of 16 by units that stay zero. That is
    faster (on a CPU a batched product of 8 x 8 matrices takes twice the time of one of 16 x 16), and it makes a
    member's bits independent of its companions: every member's matrix begins at a vector boundary, and no elementwise
    pass has an odd tail. Both hold for two members or more; a lone one may take other instructions (where it does,
    `in_company` gives it a copy beside it).

    Args:
        members: Where to start: a stack of `MLP` or `SoftmaxClassifier` on hidden layers; their values are copied.
        batch_size: Items per member and call.
        loss: The loss, if gradients are wanted.
        reduction: `mean` over the batch, or `sum` as on the slide L(D) = sum_i L(h(i), y(i)).

    Attributes:
        num_members: How many members there are.
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
        self._names, self._activation, self._skips = layer_names(members.architecture)
        self.parameters = Flat.of(members.parameters, _filled_shapes(members, self._names, self._skips[0]))
        self._weights = [self.parameters.filled[f"{name}.weight"] for name in self._names]
        self._biases = [self.parameters.filled[f"{name}.bias"] for name in self._names]
        self._shapes = [(len(weight), batch_size, weight.shape[1]) for weight in self._weights]
        self._sizes = [members.parameters[f"{name}.bias"].shape[1] for name in self._names]
        self._lay_out_outputs((len(self._weights[0]), batch_size, self._weights[0].shape[2]))
        self._given_inputs = self._inputs[..., : members.parameters[f"{self._names[0]}.weight"].shape[2]]
        self.num_members = members.num_members
        self._result: Tensor = self._outputs[-1][..., : self._sizes[-1]]
        self._loss = loss
        if loss is not None:
            self.gradients = self.parameters.zeros_like()
            self._lay_out_deltas()
            self._derivative = self._deltas[-1][..., : self._sizes[-1]]
            # A tensor, by which torch multiplies three times as fast as by a number of Python.
            self._scales = torch.full_like(self._derivative, 1 / batch_size if reduction == "mean" else 1.0)
            self._downwards = [*self._calls_for_deltas(), *self._calls_for_sums(), *self._calls_for_products()]
        self._upwards = [call for i in range(len(self._names)) for call in self._calls_upwards(i)]

    def forward(
        self, inputs: Float[Tensor, "members batch in_features"]
    ) -> Float[Tensor, "members batch out_features"]:
        """The outputs of every member, in memory that the next call overwrites."""
        self._given_inputs.copy_(inputs)
        for call in self._upwards:
            call()
        return self._result

    def gradient_(
        self,
        inputs: Float[Tensor, "members batch in_features"],
        targets: Float[Tensor, "members batch out_features"],
    ) -> None:
        """Overwrites the gradients by those of this batch."""
        assert self._loss is not None
        self.downwards_(self._loss.derivative(self.forward(inputs), targets))

    def downwards_(self, derivative: Float[Tensor, "members batch out_features"]) -> None:
        """Overwrites the gradients, after `forward`, by those of a loss with this derivative dL/dy~ of each item."""
        torch.mul(derivative, self._scales, out=self._derivative)
        for call in self._downwards:
            call()

    def _lay_out_outputs(self, inputs_shape: tuple[int, ...]) -> None:
        """Memory for what the layers say: h[0] = x, and one layer after another."""
        (self._inputs, _), *upwards = zeros_in_a_row([inputs_shape, *self._shapes], self._weights[0])
        self._values = [self._inputs, *(h for h, _ in upwards)]
        # Where a layer adds its input, h[i] is not g(W h[i-1] + b), from which g' is told: so that is kept as well.
        apart = [zeros_in_a_row([shape], self._weights[0])[0] for shape in self._shapes if any(self._skips)]
        outputs = [apart[i] if skip else upwards[i] for i, skip in enumerate(self._skips)]
        self._outputs, self._flat_outputs = zip(*outputs, strict=True)
        self._terms = torch.zeros_like(self._values[-2])  # of a single output's sum

    def _lay_out_deltas(self) -> None:
        """Memory for the way down, of all layers."""
        self._deltas, self._flat_deltas = zip(*zeros_in_a_row(self._shapes, self._weights[0]), strict=True)
        if len(self._deltas) > 1:
            self._terms = self._deltas[-2]  # on the way up it is free, and then in the cache for the way down

    def _calls_upwards(self, i: int) -> Iterator[Call]:
        """How h[i] is computed from h[i-1], counted from 0."""
        weight, bias, h, output = self._weights[i], self._biases[i].unsqueeze(1), self._values[i], self._outputs[i]
        # With one input, the product is an outer product, which is 8 times faster elementwise. With one output it is a
        # dot product for each item.
        if weight.shape[2] == 1:
            yield partial(torch.addcmul, bias, h, weight.transpose(1, 2), out=output)
        elif weight.shape[1] == 1:
            yield partial(torch.mul, h, weight, out=self._terms)
            yield partial(torch.sum, self._terms, 2, keepdim=True, out=output)
            yield partial(torch.add, output, bias, out=output)
        else:
            yield partial(torch.baddbmm, bias, h, weight.transpose(1, 2), out=output)
        if i < len(self._weights) - 1:
            yield partial(self._activation.in_place, self._flat_outputs[i])
            # A function like sigmoid makes 1/2 of 0: the units that fill a layer up must be set to 0 again after it.
            if not self._activation.keeps_zero:
                yield partial(torch.zero_, output[..., self._sizes[i] :])
        if self._skips[i]:
            yield partial(torch.add, output, h, out=self._values[i + 1])

    def _calls_for_deltas(self) -> Iterator[Call]:
        """How one delta is computed from the other, from the last one, which is there, to the first."""
        # dL/dh[i], where it goes past the layer as well
        by_sums = [
            torch.zeros_like(delta) if skip else None for skip, delta in zip(self._skips, self._deltas, strict=True)
        ]
        for i in range(len(self._weights) - 1, 0, -1):
            weight, delta, following = self._weights[i], self._deltas[i - 1], self._deltas[i]
            yield partial(torch.mul if weight.shape[1] == 1 else torch.bmm, following, weight, out=delta)
            # In the slides' words: with a skip connection dh[i]/dh[i-1] = I + diag(g') W, and this is dL/dh[i] I.
            if (by_sum := by_sums[i]) is not None:
                yield partial(torch.add, delta, by_sum, out=delta)
            if (by_sum := by_sums[i - 1]) is not None:
                yield partial(Tensor.copy_, by_sum, delta)
            yield partial(
                self._activation.times_derivative_in_place, self._flat_deltas[i - 1], self._flat_outputs[i - 1]
            )

    def _calls_for_sums(self) -> Iterator[Call]:
        """dL/db of layers of one size in one call: their members could as well be those of a single layer."""
        by_biases = [self.gradients.filled[f"{name}.bias"] for name in self._names]
        for layers in _alike(by_biases):
            deltas, by_these = (beside_each_other(each[layers]) for each in (self._deltas, by_biases))
            yield partial(torch.sum, deltas, 2, out=by_these)

    def _calls_for_products(self) -> Iterator[Call]:
        """dL/dW, likewise."""
        by_weights = [self.gradients.filled[f"{name}.weight"] for name in self._names]
        for layers in _alike(by_weights):
            if by_weights[layers][0].shape[2] == 1:
                # Elementwise, as upwards; it is the last use of this delta, whose memory it takes.
                yield partial(torch.mul, self._deltas[0], self._inputs, out=self._deltas[0])
                yield partial(torch.sum, self._deltas[0], 1, out=by_weights[0][..., 0])
                continue
            factors = [beside_each_other(each[layers]) for each in (self._deltas, self._values, by_weights)]
            if all(factor.is_contiguous() for factor in factors):  # else something fills up the ends of the layers
                factors = [factor.flatten(0, 1).unsqueeze(0) for factor in factors]
            for deltas, values, by_these in zip(*factors, strict=True):
                yield partial(torch.bmm, deltas.transpose(1, 2), values, out=by_these)


def _alike(tensors: Sequence[Tensor]) -> list[slice]:
    """Where tensors of one shape follow each other."""
    ends = accumulate(len(list(group)) for _, group in groupby(tensor.shape for tensor in tensors))
    return [slice(*both) for both in pairwise([0, *ends])]


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
        inputs = inputs.expand(members.num_members, n, inputs.shape[-1])
        with one_thread(), torch.no_grad():
            return self._by_layers(members, inputs)

    def _by_layers(self, members: Stack, inputs: Tensor) -> Tensor:
        """The members' outputs, each on its own inputs, part after part."""
        n = inputs.shape[1]
        at_once = min(n, EVALUATED_AT_ONCE)
        if at_once not in self._layers:
            self._layers[at_once] = LayerwiseGradient(in_company(members, at_once), at_once)
        layers = self._layers[at_once]
        layers.parameters.take(members.parameters)
        inputs = inputs.expand(layers.num_members, -1, -1)

        def computed(part: Tensor) -> Tensor:
            return layers.forward(part)[: members.num_members].clone()

        parts = [computed(part) for part in inputs[:, : n - n % at_once].split(at_once, dim=1)]
        # The memory is laid out for parts of exactly `at_once` items. So the last part begins earlier, among items that
        # were computed before, and these are dropped.
        if n % at_once:
            parts.append(computed(inputs[:, n - at_once :])[:, -(n % at_once) :])
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


def in_company(members: Stack, batch_size: int, loss: Loss | None = None) -> Stack:
    """A lone member twice, if it would have other bits alone than beside others; all other stacks as they are.

    Args:
        members: A stack whose layers can be told apart.
        batch_size: Items per member and call.
        loss: The loss, if gradients are wanted.

    Cost: a lone member is computed once alone and once twice, from random numbers.
    """
    if members.num_members > 1:
        return members
    with one_thread(), torch.no_grad():  # as it will be computed
        return members if _same_alone(members, batch_size, loss) else _repeated(members, 2)


def _same_alone(member: Stack, batch_size: int, loss: Loss | None) -> bool:
    """Whether a member has the same bits alone as beside another, here and now.

    Which instructions compute it, and so how it is rounded, may depend on the number of members, on the shapes and on
    the machine, but not on the values: of thousands of random numbers some would differ.
    """
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        like = next(iter(member.parameters.values()))
        return torch.randn(shape, generator=generator, dtype=like.dtype).to(like.device)

    values = {name: some(*value.shape) / value.shape[-1] ** 0.5 for name, value in member.parameters.items()}
    first_weight, *_, last_bias = values.values()
    inputs, by_outputs = (some(1, batch_size, num) for num in (first_weight.shape[2], last_bias.shape[1]))
    found = []
    for num_members in (1, 2):
        members = _repeated(Stack(member.architecture, values, member.buffers), num_members)
        gradient = LayerwiseGradient(members, batch_size, loss=loss)
        results = [gradient.forward(inputs.expand(num_members, -1, -1))]
        if loss is not None:
            gradient.downwards_(by_outputs.expand(num_members, -1, -1))
            results += gradient.gradients.views.values()
        found.append([result[0] for result in results])
    return all(alone.equal(beside) for alone, beside in zip(*found, strict=True))


def _repeated(member: Stack, times: int) -> Stack:
    """So many copies of a lone member."""
    parameters, buffers = (
        {name: value.expand(times, *value.shape[1:]) for name, value in values.items()}
        for values in (member.parameters, member.buffers)
    )
    return Stack(member.architecture, parameters, buffers)


# Layers are filled up to a multiple of 16 units: 16 float32 numbers are 64 bytes, which is a cache line, and the
# alignment on which the rounding of MKL's matrix products depends.
UNITS = 16


def _filled_shapes(members: Stack, names: list[str], adds_inputs: bool) -> dict[str, tuple[int, ...]]:
    """The parameters' shapes with units filled up, but for one input (an elementwise product) and one output.

    One input that is added to the first layer's output has to have that one's size, filling included.
    """
    weights: dict[str, tuple[int, ...]] = {}
    biases: dict[str, tuple[int, ...]] = {}
    for name in names:
        num_members, n_out, n_in = members.parameters[f"{name}.weight"].shape
        n_in = n_in if n_in == 1 and name == names[0] and not adds_inputs else -(-n_in // UNITS) * UNITS
        n_out = n_out if n_out == 1 and name == names[-1] else -(-n_out // UNITS) * UNITS
        weights[f"{name}.weight"] = (num_members, n_out, n_in)
        biases[f"{name}.bias"] = (num_members, n_out)
    return weights | biases  # so that the weights of layers of one size lie beside each other
