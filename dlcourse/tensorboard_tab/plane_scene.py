"""A network on a rectangle of the plane: its classes as colours, its linear regions in white, the boundary in black."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import nn

from dlcourse import pieces
from dlcourse.palette import CLASS_COLORS, INK
from dlcourse.tasks import Data, Task
from dlcourse.tensorboard_tab.axes import SYMBOLS, figure
from dlcourse.tensorboard_tab.raster import Raster, image, rgb
from dlcourse.tensorboard_tab.scene import Moment, Scene, counted, short

PIXELS = 480
"""The longer side of the picture."""

COARSER = 2
"""Classes are asked for at every second pixel; regions and the boundary, where there are pieces, are drawn exactly."""

POINTS_AT_ONCE = 4096
"""With so many, what a network computes stays in the processor's cache."""

MOST_REGIONS = 10_000
"""More regions are not drawn: each would have some 20 pixels, and a step would take a second."""

MOST_POINTS = 300

Corner = tuple[float, float]


def plane(task: Task, data: Data) -> Scene:
    """What class a network gives to each point of the task's rectangle, and its linear regions there.

    If it has one output, its sign tells class 1 from class 0.

    Args:
        task: A task of two inputs with a rectangle.
        data: Its data, of which test points are shown.
    """
    assert task.rectangle is not None
    low, high = task.rectangle
    inputs, targets = data.test_inputs[:MOST_POINTS], data.test_targets[:MOST_POINTS]
    classes = targets.argmax(1) if targets.shape[1] > 1 else (targets[:, 0] > 0).long()
    traces: list[dict[str, Any]] = []
    for index in classes.unique().tolist():
        x, y = inputs[classes == index].T.tolist()
        look = {"color": CLASS_COLORS[index % len(CLASS_COLORS)], "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 7}
        marker = {**look, "line": {"color": "white", "width": 1}}
        name = f"class {index}"
        traces.append({"type": "scatter", "mode": "markers", "name": name, "x": short(x), "y": short(y)})
        traces[-1]["marker"] = marker
    axis = {"showgrid": False, "constrain": "domain"}
    still = figure(
        traces,
        "decision and linear regions",
        x={**axis, "title": {"text": "x[1]", "standoff": 6}, "range": [low[0], high[0]]},
        y={**axis, "title": {"text": "x[2]", "standoff": 6}, "range": [low[1], high[1]], "scaleanchor": "x"},
    )
    still["layout"]["images"] = [image(low, high)]

    def at(network: nn.Module) -> Moment:
        picture, said = drawn(network, low, high)
        return Moment(layout={"images[0].source": picture}, said=said)

    return Scene("plane", still, at)


def drawn(network: nn.Module, low: Corner, high: Corner) -> tuple[str, list[str]]:
    """The picture of a network, and what is said of it.

    Args:
        network: A network of two inputs.
        low: The lower left corner of the rectangle.
        high: The upper right corner.
    """
    if not all(values.isfinite().all() for values in network.parameters()):
        return "", ["not finite"]
    raster = Raster(low, high, PIXELS)
    classes = _classes(network, low, high, (raster.width // COARSER, raster.height // COARSER))
    tints = np.array([rgb(color, 0.55) for color in CLASS_COLORS], dtype=np.uint8)
    pixels = tints[classes % len(CLASS_COLORS)]
    try:
        on_plane = pieces.on_plane(network, low, high, max_regions=MOST_REGIONS)
    except (TypeError, ValueError) as error:
        pixels[_changes(classes)] = rgb(INK)
        raster.fill(pixels)
        are_many = str(error).startswith("max_regions")  # else it has no pieces
        return raster.source(), [f"more than {MOST_REGIONS} activation regions, not drawn"] if are_many else []
    raster.fill(pixels)
    left, right = on_plane.edge_regions.T
    piece = on_plane.piece_of_region
    sides = on_plane.vertices[on_plane.edges[(right >= 0) & (piece[left] != piece[right])]]
    raster.lines(sides, [(255, 255, 255)] * len(sides), np.full(len(sides), 0.75))
    boundary = on_plane.decision_boundary()
    raster.lines(boundary, [rgb(INK)] * len(boundary), np.full(len(boundary), 2.0))
    said = [counted(on_plane.num_pieces, "linear region"), counted(on_plane.num_regions, "activation region")]
    return raster.source(), said


def _classes(network: nn.Module, low: Corner, high: Corner, size: tuple[int, int]) -> Int[np.ndarray, "height width"]:
    """The class of every point of a grid, the lowest row first."""
    like = next(network.parameters())
    x, y = (torch.linspace(start, end, num, dtype=like.dtype) for start, end, num in zip(low, high, size, strict=True))
    points = torch.stack([x.repeat(len(y)), y.repeat_interleave(len(x))], 1)
    with torch.inference_mode():
        outputs = torch.cat([network(some) for some in points.split(POINTS_AT_ONCE)])
    classes = (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)
    return classes.reshape(len(y), len(x)).numpy()


def _changes(classes: Int[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The pixels of another class than the one below or to the left."""
    changes = np.zeros(classes.shape, dtype=bool)
    changes[1:] |= classes[1:] != classes[:-1]
    changes[:, 1:] |= classes[:, 1:] != classes[:, :-1]
    return changes
