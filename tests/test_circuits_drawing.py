from collections import Counter

import pytest
from hypothesis import given, settings
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch
from random_circuits import Plan, plans

from dlcourse.circuits import (
    Circuit,
    Kind,
    input_indices,
    inputs,
    parity_dnf,
    parity_tree,
    sub_circuits,
    without_xor,
)
from dlcourse.circuits.drawing import FILLS, draw


def texts(axes: Axes) -> Counter[str]:
    return Counter(text.get_text() for text in axes.texts)


def num_bubbles(axes: Axes) -> int:
    return sum(isinstance(patch, Circle) for patch in axes.patches)


@pytest.mark.parametrize(
    ("circuit", "symbols", "bubbles"),
    [
        (parity_tree(4), {"⊕": 3}, 0),
        (without_xor(parity_tree(4)), {"∧": 6, "∨": 3}, 6),
        (parity_dnf(4), {"∧": 8, "∨": 1}, 16),
        (~(inputs(2)[0] & inputs(2)[1]), {"∧": 1}, 1),
    ],
)
def test_the_slides_pictures(circuit: Circuit, symbols: dict[str, int], bubbles: int) -> None:
    axes = draw(circuit)
    assert texts(axes) == {**{f"$x_{{{i}}}$": 1 for i in input_indices(circuit)}, **symbols, "$y$": 1}
    assert num_bubbles(axes) == bubbles


def bodies(axes: Axes) -> list[tuple[float, float, float, float]]:
    """The boxes around the gates, without the second back of an XOR."""
    boxes = []
    for patch in axes.patches:
        if isinstance(patch, PathPatch) and patch.get_facecolor()[3] > 0:
            boxes.append(patch.get_path().get_extents().extents)
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in boxes]


@pytest.mark.slow
@settings(max_examples=30)
@given(plans(4))
def test_any_circuit(plan: Plan) -> None:
    circuit = plan.build()
    axes = draw(circuit, Figure().add_subplot())
    gates = Counter(each.kind for each in sub_circuits(circuit) if each.parts and each.kind is not Kind.not_)
    assert all(texts(axes)[str(kind)] == gates[kind] for kind in FILLS)
    boxes = bodies(axes)
    for i, (left, low, right, high) in enumerate(boxes):
        for other_left, other_low, other_right, other_high in boxes[:i]:
            assert right <= other_left or other_right <= left or high <= other_low or other_high <= low


def test_a_column_for_each_level() -> None:
    boxes = bodies(draw(without_xor(parity_tree(8))))
    columns = Counter(round(left, 6) for left, *_ in boxes)
    assert [columns[left] for left in sorted(columns)] == [8, 4, 4, 2, 2, 1]


def test_a_figure_of_its_own_fits() -> None:
    figure = draw(parity_tree(4)).figure
    assert isinstance(figure, Figure)
    width, height = figure.get_size_inches()
    assert 2 < width < 5 and 1 < height < 4
