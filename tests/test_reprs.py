"""What a notebook shows of an object: one short line that says what a person wants to know, and no arrays."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from sweeps import result
from torch import nn

from dlcourse import circuits, pieces
from dlcourse.circuits.decision_diagram import DecisionDiagram
from dlcourse.circuits.one_layer import Solution
from dlcourse.layerwise import SoftmaxGradient, explain, layers
from dlcourse.networks import MLP, stack
from dlcourse.pieces.reading import read
from dlcourse.recording import Cell, Judged, Result
from dlcourse.recording.loading import LoadedRun
from dlcourse.recording.weights import Weights
from dlcourse.tasks import Spirals, ZigZag
from dlcourse.training import SGD, Batches, train

LONGEST = 120


def tents() -> nn.Module:
    """|x| on the line: one hidden layer of two units, and a third that is always off."""
    network = nn.Sequential(nn.Linear(1, 3), nn.ReLU(), nn.Linear(3, 1))
    network.load_state_dict(
        {
            "0.weight": torch.tensor([[1.0], [-1.0], [0.0]]), "0.bias": torch.tensor([0.0, 0.0, -1.0]),
            "2.weight": torch.tensor([[1.0, 1.0, 1.0]]), "2.bias": torch.zeros(1),
        }
    )  # fmt: skip
    return network


def cross() -> nn.Module:
    """Two units that cut the plane along its axes; the output knows of one of them only."""
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    network.load_state_dict(
        {
            "0.weight": torch.eye(2), "0.bias": torch.zeros(2),
            "2.weight": torch.tensor([[1.0, 0.0]]), "2.bias": torch.zeros(1),
        }
    )  # fmt: skip
    return network


def of_images() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 4), nn.ReLU(), nn.Linear(4, 10))


def counted_plane() -> object:
    plane = pieces.on_plane(cross(), -1, 1)
    assert plane.num_pieces == 2
    return plane


def counted_box() -> object:
    box = pieces.in_box(cross(), [-1, -1], [1, 3])
    assert box.num_pieces == 2
    return box


def sampled(network: Any) -> object:
    return pieces.sample(network, -1, 1, num_samples=10, generator=torch.Generator().manual_seed(0))


def batches() -> Batches:
    return Batches(range(2), torch.zeros(2, 5, 1), torch.zeros(2, 5, 1), batch_size=4)


def snapshot() -> object:
    networks = [MLP(1, 1, width=4, depth=1) for _ in range(2)]
    return list(train(stack(networks), batches(), loss=ZigZag().loss, optimizer=SGD(rate=0.1), num_steps=3))[-1]


def explained() -> Any:
    return explain(MLP(1, 1, width=2, depth=1), torch.zeros(1), torch.zeros(1))


# Each with its line, or where numbers are random with how it begins.
REPRS: dict[str, tuple[Callable[[], object], str]] = {
    # |x| bends once; its units cut the line at one point.
    "segment": (
        lambda: pieces.on_line(tents(), -2.0, 2.0), "OnLine(num_regions=2, num_pieces=2, start=[-2], end=[2])"
    ),
    "segment between images": (
        lambda: pieces.on_line(of_images(), torch.zeros(28, 28), torch.ones(28, 28)), "OnLine(num_regions="
    ),
    "whole line": (
        lambda: pieces.on_line(tents(), origin=0.5, direction=1.0),
        "OnWholeLine(num_regions=2, num_pieces=2, origin=[0.5], direction=[1])",
    ),
    "lines of a stack": (
        lambda: pieces.on_lines(stack([tents()] * 2), torch.tensor([[-2.0], [1.0]]), torch.tensor([[2.0]] * 2)),
        "OnLines(2 members x 2 lines, 1 to 2 regions, 1 to 2 pieces)",
    ),
    "plane": (lambda: pieces.on_plane(cross(), -1, 1), "OnPlane(num_regions=4, 4 corners from [-1, -1] to [1, 1])"),
    "plane whose pieces are counted": (
        counted_plane, "OnPlane(num_regions=4, num_pieces=2, 4 corners from [-1, -1] to [1, 1])"
    ),
    "box": (
        lambda: pieces.in_box(cross(), [-1, -1], [1, 3]), "InBox(num_regions=4, low=[-1, -1], high=[1, 3])"
    ),
    "box whose pieces are counted": (counted_box, "InBox(num_regions=4, num_pieces=2, low=[-1, -1], high=[1, 3])"),
    "sample": (lambda: sampled(cross()), "Sample(num_samples=10, mean="),
    "sample of a stack": (lambda: sampled(stack([cross(), cross()])), "Sample(2 members, num_samples=10, means="),
    "layer that was read": (lambda: read(cross())[0], "UnitLayer(members=1, in_features=2, out_features=2)"),
    "stack": (
        # 4 weights, 4 biases, 4 weights and 1 bias
        lambda: stack([MLP(1, 1, width=4, depth=1)] * 2), "Stack(2 members, MLP of 13 parameters each)"
    ),
    "snapshot": (snapshot, "Snapshot(step=3, members=Stack(2 members, MLP of 13 parameters each), 0 diverged)"),
    "batches": (batches, "Batches(2 members, 5 items, in_features=1, out_features=1, batch_size=4)"),
    "data": (
        lambda: Spirals(num_train=30, num_test=60).data(seed=0),
        "Data(30 to train on, 60 to test by, in_features=2, out_features=",
    ),
    "task": (lambda: ZigZag(num_folds=3), "ZigZag("),
    "optimizer": (lambda: SGD(rate=0.1), "SGD(rate=0.1"),
    # 2 weights and 2 biases, 2 weights and 1 bias
    "explanation": (explained, "Explanation(loss="),
    "section": (lambda: explained().sections[1], "Section('"),
    "equation": (lambda: explained().sections[1].equations[0], "Equation('W[1]', value of shape [2, 1])"),
    "layer": (lambda: layers(MLP(3, 1, width=2, depth=1))[0], "Layer(n_in=3, n_out=2, activation=relu)"),
    "last layer": (lambda: layers(MLP(3, 1, width=2, depth=1))[1], "Layer(n_in=2, n_out=1, activation=None)"),
    "softmax": (
        lambda: SoftmaxGradient(torch.zeros(3, 2), torch.zeros(3), torch.zeros(2)),
        "SoftmaxGradient(num_classes=3, n_in=2)",
    ),
    "result": (
        lambda: result(1, 4, 0, 0.0123456),
        "Result('zigzag-name=zigzag-depth=1",
    ),
    "result that diverged": (
        lambda: Result("run", {}, {"loss/test": 1.0, "accuracy": 0.12345}, 7, 1.0),
        "Result('run', accuracy=0.1235, diverged by step 7)",
    ),
    "measurement": (
        lambda: Result("run", {}, {"gates": 7, "blocks": "(1 2 3) (4 5 6) (7 8 9)"}, None, 1.0),
        "Result('run', gates=7, blocks=(1 2 3) (4 5 6) (7 8)",
    ),
    "cell": (
        lambda: Cell(3, 8, "", [result(3, 8, seed, 0.01 * seed) for seed in range(3)], None, ("rate",), "0.01", 5),
        "Cell('depth 3, width 8', 3 runs, 1 solve it, chosen 0.01)",
    ),
    "judged": (
        lambda: Judged({"model.depth": 3}, result(3, 8, 0, 0.1), [result(3, 8, 0, 0.1)], (), ((0.1,), (0.3,))),
        "Judged(model.depth=3: 1 run, chosen 0.1 | 0.3)",
    ),
    "run read back": (
        lambda: LoadedRun(MLP(1, 1, width=4, depth=1), {}, {"loss/test": 1.0, "accuracy": 0.5}, Path("outputs/a/run")),
        "LoadedRun('run', MLP, accuracy=0.5)",
    ),
    "kept weights": (
        lambda: Weights([0, 50, 100], {"weight": torch.zeros(3, 4, 2), "bias": torch.zeros(3, 4)}),
        "Weights(12 parameters at 3 steps from 0 to 100)",
    ),
    "no weights": (Weights, "Weights(0 parameters at no step)"),
    # four inputs in three gates, on two levels
    "circuit": (lambda: circuits.parity_tree(4), "<circuit of 3 gates, depth 2, 4 inputs>"),
    # as on the slide: 8 terms
    "minimised": (lambda: circuits.minimise(circuits.parity_tree(4)), "Minimised(8 terms, is_smallest=True)"),
    "cover": (
        lambda: DecisionDiagram(circuits.parity_tree(4)).irredundant_cover(), "<cover of 8 terms, 32 literals>"
    ),
    "decision diagram": (
        # Bryant: parity of d inputs has 2d - 1 nodes
        lambda: DecisionDiagram(circuits.parity_tree(4)), "<decision diagram of 7 nodes, 4 inputs>"
    ),
    "solution": (
        lambda: Solution(Fraction(1, 2), [[Fraction(1), Fraction(2), Fraction(3)]]),
        "Solution(units: 1 of 2 inputs, constant=1/2)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPRS)
def test_one_short_line_says_what_it_is(name: str) -> None:
    make, beginning = REPRS[name]
    line = repr(make())
    assert line.startswith(beginning)
    assert "\n" not in line
    assert "tensor(" not in line and "array(" not in line
    assert len(line) <= (LONGEST if name not in ("task", "optimizer", "result") else 240), line


def test_a_point_of_many_coordinates_is_its_shape() -> None:
    line = pieces.on_line(of_images(), torch.zeros(28, 28), torch.ones(28, 28))
    assert repr(line).endswith("start=<28 x 28>, end=<28 x 28>)")


def test_looking_counts_no_pieces() -> None:
    plane, box = pieces.on_plane(cross(), -1, 1), pieces.in_box(cross(), [-1, -1], [1, 1])
    for each in (plane, box):
        repr(each)
        assert not {"num_pieces", "_geometry"} & set(vars(each))
