"""Members of one architecture as tensors with a leading `members` axis, and back."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state


@dataclass(frozen=True)
class Stack:
    """Several networks (members) of one architecture, side by side.

    Attributes:
        architecture: A network without values (on the meta device): what the members have in common.
        parameters: Name -> the members' values, `[members, ...]`.
        buffers: Name -> the members' buffers, `[members, ...]`.
    """

    architecture: nn.Module
    parameters: dict[str, Tensor]
    buffers: dict[str, Tensor]

    @property
    def num_members(self) -> int:
        """How many networks there are."""
        return len(next(iter(self.parameters.values())))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Every member's outputs.

        Args:
            inputs: `[n, features]`, the same for all members, or `[members, n, features]`.

        Returns:
            `[members, n, out_features]`.
        """
        each = torch.vmap(
            lambda parameters, buffers, x: functional_call(self.architecture, (parameters, buffers), (x,)),
            in_dims=(0, 0, 0 if inputs.ndim == 3 else None),
        )
        outputs: Tensor = each(self.parameters, self.buffers, inputs)
        return outputs


def stack(modules: Sequence[nn.Module]) -> Stack:
    """Lays the members' values beside each other, bit for bit.

    Args:
        modules: At least one network, all of one architecture and on one device.

    Returns:
        Copies of their values; the modules stay as they are.

    Raises:
        ValueError: If there is no module, or two differ in architecture.
    """
    if not modules:
        raise ValueError("a stack needs at least one module, got none")
    for index, module in enumerate(modules):
        if _shape(module) != _shape(modules[0]):
            raise ValueError(
                f"the members of a stack must have one architecture, but member {index} is\n{module}\nand member 0 is\n{modules[0]}"
            )
    parameters, buffers = stack_module_state(list(modules))
    architecture = copy.deepcopy(modules[0]).to("meta")
    return Stack(
        architecture,
        {name: values.detach() for name, values in parameters.items()},
        {name: values.detach() for name, values in buffers.items()},
    )


def unstack(stack: Stack) -> list[nn.Module]:
    """The members of a stack as modules of their own, bit for bit; copies that can be trained."""
    networks = []
    for member in range(stack.num_members):
        state = {**stack.parameters, **stack.buffers}
        network = copy.deepcopy(stack.architecture)
        network.load_state_dict({name: values[member].clone() for name, values in state.items()}, assign=True)
        networks.append(network)
    return networks


def _shape(module: nn.Module) -> tuple[str, list[tuple[str, torch.Size, torch.dtype]]]:
    """All that two members must share: the tree of layers as printed, and the names, shapes and types of their values."""
    return repr(module), [(name, value.shape, value.dtype) for name, value in module.state_dict().items()]
