"""ONNX files: from a path to a network, or one clear line that says why not."""

import inspect
import os
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from dlcourse.pieces.onnx.network import Node, OnnxNetwork
from dlcourse.pieces.onnx.operators import DTYPES, OPERATORS

if TYPE_CHECKING:
    import onnx

OPSETS = range(7, 29)  # what the tests read


def from_onnx(path: str | os.PathLike[str], *, output: str | None = None) -> OnnxNetwork:
    """The network of an ONNX file as a torch module, for all counters.

    The first dimension of its input is taken as the one that numbers the inputs of a batch, also where the file fixes
    its size; an input may also be given as a vector. What does not depend on the input, as the transpose of a weight,
    is worked out once, in the file's types.

    ::

        network = pieces.from_onnx("ACASXU_run2a_1_1_batch_2000.onnx")
        line = pieces.on_line(network, [0.6, -0.5, -0.5, 0.45, -0.5], [0.68, 0.5, 0.5, 0.5, -0.45])

    Args:
        path: The file. Weights that it keeps in other files are read from beside it.
        output: The name of a tensor in the file to take as the output, for instance that before a last Softmax; by
            default the file's only output.

    Returns:
        The network, in evaluation mode, on the CPU. It computes what the file says in the file's floating-point types;
        `net.double()` has it count and compute in float64.

    Raises:
        ImportError: If the package onnx is not installed.
        FileNotFoundError: If there is no such file, or none of those that hold its weights.
        ValueError: If it is no ONNX file, has several inputs or several outputs, operators that are not read, or
            another opset than 7 to 28; the message says which.
    """
    try:
        import onnx
        import onnx.inliner
    except ImportError as error:
        raise ImportError("from_onnx needs onnx, which is missing: pip install 'dlcourse[onnx]'") from error
    file = Path(path)
    model = _model(file)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    try:
        return _network(model, output)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from error


def _model(path: Path) -> "onnx.ModelProto":
    """What a file holds, with its weights."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise FileNotFoundError(f"path must be an ONNX file, got {path}, {'a folder' if path.is_dir() else 'no file'}")
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError as error:
        raise ValueError(f"path must be an ONNX file, got {path}, which does not read as one") from error
    if not model.opset_import or not model.graph.output:
        raise ValueError(f"path must be an ONNX file, got {path}, which holds no network")
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (FileNotFoundError, onnx.checker.ValidationError) as error:
        raise FileNotFoundError(f"{path} keeps weights in other files: {str(error).splitlines()[0]}") from error
    return model


def _network(model: "onnx.ModelProto", output: str | None) -> OnnxNetwork:
    graph = model.graph
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if opset is None or opset not in OPSETS:
        raise ValueError(f"the opset must be {OPSETS[0]} to {OPSETS[-1]}, got {opset}")
    constants = {tensor.name: _parameter(_tensor(tensor)) for tensor in graph.initializer}
    input_name, sizes = _input(graph, constants)
    output_name = _output(graph, output)
    needed = _needed(graph, output_name)
    for node in needed:
        _check_operator(node, output_name, constants)
    of_batch = _of_batch(model, input_name)
    nodes: dict[str, Node] = {}
    depends = {input_name}
    for node in needed:
        made = _node(node, opset, constants, depends)
        if made.needs:
            if made.inputs[0] in of_batch:
                _take_any_batch(made, sizes[0])
            nodes[_name(node, nodes)] = made
            depends.update(made.outputs)
        else:
            constants.update(_worked_out(node, made))
    if output_name not in depends or output_name == input_name:
        raise ValueError(f"output must be a tensor that depends on the input, {input_name}, got {output_name}")
    shape = None if None in sizes[1:] else tuple(size for size in sizes[1:] if size is not None)
    return OnnxNetwork(nodes, input_name, output_name, shape).eval()


# the graph's ends


def _input(graph: "onnx.GraphProto", constants: Container[str]) -> tuple[str, list[int | None]]:
    """The input that is no constant, as old files list these too; and its sizes, None for one that is left open."""
    inputs = [each for each in graph.input if each.name not in constants]
    if len(inputs) != 1:
        raise ValueError(f"there must be one input, got {', '.join(each.name for each in inputs) or 'none'}")
    (only,) = inputs
    kind = only.type.tensor_type
    dtype = DTYPES.get(kind.elem_type)
    sizes = [size.dim_value if size.dim_value > 0 else None for size in kind.shape.dim]
    if dtype is None or not dtype.is_floating_point or len(sizes) < 2:
        raise ValueError(
            f"the input must be of floating-point numbers and have two or more dimensions, the first of which numbers "
            f"the inputs of a batch; {only.name} is of {dtype} and has {len(sizes)}"
        )
    return only.name, sizes


def _output(graph: "onnx.GraphProto", output: str | None) -> str:
    """The output's name."""
    if output is None:
        if len(graph.output) > 1:
            names = [each.name for each in graph.output]
            raise ValueError(f"name one of the outputs {', '.join(names)}: from_onnx(path, output={names[0]!r})")
        return str(graph.output[0].name)
    made = [name for node in graph.node for name in node.output if name]
    if output not in made:
        raise ValueError(f"output must be a tensor of the file, the last of which are {made[-5:]}, got {output!r}")
    return output


# the nodes


def _needed(graph: "onnx.GraphProto", output: str) -> list["onnx.NodeProto"]:
    """The nodes that an output needs, first to last."""
    names = {output}
    found = []
    for node in reversed(graph.node):
        if not names.isdisjoint(node.output):
            found.append(node)
            names.update(node.input)
    return found[::-1]


def _check_operator(node: "onnx.NodeProto", output: str, constants: Container[str]) -> None:
    """Refuses an operator that is not read."""
    if node.domain in ("", "ai.onnx") and node.op_type in OPERATORS:
        return
    before = [name for name in node.input if name and name not in constants]
    advice = ""
    if output in node.output and before:
        advice = f"; if it bends no piece, leave it out: from_onnx(path, output={before[0]!r})"
    domain = f" of {node.domain}" if node.domain not in ("", "ai.onnx") else ""
    raise ValueError(f"{_said(node)}{domain} is not read{advice}; read are {', '.join(sorted(OPERATORS))}")


def _node(node: "onnx.NodeProto", opset: int, constants: dict[str, Tensor], depends: Container[str]) -> Node:
    """A node with its attributes, and those of its inputs that are constants."""
    for name in node.input:
        if name and name not in constants and name not in depends:
            raise ValueError(f"{_said(node)} takes {name}, which is no first output of a node before it")
    attributes = _attributes(node, opset)
    outputs = list(node.output) if node.op_type == "Split" else node.output[:1]
    if node.op_type == "Split" and len(node.input) < 2 and "split" not in attributes:
        attributes["num_outputs"] = len(outputs)
    inputs = [*node.input]
    while inputs and not inputs[-1]:
        inputs.pop()
    try:
        inspect.signature(OPERATORS[node.op_type]).bind(*inputs, **attributes)
    except TypeError as error:
        raise ValueError(f"{_said(node)} is read otherwise: {error}") from error
    return Node(
        node.op_type, inputs, outputs, attributes, {name: constants[name] for name in inputs if name in constants}
    )


def _attributes(node: "onnx.NodeProto", opset: int) -> dict[str, Any]:
    """The attributes that a node has, and the values that ONNX says the others have."""
    import onnx

    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError as error:
        raise ValueError(f"{_said(node)} is no operator of opset {opset}") from error
    given = {attribute.name: attribute for attribute in node.attribute}
    by_default = {name: each.default_value for name, each in schema.attributes.items() if each.default_value.name}
    return {name: _value(attribute) for name, attribute in {**by_default, **given}.items()}


def _value(attribute: "onnx.AttributeProto") -> Any:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return _tensor(value)
    return value.decode() if isinstance(value, bytes) else value


def _worked_out(node: "onnx.NodeProto", made: Node) -> dict[str, Tensor]:
    """What a node makes that does not depend on the input."""
    try:
        with torch.no_grad():
            results = made()
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{_said(node)}: {error}") from error
    several = results if isinstance(results, tuple | list) else [results]
    return {name: _parameter(result) for name, result in zip(made.outputs, several, strict=True)}


def _name(node: "onnx.NodeProto", nodes: Container[str]) -> str:
    """A name for a node that a module can have."""
    name = (node.name or f"{node.op_type}_{node.output[0]}").replace(".", "_")
    while name in nodes or hasattr(_NO_NODES, name):
        name += "_"
    return name


_NO_NODES = OnnxNetwork({}, "", "", None)


def _said(node: "onnx.NodeProto") -> str:
    """A node, in messages."""
    return f"{node.op_type} ('{node.name or node.output[0]}')"


# batches


def _of_batch(model: "onnx.ModelProto", input_name: str) -> set[str]:
    """The tensors whose first dimension has the size that the file fixes for the batch; none if it does not."""
    import onnx

    known = onnx.shape_inference.infer_shapes(model).graph
    sizes = {
        each.name: each.type.tensor_type.shape.dim[0].dim_value
        for each in (*known.input, *known.value_info, *known.output)
        if each.type.tensor_type.shape.dim
    }
    return {name for name, size in sizes.items() if size > 0 and size == sizes[input_name]}


def _take_any_batch(node: Node, size: int | None) -> None:
    """Has a change of shape that names the batch's fixed size, as a file for one input does, keep what there is."""
    if node.kind == "Flatten" and size == 1 and node.attributes["axis"] == 0:
        node.attributes["axis"] = 1
    if node.kind == "Reshape" and node.needs == node.inputs[:1]:
        shape = node.get_buffer("input_1").clone()
        makes_nothing = bool(node.attributes.get("allowzero")) and bool((shape == 0).any())
        if shape.numel() and shape[0] == size and not makes_nothing:
            shape[0] = 0  # which stands for as many as there are
            node.register_buffer("input_1", shape)
            node.attributes["allowzero"] = 0


# numbers


def _tensor(tensor: "onnx.TensorProto") -> Tensor:
    import onnx

    if tensor.data_type not in DTYPES:
        kind = onnx.TensorProto.DataType.Name(tensor.data_type)
        raise ValueError(f"the type of {tensor.name} must be one of {', '.join(map(str, DTYPES.values()))}, got {kind}")
    array = onnx.numpy_helper.to_array(tensor)
    if DTYPES[tensor.data_type] is torch.bfloat16:  # which NumPy does not know
        array = array.astype(np.float32)
    return torch.from_numpy(array.copy()).to(DTYPES[tensor.data_type])


def _parameter(tensor: Tensor) -> Tensor:
    return nn.Parameter(tensor, requires_grad=False) if tensor.is_floating_point() else tensor
