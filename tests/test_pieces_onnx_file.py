"""ONNX files of all kinds that people have: read as they compute, or refused in one clear line."""

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx_files import Graph
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.pieces import from_onnx

RANGES = [60261.0, 6.28318530718, 6.28318530718, 1100.0, 1200.0]  # ACAS Xu's inputs: metres, radians, feet per second
MEANS = [19791.091, 0.0, 0.0, 650.0, 600.0]


class AcasXu(nn.Module):
    """The same network by hand: normalized inputs, six hidden layers of 50 units, five outputs."""

    def __init__(self, num_layers: int = 7, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        sizes = [5, *[50] * (num_layers - 1), 5]
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("means", torch.tensor(MEANS).to(dtype))
        self.register_buffer("ranges", torch.tensor(RANGES).to(dtype))
        self.layers = nn.ModuleList(nn.Linear(m, n, dtype=dtype) for m, n in pairwise(sizes))
        with torch.no_grad():
            for layer in self.layers:
                weight = torch.randn(layer.weight.shape, generator=generator) * (2 / layer.in_features) ** 0.5
                layer.weight.copy_(weight)
                layer.bias.copy_(torch.randn(layer.bias.shape, generator=generator) / 4)

    def forward(self, x: Tensor) -> Tensor:
        h = (x - self.means) / self.ranges
        for layer in self.layers[:-1]:
            h = torch.relu(layer(h))
        return self.layers[-1](h)  # type: ignore[no-any-return]


def acas_xu(twin: AcasXu, opset: int) -> tuple[Graph, str]:
    """The file of the competition in verifying networks: normalization, then pairs of MatMul and Add."""
    graph = Graph((1, 1, 1, 5), opset=opset, dtype=twin.means.numpy().dtype)
    y = graph.add("Sub", "x", graph.constant(twin.means.reshape(1, 1, 1, 5)))
    y = graph.add("Flatten", graph.add("Div", y, graph.constant(twin.ranges)))
    for index, layer in enumerate(twin.layers):
        product = graph.add("MatMul", y, graph.constant(layer.weight.detach().T))
        y = graph.add("Add", product, graph.constant(layer.bias.detach()), name=f"layer.{index}")
        if index < len(twin.layers) - 1:
            y = graph.add("Relu", y)
    return graph, y


@pytest.mark.parametrize("opset", [7, pytest.param(13, marks=pytest.mark.slow), 21])
def test_acas_xu_is_counted_as_its_twin(tmp_path: Path, opset: int) -> None:
    twin = AcasXu()
    graph, y = acas_xu(twin, opset)
    network = from_onnx(graph.save(tmp_path / "network.onnx", y))
    assert network.input_shape == (1, 1, 5)
    assert sum(parameter.numel() for parameter in network.parameters()) == 5 * 50 + 5 * 50**2 + 50 * 5 + 6 * 50 + 5 + 10
    start, end = (np.array(MEANS) + share * np.array(RANGES) for share in (-0.5, 0.5))
    x = torch.from_numpy(np.linspace(start, end, 7)).float()
    with torch.no_grad():
        outputs = network(x.reshape(7, 1, 1, 5))
        assert torch.allclose(outputs, twin(x), rtol=1e-5, atol=1e-5)  # seven layers of sums of 50 products in float32
    (expected,) = ReferenceEvaluator(graph.model(y)).run(None, {"x": x[:1].reshape(1, 1, 1, 5).numpy()})
    assert np.allclose(outputs[:1], expected, rtol=1e-5, atol=1e-5)
    line, by_hand = (pieces.on_line(each, start, end) for each in (network, twin))
    assert line.num_regions == by_hand.num_regions > 50
    assert line.num_pieces == by_hand.num_pieces
    assert np.array_equal(line.region_breakpoints, by_hand.region_breakpoints)


def test_all_counters_take_the_file_as_they_take_its_twin(tmp_path: Path) -> None:
    twin = AcasXu(num_layers=2)
    graph, y = acas_xu(twin, 13)
    network = from_onnx(graph.save(tmp_path / "network.onnx", y))
    low, high = (np.array(MEANS) + share * np.array(RANGES) for share in (-0.05, 0.05))
    corner = low.copy()
    corner[:2] = high[:2]

    def counts(each: nn.Module) -> list[Any]:
        in_box = pieces.in_box(each, low, high)
        sample = pieces.sample(each, low, high, num_samples=10, generator=torch.Generator().manual_seed(0))
        plane = pieces.on_plane(each, through=(low, high, corner))
        line = pieces.on_line(each, origin=low, direction=high - low)
        return [in_box.num_regions, sample.counts.tolist(), plane.num_regions, plane.num_pieces, line.num_regions]

    assert counts(network) == counts(twin)
    shaped = pieces.on_line(network, low.reshape(1, 1, 5), high.reshape(1, 1, 5))
    as_batch = pieces.on_line(network, low.reshape(1, 1, 1, 5), high.reshape(1, 1, 1, 5))
    assert shaped.num_regions == as_batch.num_regions == pieces.on_line(twin, low, high).num_regions


def four_pieces(graph: Graph, **names: str) -> str:
    """relu(x - 1/4) - 2 relu(x - 1/2) + 3 relu(x - 3/4): four pieces on [0, 1], of slopes 0, 1, -1 and 2."""
    hidden = graph.add("Gemm", "x", graph.constant([[1.0, 1.0, 1.0]]), graph.constant([-0.25, -0.5, -0.75]), **names)
    return graph.add(
        "Gemm", graph.add("Relu", hidden), graph.constant([[1.0], [-2.0], [3.0]]), graph.constant([0.0]), **names
    )


def assert_four_pieces(network: nn.Module) -> None:
    line = pieces.on_line(network, [0.0], [1.0])
    assert line.breakpoints.tolist() == [0.25, 0.5, 0.75]
    assert line.slopes.ravel().tolist() == [0.0, 1.0, -1.0, 2.0]
    line.check_invariants()


@pytest.mark.parametrize(
    ("numpy_type", "torch_type"),
    [(np.float16, torch.float16), (np.float32, torch.float32), (np.float64, torch.float64)],
)
def test_weights_keep_their_type(tmp_path: Path, numpy_type: Any, torch_type: torch.dtype) -> None:
    graph = Graph((1, 1), dtype=numpy_type)
    network = from_onnx(graph.save(tmp_path / "network.onnx", four_pieces(graph)))
    assert {parameter.dtype for parameter in network.parameters()} == {torch_type}
    assert network(torch.tensor([[1.0]], dtype=torch_type)).item() == 0.5
    assert_four_pieces(network)


def test_weights_in_bfloat16(tmp_path: Path) -> None:
    graph = Graph((1, 1), dtype=np.float32)
    model = graph.model(four_pieces(graph))
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.BFLOAT16, values.shape, values.ravel()))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.BFLOAT16
    onnx.save(model, tmp_path / "network.onnx")
    network = from_onnx(str(tmp_path / "network.onnx"))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}
    assert_four_pieces(network)


@pytest.mark.parametrize("batch", [1, 16, "batch", None])
def test_batch_of_any_size(tmp_path: Path, batch: int | str | None) -> None:
    graph = Graph((batch, 1))
    network = from_onnx(graph.save(tmp_path / "network.onnx", four_pieces(graph)))
    assert network(torch.ones(3, 1, dtype=torch.float64)).tolist() == [[0.5]] * 3
    assert_four_pieces(network)


def test_constants_that_old_files_list_as_inputs(tmp_path: Path) -> None:
    graph = Graph((1, 1), opset=8)
    y = four_pieces(graph)
    for tensor in graph.constants:
        graph.inputs.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.save(graph.model(y, ir_version=3), tmp_path / "network.onnx")
    assert_four_pieces(from_onnx(tmp_path / "network.onnx"))


def test_weights_in_another_file(tmp_path: Path) -> None:
    graph = Graph((1, 1))
    onnx.save(
        graph.model(four_pieces(graph)),
        tmp_path / "network.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert (tmp_path / "weights.bin").stat().st_size > 0
    assert_four_pieces(from_onnx(tmp_path / "network.onnx"))
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"network\.onnx keeps weights in other files: .*weights\.bin"
    ) as caught:
        from_onnx(tmp_path / "network.onnx")
    assert "\n" not in str(caught.value)


def test_functions_of_the_file_are_followed(tmp_path: Path) -> None:
    graph = Graph((1, 1))
    y = four_pieces(graph)
    twice = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    graph.nodes.append(helper.make_node("Twice", [y], ["twice"], domain="own"))
    model = graph.model("twice", functions=[twice])
    model.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(model, tmp_path / "network.onnx")
    line = pieces.on_line(from_onnx(tmp_path / "network.onnx"), [0.0], [1.0])
    assert line.slopes.ravel().tolist() == [0.0, 2.0, -2.0, 4.0]


def test_another_tensor_as_the_output(tmp_path: Path) -> None:
    graph = Graph((1, 1))
    logits = four_pieces(graph)
    probability = graph.add("Sigmoid", logits, name="probability")
    path = graph.save(tmp_path / "network.onnx", probability, logits)
    with pytest.raises(
        ValueError, match=r"name one of the outputs sigmoid3, gemm2: from_onnx\(path, output='sigmoid3'"
    ):
        from_onnx(path)
    with pytest.raises(
        ValueError, match=r"Sigmoid \('probability'\) is not read; if it.*\(path, output='gemm2'\); read"
    ):
        from_onnx(path, output=probability)
    assert_four_pieces(from_onnx(path, output=logits))
    for nothing in ("c0", "nothing"):
        with pytest.raises(ValueError, match=rf"output must be a tensor of the file, .*gemm2.*, got '{nothing}'"):
            from_onnx(path, output=nothing)


def test_names_that_a_module_cannot_have(tmp_path: Path) -> None:
    graph = Graph((1, 1))
    y = graph.add("Relu", graph.add("Relu", four_pieces(graph, name="a.b"), name="forward"), name="training")
    network = from_onnx(graph.save(tmp_path / "network.onnx", y))
    assert [name for name, _ in network.named_children()] == ["a_b", "Relu_relu1", "a_b_", "forward_", "training_"]
    assert network(torch.ones(1, 1, dtype=torch.float64)).item() == 0.5


def test_weights_that_two_nodes_share_are_one_parameter(tmp_path: Path) -> None:
    graph = Graph((1, 2))
    weight = graph.constant([[1.0, 2.0], [3.0, 4.0]])
    y = graph.add("MatMul", graph.add("Relu", graph.add("MatMul", "x", weight)), weight)
    network = from_onnx(graph.save(tmp_path / "network.onnx", y))
    assert len([*network.parameters()]) == 1
    assert network(torch.tensor([[1.0, 1.0]], dtype=torch.float64)).tolist() == [[22.0, 32.0]]


# --- refused ----------------------------------------------------------------------------------------------------------


def of(build: Callable[[Graph], Any], **settings: Any) -> Callable[[], onnx.ModelProto]:
    """A file of a graph whose output is what `build` returns, by default the output y."""

    def made() -> onnx.ModelProto:
        graph = Graph(**settings)
        output = build(graph)
        return graph.model(*([output] if isinstance(output, str) else output))

    return made


def with_two_inputs(graph: Graph) -> str:
    graph.inputs.append(helper.make_tensor_value_info("other", TensorProto.DOUBLE, (1, 5)))
    return graph.add("Add", "x", "other")


def with_a_branch(graph: Graph) -> str:
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "branch", [], [])
    return graph.add("If", graph.constant([True]), then_branch=branch, else_branch=branch, name="choice")


def with_a_mask(graph: Graph) -> str:
    kept = graph.add("Dropout", "x", outputs=["kept", "mask"])
    return graph.add("Where", "mask", kept, "x")


def trained(graph: Graph) -> str:
    return graph.add("Dropout", "x", graph.constant(0.5), graph.constant(True))


def normalized(graph: Graph, **attributes: int) -> str:
    constants = [graph.constant(np.ones(5)) for _ in range(4)]
    return graph.add("BatchNormalization", "x", *constants, **attributes)


def of_a_newer_opset() -> onnx.ModelProto:
    model = of(lambda g: g.add("Relu", "x"))()
    model.opset_import[0].version = 99
    return model


def of_another_domain() -> onnx.ModelProto:
    model = of(lambda g: g.add("Gelu", "x", domain="com.microsoft"))()
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def with_a_misspelt_name() -> onnx.ModelProto:
    return of(lambda g: g.add("Add", "x", "nobody"))()


def of_texts() -> onnx.ModelProto:
    model = of(lambda g: g.add("Add", "x", "words"))()
    model.graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [1], [b"a"]))
    return model


REFUSED: list[tuple[Callable[[], onnx.ModelProto], str]] = [
    (of(lambda g: g.add("Relu", "x"), opset=6), r"the opset must be 7 to 28, got 6"),
    (of_a_newer_opset, r"the opset must be 7 to 28, got 99"),
    (of(with_two_inputs), r"there must be one input, got x, other"),
    (
        of(lambda g: g.add("Relu", g.constant([1.0]))),
        r"output must be a tensor that depends on the input, x, got relu0",
    ),
    (of(lambda g: "x"), r"output must be a tensor that depends on the input, x, got x"),
    (of(lambda g: g.add("Relu", "x"), shape=(5,)), r"the input must .* have two or more dimensions.*; x .* has 1"),
    (
        of(lambda g: g.add("Abs", "x"), dtype=np.int64),
        r"the input must be of floating-point numbers.*; x is of torch.int",
    ),
    (of(with_a_branch), r"If \('choice'\) is not read; read are Abs, Add, "),
    (of(lambda g: g.add("Relu", g.add("Softmax", "x"))), r"Softmax \('softmax0'\) is not read; read are Abs, "),
    (of(lambda g: g.add("Softmax", g.add("Relu", "x"))), r"Softmax .*leave it out: from_onnx\(path, output='relu0'\)"),
    (of(lambda g: g.add("ArgMax", g.add("Relu", "x"))), r"ArgMax .*leave it out: from_onnx\(path, output='relu0'\)"),
    (of_another_domain, r"Gelu \('gelu0'\) of com.microsoft is not read"),
    (of(with_a_mask), r"Where \('where1'\) takes mask, which is no first output of a node before it"),
    (with_a_misspelt_name, r"Add \('add0'\) takes nobody, which is no first output"),
    (of(lambda g: g.add("Relu", "x", alpha=1.0)), r"Relu \('relu0'\) is read otherwise: got an unexpected .*'alpha'"),
    (of(lambda g: g.add("GreaterOrEqual", "x", "x"), opset=9), r"GreaterOrEqual .* is no operator of opset 9"),
    (of(lambda g: g.add("Add", "x", g.add("Reshape", g.constant([1.0]), g.constant([7])))), r"Reshape .*shape '\[7\]'"),
    (of_texts, r"the type of words must be one of torch.float32, .*, got STRING"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_file_is_refused_in_one_clear_line(tmp_path: Path, make: Callable[[], onnx.ModelProto], message: str) -> None:
    onnx.save(make(), tmp_path / "network.onnx")
    with pytest.raises(ValueError, match=f"^network.onnx: {message}") as caught:
        from_onnx(tmp_path / "network.onnx")
    assert "\n" not in str(caught.value)


COUNTED_OTHERWISE: list[tuple[Callable[[], onnx.ModelProto], type[Exception], str]] = [
    (of(trained), ValueError, "Dropout_dropout0', a Node: training_mode must be false, got true"),
    (
        of(lambda g: normalized(g, training_mode=1)),
        ValueError,
        "BatchNormalization_batchnormalization0', a Node: training_mode must be 0 and spatial 1, got 1 and 1",
    ),
    (of(lambda g: normalized(g, spatial=0), opset=8), ValueError, "training_mode must be 0 and spatial 1, got 0 and 0"),
    (of(lambda g: g.add("Mul", "x", "x")), TypeError, "product of two tensors.*got mul in layer 'Mul_mul0', a Node"),
    (of(lambda g: g.add("Cast", "x", to=TensorProto.FLOAT16)), ValueError, "a conversion to torch.float16 rounds"),
    (of(lambda g: g.add("Add", "x", g.constant([np.inf]))), ValueError, r"Add_add0\.input_1 must be finite, got inf"),
    (of(lambda g: g.add("ReduceSum", "x")), ValueError, "the first dimension, which numbers the inputs of a batch"),
]


@pytest.mark.parametrize(("make", "error", "message"), COUNTED_OTHERWISE)
def test_what_cannot_be_counted_is_said_when_it_is_read(
    tmp_path: Path, make: Callable[[], onnx.ModelProto], error: type[Exception], message: str
) -> None:
    onnx.save(make(), tmp_path / "network.onnx")
    network = from_onnx(tmp_path / "network.onnx")
    with pytest.raises(error, match=message):
        pieces.on_line(network, np.zeros(5), np.ones(5))


def test_paths_that_are_no_onnx_files(tmp_path: Path) -> None:
    missing, text, empty = tmp_path / "missing.onnx", tmp_path / "text.onnx", tmp_path / "empty.onnx"
    text.write_text("a network\n" * 100)
    empty.write_bytes(b"")
    torch.save(nn.Linear(1, 1).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(
        FileNotFoundError, match=rf"^path must be an ONNX file, got {re.escape(str(missing))}, no file$"
    ):
        from_onnx(missing)
    with pytest.raises(FileNotFoundError, match=r"^path must be an ONNX file, got .*, a folder$"):
        from_onnx(tmp_path)
    for other in (text, empty, tmp_path / "weights.pt"):
        with pytest.raises(ValueError, match=rf"^path must be an ONNX file, got .*{other.name}, which [a-z ]*$"):
            from_onnx(other)


def test_without_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"^from_onnx needs onnx, which is missing: pip install 'dlcourse\[onnx\]'$"):
        from_onnx(tmp_path / "network.onnx")
