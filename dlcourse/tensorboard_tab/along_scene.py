"""A network along a line: the fit of a curve, or the outputs on a segment between two training points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.palette import CLASS_COLORS, DATA_COLOR, NETWORK_COLOR, TARGET_COLOR
from dlcourse.tasks import Curve, Data, Task
from dlcourse.tensorboard_tab.axes import figure
from dlcourse.tensorboard_tab.scene import Moment, Scene, counted, short

NUM_POINTS = 401
"""Points at which networks without linear pieces are drawn; the others need only their breakpoints."""

MOST_POINTS = 250

MOST_OUTPUTS = 10
"""The first outputs are drawn; there are as many colours."""

ROOM = 0.3
"""Above and below the target there is so much of its height, in which the network is seen where it is wrong.

The axis cannot show all of every step, since it is chosen before all steps are known: what leaves it is cut off."""


@dataclass(frozen=True)
class Drawn:
    """A network along a segment x(t) = start + t (end - start).

    Attributes:
        t: Where it is drawn, from 0 to 1, in rising order.
        outputs: What it is there; empty if something is not finite.
        breakpoints: Those of `t` at which a linear piece ends and the next begins.
        said: What was counted.
    """

    t: Float[np.ndarray, " points"]
    outputs: Float[np.ndarray, "points out_features"]
    breakpoints: Float[np.ndarray, " breakpoints"]
    said: list[str]


def fit(task: Curve, data: Data) -> Scene:
    """A network's function of one number, its breakpoints marked, over the target and the training points.

    Args:
        task: The task.
        data: What the network was trained on.
    """
    start, end = (torch.tensor([value], dtype=torch.float64) for value in (task.low, task.high))
    grid = task.grid()[:, 0]
    target = task.target(grid).tolist()
    inputs, targets = (values[:MOST_POINTS, 0].tolist() for values in (data.train_inputs, data.train_targets))
    low, high = min(*target, *targets), max(*target, *targets)
    room = ROOM * ((high - low) or 1.0)
    hollow = {"color": "white", "size": 7, "line": {"color": NETWORK_COLOR, "width": 1.5}}
    traces = [
        _trace("training points", inputs, targets, mode="markers", marker={"color": DATA_COLOR, "size": 4}),
        _trace("target", grid.tolist(), target, line={"color": TARGET_COLOR, "width": 5}, opacity=0.7),
        _trace("network", [], [], line={"color": NETWORK_COLOR, "width": 2}),
        _trace("breakpoints", [], [], mode="markers", marker=hollow),
    ]
    x = {"title": {"text": "x", "standoff": 6}, "range": [task.low, task.high]}
    still = figure(traces, "fit", x=x, y={"range": [low - room, high + room]})

    def at(network: nn.Module) -> Moment:
        found = along(network, start, end)
        places = task.low + (task.high - task.low) * found.t
        is_corner = np.isin(found.t, found.breakpoints)
        lines = [(places, found.outputs), (places[is_corner], found.outputs[is_corner])]
        data = {"x": [short(x) for x, _ in lines], "y": [short(y[:, 0]) for _, y in lines]}
        return Moment(data, [2, 3], said=found.said)

    return Scene("fit", still, at)


def segment(task: Task, seed: int, networks: Sequence[nn.Module]) -> Scene:
    """A network's outputs on the first of the segments between training points on which its pieces are counted.

    Args:
        task: The task.
        seed: The run's seed, which chose the segments.
        networks: The networks that will be shown: the first and the last say how high the figure is.
    """
    starts, ends = task.lines(seed)
    start, end = starts[0], ends[0]
    num = min(task.out_features, MOST_OUTPUTS)
    ticks = {"color": NETWORK_COLOR, "size": 9, "symbol": "line-ns-open"}
    traces = [_trace("breakpoints", [], [], mode="markers", marker=ticks)] + [
        _trace(_name(index, task), [], [], line={"color": CLASS_COLORS[index % len(CLASS_COLORS)], "width": 2})
        for index in range(num)
    ]
    ends_of_film = [along(network, start, end).outputs[:, :num] for network in (networks[0], networks[-1])]
    values = np.concatenate([outputs.ravel() for outputs in ends_of_film])
    low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
    room = 0.1 * ((high - low) or 1.0)
    title = f"outputs between two training points{'' if num == task.out_features else f', the first {num}'}"
    x = {"title": {"text": "place on the segment from one point to the other", "standoff": 6}, "range": [0, 1]}
    still = figure(traces, title, x=x, y={"range": [low - room, high + room]})

    def at(network: nn.Module) -> Moment:
        found = along(network, start, end)
        t, marks = short(found.t), short(found.breakpoints)
        y = [[low - room / 2] * len(marks), *(short(found.outputs[:, index]) for index in range(num))]
        said = [f"{each} on the segment" for each in found.said]
        return Moment({"x": [marks, *[t] * num], "y": y}, range(num + 1), said=said)

    return Scene("segment", still, at)


def along(network: nn.Module, start: Tensor, end: Tensor) -> Drawn:
    """A network along a segment: exactly, if it is piecewise linear, else at evenly spaced points.

    Args:
        network: The network.
        start: x(0), in float64.
        end: x(1).
    """
    breakpoints, said = np.zeros(0), []
    t = np.linspace(0.0, 1.0, NUM_POINTS)
    try:
        line = pieces.on_line(network, start, end)
    except (TypeError, ValueError):  # it has no pieces, or is not finite
        pass
    else:
        breakpoints = line.breakpoints
        t = np.concatenate([[0.0], breakpoints, [1.0]])
        said = [counted(line.num_pieces, "linear piece"), counted(line.num_regions, "activation region")]
    points = start + torch.from_numpy(t)[:, None] * (end - start)
    with torch.no_grad():
        outputs = network(points.to(next(network.parameters()))).double().numpy()
    if not np.isfinite(outputs).all():
        return Drawn(np.zeros(0), np.zeros((0, outputs.shape[1])), np.zeros(0), ["not finite"])
    return Drawn(t, outputs, breakpoints, said)


def _name(index: int, task: Task) -> str:
    """What an output is called."""
    return "output" if task.out_features == 1 else f"class {index}"


def _trace(name: str, x: Sequence[float], y: Sequence[float], **look: object) -> dict[str, object]:
    """A trace of a figure."""
    return {"type": "scatter", "mode": "lines", "name": name, "x": list(x), "y": list(y), **look}
