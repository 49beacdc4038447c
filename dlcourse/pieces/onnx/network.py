"""A network of ONNX's operators, as a torch module."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dlcourse.pieces.onnx.operators import OPERATORS


class Node(nn.Module):
    """One operator, with those of its inputs that are constants.

    Args:
        kind: ONNX's name of the operator.
        inputs: The names of its inputs; "" for one that is left out.
        outputs: The names of its outputs.
        attributes: Its attributes.
        constants: Its constant inputs, by name.
    """

    def __init__(
        self,
        kind: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attributes: dict[str, Any],
        constants: dict[str, Tensor],
    ) -> None:
        super().__init__()
        self.kind = kind
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.attributes = attributes
        self.needs = [name for name in self.inputs if name and name not in constants]
        for index, name in enumerate(self.inputs):
            constant = constants.get(name)
            if isinstance(constant, nn.Parameter):
                self.register_parameter(f"input_{index}", constant)
            elif constant is not None:
                self.register_buffer(f"input_{index}", constant)

    def forward(self, *needed: Tensor) -> Any:
        """What the operator makes of those inputs that are not constants."""
        given = iter(needed)
        inputs = [
            None if not name else next(given) if name in self.needs else getattr(self, f"input_{index}")
            for index, name in enumerate(self.inputs)
        ]
        return OPERATORS[self.kind](*inputs, **self.attributes)

    def extra_repr(self) -> str:
        """As in mathematics, y = Relu(x)."""
        return f"{', '.join(self.outputs)} = {self.kind}({', '.join(self.inputs)})"


class OnnxNetwork(nn.Module):
    """The network of an ONNX file: its operators, run one after the other.

    Its floating-point numbers are parameters that do not ask for gradients, in the file's types.

    Args:
        nodes: The operators by name, each after those whose outputs it needs.
        input_name: What the file calls the input.
        output_name: What it calls the output.
        input_shape: The shape of one input, without the batch's dimension; None if the file does not say.
    """

    def __init__(
        self, nodes: dict[str, Node], input_name: str, output_name: str, input_shape: tuple[int, ...] | None
    ) -> None:
        super().__init__()
        self.input_name = input_name
        self.output_name = output_name
        self.input_shape = input_shape
        self.nodes = [*nodes]
        for name, node in nodes.items():
            self.add_module(name, node)

    def forward(self, x: Tensor) -> Tensor:
        """The output for each input of a batch.

        Args:
            x: The inputs, `[batch, *input_shape]`, or each of them as a vector of as many numbers.

        Returns:
            What the file computes of each, one after the other.
        """
        if self.input_shape is not None and tuple(x.shape[1:]) != self.input_shape:
            size = math.prod(self.input_shape)
            if tuple(x.shape[1:]) != (size,):
                raise ValueError(
                    f"one input must have shape {self.input_shape} or be a vector of {size}, got {tuple(x.shape[1:])}"
                )
            x = x.reshape(x.shape[0], *self.input_shape)
        values: dict[str, Tensor] = {self.input_name: x}
        for name in self.nodes:
            node = self.get_submodule(name)
            assert isinstance(node, Node)
            made = node(*(values[each] for each in node.needs))
            several = isinstance(made, tuple | list)
            values.update(zip(node.outputs, made if several else [made], strict=several))
        return values[self.output_name]
