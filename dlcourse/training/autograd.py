"""Gradients of any other torch module by autograd, member by member."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call

from dlcourse.layerwise.flat import Flat
from dlcourse.losses import Loss
from dlcourse.networks import Stack
from dlcourse.networks.stacks import modules_over


class AutogradGradient:
    """What `LayerwiseGradient` does, for modules without a layerwise rule: autograd, one member after another.

    Not all members at once by `torch.vmap`, which would be faster in large stacks. But then a member's numbers stand at
    places in memory that depend on its companions, and so do the instructions that compute with them and their
    roundings: of 14 small architectures that were tried, eight had other bits in other company.

    Args:
        members: Where to start; their values are copied.
        loss: The loss, averaged over the batch.
        compile: Whether to compile the forward pass.

    Attributes:
        parameters: All members' values; the caller may change them between calls.
        gradients: The same names and shapes, filled by `gradient_`.
    """

    # The caller may be in inference mode, but autograd cannot use tensors that are made in it.
    @torch.inference_mode(False)
    def __init__(self, members: Stack, *, loss: Loss, compile: bool = False) -> None:
        self.parameters = Flat.by_member(members.parameters)
        self.gradients = self.parameters.zeros_like()
        self._loss = loss
        buffers = {name: value.clone() for name, value in members.buffers.items()}
        self._networks = modules_over(Stack(members.architecture, self.parameters.views, buffers))
        for member, network in enumerate(self._networks):
            for name, parameter in network.named_parameters():
                # `backward` adds to a gradient that is there already, in place: so it fills `self.gradients`.
                if parameter.requires_grad:
                    parameter.grad = self.gradients.views[name][member]
            if compile:
                network.compile(dynamic=False)

    @torch.inference_mode(False)
    @torch.enable_grad()
    def gradient_(self, inputs: Tensor, targets: Tensor) -> None:
        """Overwrites the gradients by those of this batch."""
        self.gradients.vector.zero_()
        for network, x, y in zip(self._networks, inputs, targets, strict=True):
            # Copied, since a copy always begins at a vector boundary. A slice of the batch begins wherever the member
            # stands, which would decide on the instructions that compute with it, and so on its bits.
            self._loss(network(x.clone()), y.clone()).mean().backward()


def refuse_what_cannot_train(
    stack: Stack, inputs: Float[Tensor, "batch in_features"], targets: Float[Tensor, "batch out_features"]
) -> None:
    """Refuses architectures that are no function of parameters and input in training, or whose outputs do not fit.

    Args:
        stack: The members.
        inputs: One batch of the first member.
        targets: What the outputs shall be.

    Raises:
        ValueError: If a forward pass changes a buffer (batch normalisation's running statistics), draws random numbers
            (dropout), or gives outputs of another shape than the targets.
    """
    given = {name: value[0].cpu() for name, value in {**stack.parameters, **stack.buffers}.items()}
    values = {name: value.clone() for name, value in given.items()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        # On the CPU, where all random numbers come from one generator: its state shows whether any were drawn.
        outputs = functional_call(stack.architecture, values, (inputs.cpu(),))
        if not torch.equal(before, torch.get_rng_state()):
            raise ValueError(
                f"modules that draw random numbers in training (dropout) cannot train in a stack:\n{stack.architecture}"
            )
    changed = [name for name, value in values.items() if not _is_same(value, given[name])]
    if changed:
        raise ValueError(
            f"modules whose buffers change in training cannot train in a stack: {', '.join(changed)} of\n"
            f"{stack.architecture}"
        )
    if not isinstance(outputs, Tensor) or outputs.shape != targets.shape:
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(
            f"outputs must have the targets' shape {tuple(targets.shape)} for inputs of shape {tuple(inputs.shape)}, "
            f"got {got} from\n{stack.architecture}"
        )


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether no number has changed; NaN, as a member has that diverged before a checkpoint, is the same as NaN."""
    return bool(((one == other) | ((one != one) & (other != other))).all())
