"""Every operator at every one of its versions, against onnx's own reference, and as it is counted."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from networks import run
from onnx.reference import ReferenceEvaluator
from onnx_files import OPSETS, Graph

from dlcourse.pieces import from_onnx
from dlcourse.pieces.onnx.operators import OPERATORS, pad
from dlcourse.pieces.reading import read

# Every output is a sum of at most 64 products, of normal numbers and constants, which both sides round in their own
# order, twice where a hidden layer passes them on.
TOLERANCE = 4 * 64 * np.finfo(np.float64).eps


class Case(NamedTuple):
    """A file of one operator, or of few.

    Attributes:
        shape: The shape of its input.
        build: Makes its output of a graph.
        since: The first opset that has it.
        judged_at: The first opset of which onnx's reference is the judge; those before mean the same.
    """

    shape: tuple[int | str, ...]
    build: Callable[[Graph], str]
    since: int = OPSETS[0]
    judged_at: int = OPSETS[0]


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape)


def one(kind: str, shape: tuple[int | str, ...], *constants: Any, since: int = OPSETS[0], **attributes: Any) -> Case:
    """An operator of x and constants."""
    return Case(shape, lambda g: g.add(kind, "x", *map(g.constant, constants), **attributes), since)


def axes(kind: str, input_since: int, shape: tuple[int, ...], *, since: int = OPSETS[0], **whole: Any) -> Case:
    """An operator with attributes that are inputs from some opset on."""
    return Case(shape, lambda g: g.either(input_since, kind, "x", **whole), since)


VECTOR, SEQUENCE, IMAGE, BLOCK = (1, 4), (1, 2, 6), (1, 2, 4, 5), (1, 2, 2, 3, 3)
STATISTICS = [numbers(2), [0.1, 0.2], [1.0, -1.0], [0.5, 2.0]]  # of batch normalization, for two channels
ONE_AND_A_HALF = onnx.numpy_helper.from_array(np.array([1.5]))
LARGEST = float(np.finfo(np.float32).max)


# --- files of several operators ---------------------------------------------------------------------------------------


def with_x_on_the_right(kind: str, constant: Any, shape: tuple[int, ...]) -> Case:
    return Case(shape, lambda g: g.add(kind, g.constant(constant), "x"))


def with_what_bends(kind: str, bend: str, *constants: Any, shape: tuple[int, ...] = VECTOR, **attributes: Any) -> Case:
    """An operator of x, constants and what another operator makes of x."""
    return Case(shape, lambda g: g.add(kind, "x", *map(g.constant, constants), g.add(bend, "x"), **attributes))


def padded(value: float, pads: list[int], shape: tuple[int, ...]) -> Case:
    def build(g: Graph) -> str:
        if g.opset < 11:
            return g.add("Pad", "x", pads=pads, value=value)
        return g.add("Pad", "x", g.constant(pads), g.constant(value))

    return Case(shape, build)


def parts(sizes: list[int] | None, shape: tuple[int, ...]) -> Case:
    """The first and the last part, one minus the other; parts of equal size if none are given."""

    def build(g: Graph) -> str:
        names = ["first", "second", "last"] if sizes else ["first", "last"]
        if sizes is None:
            g.add("Split", "x", outputs=names, axis=-1, **({"num_outputs": 2} if g.opset >= 18 else {}))
        elif g.opset < 13:
            g.add("Split", "x", outputs=names, axis=1, split=sizes)
        else:
            g.add("Split", "x", g.constant(sizes), outputs=names, axis=1)
        return g.add("Sub", "first", "last")

    return Case(shape, build)


def as_rows(g: Graph) -> str:
    """x.view(x.size(0), -1), as torch has written it."""
    size = g.add("Gather", g.add("Shape", "x"), g.constant(0))
    row = g.either(13, "Unsqueeze", size, axes=[0])
    return g.add("Reshape", "x", g.add("Concat", row, g.constant([-1]), axis=0))


def exchanged(g: Graph) -> str:
    """The last dimension before the one in the middle, of which only the former is looked up."""
    return g.add(
        "Reshape", "x", g.add("Concat", g.constant([-1]), g.add("Shape", "x", start=2), g.constant([2]), axis=0)
    )


def compared(kind: str, since: int) -> Case:
    """x - 1/4 on the side of 1/4 that a comparison says, a tenth of it on the other one."""

    def build(g: Graph) -> str:
        quarter = g.constant(0.25)
        beyond = g.add("Sub", "x", quarter)
        return g.add("Where", g.add(kind, "x", quarter), beyond, g.add("Mul", beyond, g.constant(0.1)))

    return Case(VECTOR, build, since)


def of_constant_nodes(g: Graph) -> str:
    """x / 2 + (1/4, 3/4), of which the second one is taken."""
    half, shift = g.add("Constant", value_float=0.5), g.add("Constant", value_floats=[0.25, 0.75])
    half, shift = (g.add("Cast", each, to=onnx.TensorProto.DOUBLE) for each in (half, shift))
    rows = g.add("Reshape", g.add("Add", g.add("Mul", "x", half), shift), g.add("Constant", value_ints=[1, 2]))
    return g.add("Gather", rows, g.add("Constant", value_int=1), axis=1)


def times_a_constant_node(g: Graph) -> str:
    return g.add("Mul", "x", g.add("Constant", value=onnx.numpy_helper.from_array(numbers(4))))


def times_converted(g: Graph) -> str:
    return g.add("Mul", "x", g.add("Cast", g.constant([1, 2, 3, 4]), to=onnx.TensorProto.DOUBLE))


def beside_a_constant(g: Graph) -> str:
    return g.add("Concat", "x", g.add("ConstantOfShape", g.constant([1, 2]), value=ONE_AND_A_HALF), axis=1)


def times_the_transpose_of_a_constant(g: Graph) -> str:
    return g.add("MatMul", "x", g.add("Transpose", g.constant(numbers(3, 4))))


# --- every operator ---------------------------------------------------------------------------------------------------

CASES: dict[str, list[Case]] = {
    "Gemm": [
        one("Gemm", VECTOR, numbers(4, 3), numbers(3)),
        one("Gemm", VECTOR, numbers(3, 4), numbers(1, 3), alpha=0.3, beta=1.7, transB=1),
        one("Gemm", VECTOR, numbers(4, 3), since=11),
    ],
    "MatMul": [
        one("MatMul", VECTOR, numbers(4, 3)),
        one("MatMul", (1, 1, 1, 5), numbers(5, 6)),
        with_x_on_the_right("MatMul", numbers(3, 2), SEQUENCE),
    ],
    "Add": [one("Add", VECTOR, numbers(4))],
    "Sub": [one("Sub", VECTOR, numbers(1, 4)), with_x_on_the_right("Sub", numbers(4), VECTOR)],
    "Mul": [one("Mul", SEQUENCE, numbers(2, 1)), with_x_on_the_right("Mul", 0.3, VECTOR)],
    "Div": [one("Div", VECTOR, numbers(4))],
    "Neg": [one("Neg", VECTOR)],
    "Sum": [one("Sum", VECTOR), with_what_bends("Sum", "Abs", numbers(4))],
    "Mean": [with_what_bends("Mean", "Abs", numbers(4))],
    "Conv": [
        one("Conv", SEQUENCE, numbers(3, 2, 3), pads=[2, 0], strides=[2]),
        one("Conv", IMAGE, numbers(4, 1, 3, 2), numbers(4), group=2, dilations=[1, 2]),
        one("Conv", IMAGE, numbers(3, 2, 3, 2), auto_pad="SAME_UPPER", strides=[2, 1], kernel_shape=[3, 2]),
        one("Conv", IMAGE, numbers(3, 2, 2, 4), auto_pad="SAME_LOWER"),
        one("Conv", IMAGE, numbers(3, 2, 2, 4), auto_pad="VALID"),
        one("Conv", BLOCK, numbers(1, 2, 2, 2, 2), pads=[0, 1, 0, 1, 0, 1]),
    ],
    "ConvTranspose": [
        one(
            *("ConvTranspose", (1, 2, 3, 2), numbers(2, 3, 3, 2), numbers(3)),
            **{"strides": [2, 3], "pads": [1, 0, 0, 1], "output_padding": [1, 0]},
        )
    ],
    "BatchNormalization": [
        # Before opset 14 the reference normalizes by the batch, too, as in training.
        one("BatchNormalization", SEQUENCE, *STATISTICS)._replace(judged_at=14),
        one("BatchNormalization", (1, 2), *STATISTICS, epsilon=0.125)._replace(judged_at=14),
    ],
    "AveragePool": [
        one("AveragePool", SEQUENCE, kernel_shape=[3]),
        one("AveragePool", IMAGE, kernel_shape=[2, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        one("AveragePool", IMAGE, kernel_shape=[2, 3], pads=[0, 1, 1, 0]),
        one("AveragePool", IMAGE, kernel_shape=[2, 3], pads=[0, 2, 1, 0], count_include_pad=1),
        one("AveragePool", IMAGE, kernel_shape=[2, 2], auto_pad="SAME_UPPER"),
        one("AveragePool", SEQUENCE, kernel_shape=[3], strides=[2], ceil_mode=1, since=10),
    ],
    "GlobalAveragePool": [one("GlobalAveragePool", IMAGE)],
    "ReduceMean": [axes("ReduceMean", 18, IMAGE, axes=[2, -1])],
    "ReduceSum": [
        axes("ReduceSum", 13, VECTOR, axes=[1]),
        one("ReduceSum", VECTOR, noop_with_empty_axes=1, since=13),
    ],
    "Dropout": [one("Dropout", VECTOR, outputs=["kept", "mask"])],
    "Relu": [one("Relu", VECTOR)],
    "LeakyRelu": [one("LeakyRelu", VECTOR), one("LeakyRelu", VECTOR, alpha=0.3)],
    "PRelu": [one("PRelu", SEQUENCE, numbers(2, 1))],
    "HardSigmoid": [one("HardSigmoid", VECTOR), one("HardSigmoid", VECTOR, alpha=0.7, beta=0.25)],
    "Abs": [one("Abs", VECTOR)],
    "Clip": [
        axes("Clip", 11, VECTOR, min=-0.5, max=0.25),
        axes("Clip", 11, VECTOR, min=0.0, max=LARGEST),
        one("Clip", VECTOR),
    ],
    "Max": [with_what_bends("Max", "Neg", numbers(4)), one("Max", VECTOR)],
    "Min": [one("Min", VECTOR, [0.25])],
    "MaxPool": [
        one("MaxPool", SEQUENCE, kernel_shape=[3]),
        one("MaxPool", IMAGE, kernel_shape=[2, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        one("MaxPool", IMAGE, kernel_shape=[2, 3], strides=[2, 1], pads=[0, 2, 1, 0]),
        one("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
        one("MaxPool", IMAGE, kernel_shape=[2, 4], strides=[1, 1], auto_pad="SAME_LOWER"),
        one("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[1, 1], dilations=[2, 3], ceil_mode=1, since=10),
        one("MaxPool", SEQUENCE, kernel_shape=[3], strides=[2], ceil_mode=1, since=10),
    ],
    "GlobalMaxPool": [one("GlobalMaxPool", (1, 2, 2, 3))],
    "ReduceMax": [axes("ReduceMax", 18, (1, 3, 4), axes=[2])],
    "ReduceMin": [axes("ReduceMin", 18, (1, 3, 4), axes=[-1])],
    "Where": [Case(VECTOR, lambda g: g.add("Where", g.constant([True, False] * 2), "x", g.add("Abs", "x")), since=9)],
    "Greater": [compared("Greater", since=9)],
    "Less": [compared("Less", since=9)],
    "GreaterOrEqual": [compared("GreaterOrEqual", since=12)],
    "LessOrEqual": [compared("LessOrEqual", since=12)],
    "Identity": [one("Identity", VECTOR)],
    "Reshape": [
        one("Reshape", SEQUENCE, [1, 3, 4]),
        one("Reshape", SEQUENCE, [1, -1]),
        one("Reshape", SEQUENCE, [-1, 4, 3]),
        one("Reshape", SEQUENCE, [0, 0, 2, 3]),
        one("Reshape", SEQUENCE, [1, 3, 4], allowzero=1, since=14),
        one("Reshape", SEQUENCE, [-1, 12], allowzero=1, since=14),
    ],
    "Flatten": [
        one("Flatten", SEQUENCE),
        one("Flatten", (1, 1, 6), axis=2),
        one("Flatten", SEQUENCE, axis=0),
    ],
    "Transpose": [
        one("Transpose", IMAGE, perm=[0, 2, 3, 1]),
        Case(VECTOR, times_the_transpose_of_a_constant),
    ],
    "Concat": [
        with_what_bends("Concat", "Relu", numbers(1, 2, 6), shape=SEQUENCE, axis=2),
        with_what_bends("Concat", "Abs", axis=-1),
    ],
    "Split": [parts([2, 1, 2], (1, 5)), parts(None, VECTOR)],
    "Slice": [
        axes("Slice", 10, VECTOR, starts=[1], ends=[-1], axes=[1]),
        axes("Slice", 10, SEQUENCE, starts=[0, -3], ends=[1, 2**60], axes=[1, 2]),
        one("Slice", VECTOR, [-1], [-(2**60)], [1], [-2], since=10),
        one("Slice", SEQUENCE, [1], [5], [-1], [2], since=10),
    ],
    "Gather": [
        one("Gather", VECTOR, [[3, -1], [0, 0]], axis=1),
        one("Gather", SEQUENCE, 4, axis=2),
    ],
    "Pad": [
        axes("Pad", 11, VECTOR, pads=[0, 1, 0, 2]),
        padded(0.5, [0, 0, 2, 0, 0, 1], SEQUENCE),
        one("Pad", SEQUENCE, [0, 0, 1, 0, 0, 2], mode="edge", since=11),
        one("Pad", SEQUENCE, [0, 0, 1, 0, 0, 2], mode="reflect", since=11),
        one("Pad", SEQUENCE, [0, 0, 1, 0, 0, 2], mode="wrap", since=19),
        one("Pad", SEQUENCE, [1, 2], 0.5, [-1], since=18),
        *(one("Pad", IMAGE, [0, 0, 0, 1, 0, 0, 0, 2], mode=mode, since=11) for mode in ("edge", "reflect")),
        *(one("Pad", IMAGE, [0, 1, 2, 0, 0, 0, 1, 1], mode=mode, since=19) for mode in ("edge", "reflect", "wrap")),
    ],
    "Squeeze": [axes("Squeeze", 13, (1, 1, 4), axes=[1])],
    "Unsqueeze": [axes("Unsqueeze", 13, VECTOR, axes=[1, 3])],
    "Expand": [one("Expand", (1, 1, 3), [2, 1], since=8)],
    "Cast": [Case(VECTOR, times_converted)],
    "Constant": [Case(VECTOR, times_a_constant_node), Case((1, 2), of_constant_nodes, since=12)],
    "ConstantOfShape": [Case(VECTOR, beside_a_constant, since=9)],
    "Shape": [Case(("batch", 2, 3), as_rows), Case(("batch", 2, 3), exchanged, since=15)],
}


def opsets(kind: str, since: int) -> list[int]:
    """The first opset, those where the operator's inputs or attributes change, and the last one."""
    found = [since]
    for opset in range(since + 1, OPSETS[-1]):
        before, now = (onnx.defs.get_schema(kind, each) for each in (opset - 1, opset))
        inputs = [[each.name for each in schema.inputs] for schema in (before, now)]
        if inputs[0] != inputs[1] or before.attributes.keys() != now.attributes.keys():
            found.append(opset)
    return [*found, OPSETS[-1]]


def trials() -> Iterator[Any]:
    for kind, cases in CASES.items():
        for index, case in enumerate(cases):
            for opset in opsets(kind, case.since):
                marks = [] if opset == OPSETS[-1] else pytest.mark.slow
                yield pytest.param(opset, case, id=f"{kind}-{index}-{opset}", marks=marks)


@pytest.mark.parametrize(("opset", "case"), [*trials()])
def test_operator_computes_what_onnx_says_and_is_read(tmp_path: Path, opset: int, case: Case) -> None:
    graph = Graph(case.shape, opset=opset)
    output = case.build(graph)
    x = np.random.default_rng(opset).normal(size=(3, *case.shape[1:]))
    judged = Graph(case.shape, opset=max(opset, case.judged_at))
    reference = ReferenceEvaluator(judged.model(case.build(judged)))
    expected = np.stack([reference.run(None, {"x": x[index : index + 1]})[0].ravel() for index in range(3)])
    assert np.abs(expected).max() > 0.01

    network = from_onnx(graph.save(tmp_path / "network.onnx", output))
    with torch.no_grad():
        computed = network(torch.from_numpy(x)).numpy().reshape(3, -1)
    assert np.abs(computed - expected).max() <= TOLERANCE * np.abs(expected).max()
    if opset == OPSETS[-1]:  # reading knows nothing of opsets
        read_off = run(read(network, case.shape[1:]), x.reshape(3, -1))[0]
        assert np.abs(read_off - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_every_operator_is_tried() -> None:
    assert set(OPERATORS) == CASES.keys()


def test_the_documentation_lists_them_all() -> None:
    text = (Path(__file__).parent.parent / "docs" / "foreign_code.md").read_text()
    (table,) = re.findall(r"\| operators \|\n\|.*\|\n((?:\|.*\n)+)", text)
    listed = [name for row in table.splitlines() for name in row.split("|")[2].strip().split(", ")]
    assert sorted(listed) == sorted(OPERATORS)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("constant", [2, 3, 0]), ("edge", [2, 3, 3]), ("reflect", [2, 3, 2]), ("wrap", [2, 3, 2])],
)
def test_negative_pads_leave_out_entries(mode: str, expected: list[float]) -> None:
    """ONNX says what they mean; its own reference implementation refuses them."""
    row = torch.tensor([[1.0, 2.0, 3.0]])
    assert pad(row, [0, -1, 0, 1], mode=mode).tolist() == [expected]
