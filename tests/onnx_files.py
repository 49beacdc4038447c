"""ONNX files, made with onnx's own helper, node by node."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSETS = range(7, 29)


class Graph:
    """A file in the making; its input is x."""

    def __init__(self, shape: Sequence[int | str | None] = (1, 5), *, opset: int = 17, dtype: Any = np.float64) -> None:
        self.opset = opset
        self.dtype = dtype
        self.inputs = [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)]
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, dtype: Any = None) -> str:
        """An initializer: whole numbers stay what they are, others get the file's type."""
        array = np.asarray(values)  # a tensor, too
        array = array.astype(dtype or (array.dtype if array.dtype.kind in "ib" else self.dtype))
        self.constants.append(numpy_helper.from_array(array, f"c{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] = (), name: str = "", **attributes: Any) -> str:
        """A node; returns the name of its first output."""
        made = list(outputs) or [f"{kind.lower()}{len(self.nodes)}"]
        self.nodes.append(helper.make_node(kind, inputs, made, name=name, **attributes))
        return made[0]

    def either(self, since: int, kind: str, *inputs: str, **whole: Any) -> str:
        """A node with attributes that are inputs from some opset on."""
        if self.opset < since:
            return self.add(kind, *inputs, **whole)
        return self.add(kind, *inputs, *(self.constant(numbers) for numbers in whole.values()))

    def model(self, *outputs: str, **more: Any) -> onnx.ModelProto:
        """The file's content; the shapes of outputs are left open."""
        kind = self.inputs[0].type.tensor_type.elem_type
        ends = [helper.make_tensor_value_info(each, kind, None) for each in outputs]
        graph = helper.make_graph(self.nodes, "test", self.inputs, ends, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], **more)

    def save(self, path: Path, *outputs: str) -> Path:
        """Writes the file."""
        onnx.save(self.model(*outputs), path)
        return path
