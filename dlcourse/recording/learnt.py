"""Pictures of what networks have learnt: the fit and its breakpoints, or decision regions, at several steps.

Made with matplotlib's objects alone, without pyplot and its global state. Importing this module imports matplotlib
(half a second): import it where a picture is drawn.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from dlcourse.palette import CLASS_COLORS, DATA_COLOR, INK, NETWORK_COLOR, TARGET_COLOR
from dlcourse.recording.figures import CLASS_MARKERS, plain_axes, write_title
from dlcourse.recording.over_seeds import in_words

NUM_COLORS = 256
"""With so many, chosen for the picture, it takes a third of the bytes, and TensorBoard's checksums of the time."""


@dataclass(frozen=True)
class Shown:
    """A network at some step, as it is shown.

    Attributes:
        network: Maps inputs `[n, in_features]`, of the type and device of the data, to outputs `[n, out_features]`.
        breakpoints: Of a network of one input: where one linear piece ends and the next begins.
        num_pieces: Likewise, how many there are; None for networks without.
        metrics: Name -> value, said below the title.
    """

    network: Callable[[Tensor], Tensor]
    breakpoints: Sequence[float] | np.ndarray | Tensor = ()
    num_pieces: int | None = None
    metrics: Mapping[str, int | float] = field(default_factory=dict)

    def says(self) -> list[str]:
        """What is said of it: "8 linear pieces", "mean squared error 0.0012"."""
        pieces = [] if self.num_pieces is None else [f"{self.num_pieces} linear piece{'s' * (self.num_pieces != 1)}"]
        return pieces + [f"{in_words(name)} {value:.3g}" for name, value in self.metrics.items()]


@dataclass(frozen=True)
class Film:
    """A figure with all that does not move, and what is drawn over it in each picture, from the back to the front.

    Attributes:
        figure: The figure.
        title: What all pictures have in their title.
        moving: For each picture its own artists.
        said: For each picture what stands below its title.
    """

    figure: Figure
    title: str
    moving: list[list[Artist]]
    said: list[list[str]]

    def to_pngs(self, *, width: int = 1000) -> list[bytes]:
        """The pictures as PNG files, the same bytes each time.

        Laying the figure out and drawing what does not move takes most of the time, and is done once.

        Args:
            width: In pixels; the height follows from the figure's proportions.
        """
        canvas = FigureCanvasAgg(self.figure)
        self.figure.set_dpi(width / self.figure.get_figwidth())
        title = write_title(self.figure, self.title, self.said[0])  # there already, so that it gets its room
        for artist in [title, *(artist for artists in self.moving for artist in artists)]:
            artist.set_animated(True)  # matplotlib's word for what it leaves to its caller to draw
        canvas.draw()  # type: ignore[no-untyped-call]
        still = canvas.copy_from_bbox(self.figure.bbox)  # type: ignore[no-untyped-call]
        pictures = []
        for artists, said in zip(self.moving, self.said, strict=True):
            canvas.restore_region(still)  # type: ignore[no-untyped-call]
            for artist in [write_title(self.figure, self.title, said), *artists]:
                self.figure.draw_artist(artist)
            pictures.append(_to_png(canvas))
        return pictures


def fits(
    networks: Sequence[Shown],
    *,
    target: Callable[[Tensor], Tensor] | None,
    train_inputs: Float[Tensor, "train 1"],
    train_targets: Float[Tensor, "train 1"],
    start: float,
    end: float,
    title: str,
) -> Film:
    """Networks' functions of one input against the target, breakpoints marked on the curve and along the axis.

    The axes are the same in all pictures, and show all of each.

    Args:
        networks: At least one.
        target: The function to be learnt, likewise from inputs `[n, 1]` to outputs `[n, 1]`; None if there is none.
        train_inputs: The points that the networks were trained on.
        train_targets: Their (noisy) values.
        start: Left end of the interval that is drawn.
        end: Right end.
        title: What network this is: "depth 3, width 8, relu, seed 0".
    """
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.add_subplot()
    plain_axes(axes)
    axes.scatter(
        train_inputs.cpu(), train_targets.cpu(), s=12, color=DATA_COLOR, alpha=0.6, linewidths=0, label="train points"
    )
    grid = torch.linspace(start, end, 1001, dtype=torch.float64)
    if target is not None:
        axes.plot(grid, _values(target, grid, train_inputs), color=TARGET_COLOR, lw=4, alpha=0.7, label="target")
    moving = [_curve(axes, shown, grid, train_inputs) for shown in networks]
    axes.set_xlim(start, end)
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    _legend(figure, axes, num_columns=4)
    write_title(figure, title, networks[0].says())
    return Film(figure, title, moving, [shown.says() for shown in networks])


def _curve(axes: Axes, shown: Shown, grid: Tensor, like: Tensor) -> list[Artist]:
    """A network's curve, with its breakpoints."""
    corners = torch.as_tensor(shown.breakpoints, dtype=torch.float64)
    # The breakpoints are among the points that are drawn: a corner between two grid points would be cut off.
    inputs = torch.cat([grid, corners]).sort().values
    values = _values(shown.network, inputs, like)
    artists: list[Artist] = [*axes.plot(inputs, values, color=NETWORK_COLOR, lw=1.8, label="network")]
    if len(corners):
        look = {"ms": 5.5, "mfc": "white", "mec": NETWORK_COLOR, "mew": 1.4}
        artists += axes.plot(corners, _values(shown.network, corners, like), "o", label="breakpoints", **look)  # type: ignore[arg-type]
        marks = axes.vlines(corners, 0, 0.035, color=NETWORK_COLOR, lw=1.2, transform=axes.get_xaxis_transform())
        artists.append(marks)
    return artists


def decision_regions(
    classifiers: Sequence[Shown],
    *,
    inputs: Float[Tensor, "items 2"],
    classes: Int[Tensor, " items"],
    low: tuple[float, float],
    high: tuple[float, float],
    title: str,
) -> Film:
    """The class that networks of two inputs give to each point of a rectangle, the boundaries, and the data.

    Args:
        classifiers: At least one. Their outputs are logits `[n, num_classes]`, or one output `[n, 1]` whose sign tells
            class 1 from class 0.
        inputs: Data points.
        classes: Their true classes, from 0.
        low: Lower left corner of the rectangle.
        high: Upper right corner.
        title: What network this is: "depth 3, width 8, relu, seed 0".
    """
    figure = Figure(figsize=(7, 7), layout="constrained")
    axes = figure.add_subplot()
    plain_axes(axes, grid=False)
    moving = [_regions(axes, shown, inputs, low, high) for shown in classifiers]
    points, labels = inputs.cpu(), classes.cpu()
    front: list[Artist] = [axes.spines["left"], axes.spines["bottom"]]
    for index in labels.unique().tolist():
        look = {"s": 26, "edgecolors": "white", "linewidths": 0.6, "marker": CLASS_MARKERS[index % len(CLASS_MARKERS)]}
        items = points[labels == index]
        front.append(axes.scatter(*items.T, color=_class_color(index), label=f"class {index}", **look))  # type: ignore[arg-type]
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_xlabel("x[1]")
    axes.set_ylabel("x[2]")
    _legend(figure, axes, num_columns=6)
    write_title(figure, title, classifiers[0].says())
    return Film(figure, title, [artists + front for artists in moving], [shown.says() for shown in classifiers])


def _regions(
    axes: Axes, shown: Shown, like: Tensor, low: tuple[float, float], high: tuple[float, float]
) -> list[Artist]:
    """The regions of a network's classes as tinted areas, with their boundaries."""
    resolution = 300
    x = torch.linspace(low[0], high[0], resolution, dtype=torch.float64)
    y = torch.linspace(low[1], high[1], resolution, dtype=torch.float64)
    with torch.no_grad():
        logits = shown.network(torch.cartesian_prod(y, x).flip(-1).to(like)).double().cpu()
    if logits.shape[-1] == 1:
        logits = torch.cat([-logits, logits], -1)
    logits = logits.reshape(resolution, resolution, -1)
    tints = np.array([_tint(_class_color(index)) for index in range(logits.shape[-1])])
    extent = (low[0], high[0], low[1], high[1])
    chosen = logits.argmax(-1)
    artists: list[Artist] = [
        axes.imshow(tints[chosen], origin="lower", extent=extent, aspect="equal", interpolation="nearest")
    ]
    for index in range(logits.shape[-1]):
        others = logits.clone()
        others[..., index] = -math.inf
        # By how much the class leads the best of the others. The boundary of its region is where that is 0.
        lead = logits[..., index] - others.amax(-1)
        if lead.min() < 0 < lead.max():
            artists.append(axes.contour(x, y, lead, levels=[0], colors=INK, linewidths=1.1))
    return artists


def _legend(figure: Figure, axes: Axes, *, num_columns: int) -> None:
    """Below the axes, what is in any of the pictures."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(list(once.values()), list(once), loc="outside lower center", ncols=num_columns, frameon=False)


def _to_png(canvas: FigureCanvasAgg) -> bytes:
    """What is on the canvas as a PNG file."""
    content = io.BytesIO()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    drawn.quantize(NUM_COLORS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(content, format="png")
    return content.getvalue()


def _class_color(index: int) -> str:
    """The colour of a class; beyond ten they start again, with other markers."""
    return CLASS_COLORS[index % len(CLASS_COLORS)]


def _tint(color: str) -> np.ndarray:
    """A colour mixed with white."""
    return 1 - 0.3 * (1 - np.array(to_rgb(color)))


def _values(function: Callable[[Tensor], Tensor], inputs: Tensor, like: Tensor) -> Tensor:
    """A function of one input at some points, computed in the type and on the device of `like`."""
    with torch.no_grad():
        return function(inputs.to(like)[:, None])[:, 0].double().cpu()
