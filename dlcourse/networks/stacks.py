"""Members of one architecture as tensors with a leading `members` axis, and back."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        size = sum(values[0].numel() for values in self.parameters.values())
        return f"Stack({self.num_members} members, {type(self.architecture).__name__} of {size} parameters each)"

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
        ValueError: If there is no module, or two differ in architecture, in training or evaluation mode, or in device.
    """
    if not modules:
        raise ValueError("a stack needs at least one module, got none")
    first, values = modules[0], [_values(module) for module in modules]
    if len(modules) > 1:
        _check_that_alike(modules, values)
    stacked = {name: torch.stack([of_member[name] for of_member in values]) for name in values[0]}
    without_values = {name: value.to("meta") for name, value in values[0].items()}
    buffers = {name: stacked.pop(name) for name, _ in first.named_buffers()}
    return Stack(_copy_with(without_values, first), stacked, buffers)


def unstack(stack: Stack) -> list[nn.Module]:
    """The members of a stack as modules of their own, bit for bit; copies that can be trained."""
    values = {**stack.parameters, **stack.buffers}
    return [
        _copy_with({name: value[member].clone() for name, value in values.items()}, stack.architecture)
        for member in range(stack.num_members)
    ]


def side_by_side(tensors: Sequence[Mapping[str, Tensor]], architecture: nn.Module) -> dict[str, Tensor]:
    """Members of narrower architectures as members of a wider one, whose further units have zeros for weights.

    Where g(0) = 0, such units say nothing and learn nothing: the members go on as if they were not there.

    Args:
        tensors: For each narrower architecture, name -> the members' values, `[members, ...]`.
        architecture: The wider one.

    Returns:
        Name -> all members' values, each in the corner of a tensor of the wider shape.
    """
    shapes = {name: value.shape for name, value in architecture.named_parameters()}
    values = {
        name: next(iter(tensors))[name].new_zeros(sum(len(narrow[name]) for narrow in tensors), *shape)
        for name, shape in shapes.items()
    }
    for name, value in values.items():
        rows = value.split([len(narrow[name]) for narrow in tensors])
        for row, narrow in zip(rows, tensors, strict=True):
            corner(row, narrow[name].shape).copy_(narrow[name])
    return values


def corner(value: Tensor, shape: Sequence[int]) -> Tensor:
    """The part of a tensor that `side_by_side` has filled: its first rows, columns and so on."""
    return value[tuple(slice(n) for n in shape)]


def modules_over(stack: Stack) -> list[nn.Module]:
    """The members of a stack as modules whose values lie in the stack's memory: what changes one changes the other."""
    values = {**stack.parameters, **stack.buffers}
    return [
        _copy_with({name: value[member] for name, value in values.items()}, stack.architecture)
        for member in range(stack.num_members)
    ]


def _values(module: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers; what is shared comes once."""
    return {name: value.detach() for name, value in [*module.named_parameters(), *module.named_buffers()]}


def _copy_with(values: Mapping[str, Tensor], module: nn.Module) -> nn.Module:
    """A copy of a module with these values; what two of its layers share, they share in the copy, too."""
    # As its memo, deepcopy is told that it has copied all values already, and to what: so it uses these wherever the
    # module has the originals. `to` and `load_state_dict` would instead give layers that share a parameter one each,
    # and leave out buffers that are not persistent.
    copies: dict[int, Tensor] = {id(buffer): values[name] for name, buffer in module.named_buffers()}
    for name, parameter in module.named_parameters():
        copies[id(parameter)] = nn.Parameter(values[name], parameter.requires_grad)
    # Weights that are worked out before each call, as by weight_norm, deepcopy refuses: they hang on a gradient.
    for layer in module.modules():
        worked_out = (value for value in vars(layer).values() if isinstance(value, Tensor))
        copies.update({id(value): value.detach().clone() for value in worked_out})
    return copy.deepcopy(module, copies)


def _check_that_alike(modules: Sequence[nn.Module], values: Sequence[Mapping[str, Tensor]]) -> None:
    """Refuses members that differ in architecture, mode or device."""
    first = modules[0]
    shape, modes, devices = _shape(first, values[0]), _modes(first), _devices(values[0])
    for index, (module, of_member) in enumerate(zip(modules[1:], values[1:], strict=True), start=1):
        if _shape(module, of_member) != shape:
            raise ValueError(
                "the members of a stack must have one architecture, "
                f"but member {index} is\n{module}\nand member 0 is\n{first}"
            )
        for what, expected, found in (("mode", modes, _modes(module)), ("device", devices, _devices(of_member))):
            for name, value in expected.items():
                if found[name] != value:
                    raise ValueError(
                        f"the members of a stack must have one {what}, but {name or 'the network'} of member {index} "
                        f"has {found[name]}, and of member 0 {value}"
                    )


def _shape(module: nn.Module, values: Mapping[str, Tensor]) -> tuple[str, list[tuple[str, torch.Size, torch.dtype]]]:
    """All that two members share: the tree of layers as printed, and the names, shapes and types of their values."""
    return repr(module), [(name, value.shape, value.dtype) for name, value in values.items()]


def _modes(module: nn.Module) -> dict[str, str]:
    """The mode of each layer."""
    return {name: "training" if layer.training else "evaluation" for name, layer in module.named_modules()}


def _devices(values: Mapping[str, Tensor]) -> dict[str, torch.device]:
    """Where each value is."""
    return {name: value.device for name, value in values.items()}
