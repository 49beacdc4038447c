"""Gradients of any other torch module, for a whole stack at once, through `torch.func`."""

import torch
from torch import Tensor
from torch.func import functional_call, grad

from dlcourse.flat import Flat
from dlcourse.losses import Loss
from dlcourse.networks import Stack


class AutogradSweep:
    """What `layerwise.Sweep` does, for modules without a layerwise rule: autograd, vectorised over the members.

    Args:
        members: Where to start; their values are copied.
        loss: The loss, averaged over the batch.

    Attributes:
        parameters: All members' values; the caller may change them between calls.
        gradients: The same names and shapes, filled by `gradient_`.
    """

    def __init__(self, members: Stack, *, loss: Loss) -> None:
        self.parameters = Flat.of(members.parameters)
        self.gradients = self.parameters.zeros_like()
        self._buffers = {name: value.clone() for name, value in members.buffers.items()}

        def batch_loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return loss(functional_call(members.architecture, (parameters, buffers), (x,)), y).mean()

        self._gradient = torch.vmap(grad(batch_loss))

    def gradient_(self, inputs: Tensor, targets: Tensor) -> None:
        """Overwrites the gradients by those of this batch."""
        gradients = self._gradient(self.parameters.views, self._buffers, inputs, targets)
        for name, view in self.gradients.views.items():
            view.copy_(gradients[name])


def refuse_changing_modules(stack: Stack, inputs: Tensor) -> None:
    """Refuses architectures that are no function of parameters and input in training.

    Args:
        stack: The members.
        inputs: One batch of the first member, `[batch, in_features]`.

    Raises:
        ValueError: If a forward pass changes a buffer (batch normalisation's running statistics), or draws random
            numbers (dropout).
    """
    given = {name: value[0].cpu() for name, value in {**stack.parameters, **stack.buffers}.items()}
    values = {name: value.clone() for name, value in given.items()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        functional_call(stack.architecture, values, (inputs.cpu(),))  # on the CPU, where one generator serves all
        if not torch.equal(before, torch.get_rng_state()):
            raise ValueError(
                f"modules that draw random numbers in training (dropout) cannot train in a stack:\n{stack.architecture}"
            )
    changed = [name for name, value in values.items() if not torch.equal(value, given[name])]
    if changed:
        raise ValueError(
            f"modules whose buffers change in training cannot train in a stack: {', '.join(changed)} of\n"
            f"{stack.architecture}"
        )
