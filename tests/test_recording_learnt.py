"""The pictures of what networks have learnt: what they show, and that only what moves differs between them."""

import io
import math

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from dlcourse.palette import CLASS_COLORS, NETWORK_COLOR
from dlcourse.recording.learnt import Film, Shown, decision_regions, fits


def texts(figure: Figure) -> list[str]:
    """All that one can read in a figure's title, legend, axes titles and labels and notes."""
    found = [figure.get_suptitle()]
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *(text.get_text() for text in axes.texts)]
    return found


def line(axes: object, label: str) -> np.ndarray:
    """The points of the line of that label, [n, 2]."""
    (found,) = (line for line in axes.lines if line.get_label() == label)
    return np.asarray(found.get_xydata())


def tent(x: Tensor) -> Tensor:
    return 1 - (x - 1).abs()


TENT = Shown(tent, [1.0], 2, {"mean_squared_error": 0.001234})


def film(*networks: Shown, **changes: object) -> Film:
    arguments: dict[str, object] = {
        "target": lambda x: x,
        "train_inputs": torch.tensor([[0.5], [1.5]]),
        "train_targets": torch.tensor([[0.25], [2.0]]),
        "start": 0.0,
        "end": 2.0,
        "title": "depth 3, width 8",
    }
    return fits(networks, **(arguments | changes))  # type: ignore[arg-type]


def test_fit_shows_what_it_says() -> None:
    figure = film(TENT).figure
    (axes,) = figure.axes
    assert figure.get_suptitle() == "depth 3, width 8\n2 linear pieces, mean squared error 0.00123"
    network, target = line(axes, "network"), line(axes, "target")
    assert network[0].tolist() == [0, 0]
    assert network[-1].tolist() == [2, 0]
    assert (np.diff(network[:, 0]) >= 0).all()
    np.testing.assert_allclose(target[:, 1], target[:, 0], rtol=1e-6)  # computed in float32
    assert line(axes, "breakpoints").tolist() == [[1, 1]]
    (points,) = (c for c in axes.collections if c.get_label() == "train points")
    assert points.get_offsets().tolist() == [[0.5, 0.25], [1.5, 2.0]]


def test_fit_has_every_corner_in_the_curve() -> None:
    corner = 1 / 3  # between two points of the grid
    point = torch.zeros(1, 1, dtype=torch.float64)
    shown = Shown(lambda x: (x - corner).abs(), np.array([corner]))
    figure = film(shown, target=None, train_inputs=point, train_targets=point).figure
    assert line(figure.axes[0], "network")[:, 1].min() == 0


def test_fit_without_pieces_and_target() -> None:
    figure = film(Shown(tent), target=None).figure
    assert figure.get_suptitle() == "depth 3, width 8"
    assert {"target", "breakpoints"}.isdisjoint(texts(figure))
    assert Shown(tent, num_pieces=1).says() == ["1 linear piece"]


def test_networks_are_called_in_the_type_of_the_data() -> None:
    network = nn.Linear(1, 1, dtype=torch.float32)
    curve = line(film(Shown(network), target=None).figure.axes[0], "network")
    assert curve[-1, 1] == network(torch.full((1, 1), 2.0)).item()


def image(png: bytes) -> np.ndarray:
    """Its pixels, [height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def near(pixels: np.ndarray, colour: str) -> np.ndarray:
    """Where the pixels have this colour, but for the palette of the file."""
    return (np.abs(pixels - 255 * np.array(to_rgb(colour))) < 24).all(-1)


def test_each_picture_has_its_own_network_and_only_that() -> None:
    """A constant each: its line stands at the height that the common axes give it, and nowhere else."""
    heights = [0.5, 8.0, -3.0]
    shown = [Shown(lambda x, y=y: torch.full_like(x, y), metrics={"accuracy": y}) for y in heights]
    three = film(*shown)
    pictures = [image(png) for png in three.to_pngs(width=400)]
    (axes,) = three.figure.axes
    low, high = axes.get_ylim()
    assert low < -3 and high > 8  # so that none is cut off
    left, right = (round(axes.transData.transform((x, 0))[0]) for x in (0.2, 1.8))
    for height, pixels in zip(heights, pictures, strict=True):
        rows = np.flatnonzero(near(pixels[:, left:right], NETWORK_COLOR).mean(1) > 0.8)
        expected = 200 - axes.transData.transform((0, height))[1]
        assert len(rows) > 0
        np.testing.assert_allclose(rows + 0.5, expected, atol=1.5)
    # below the axes nothing moves, in the title something does
    np.testing.assert_allclose(pictures[0][170:], pictures[1][170:], atol=24)
    assert np.abs(pictures[0][:30] - pictures[1][:30]).max() > 100


def test_pictures_are_the_same_bytes_each_time_whatever_their_company() -> None:
    first, again = (film(TENT, Shown(tent)).to_pngs() for _ in range(2))
    assert first == again
    assert film(TENT, TENT).to_pngs()[1] == film(TENT).to_pngs()[0]
    assert all(len(png) < 60_000 for png in first)
    picture = Image.open(io.BytesIO(first[0]))
    assert (picture.format, picture.size) == ("PNG", (1000, 500))


def test_a_film_of_decision_regions_has_each_networks_colours() -> None:
    """All of one class each."""
    logits = [torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])]
    regions = decision_regions(
        [Shown(lambda x, each=each: each.expand(len(x), 2)) for each in logits],
        inputs=torch.tensor([[0.0, 0.0]]),
        classes=torch.tensor([0]),
        low=(-1.0, -1.0),
        high=(1.0, 1.0),
        title="one class",
    )
    for index, png in enumerate(regions.to_pngs(width=300)):
        tint = 1 - 0.3 * (1 - np.array(to_rgb(CLASS_COLORS[index])))
        pixels = image(png)
        np.testing.assert_allclose(pixels[150, 100] / 255, tint, atol=0.04)
        assert near(pixels, CLASS_COLORS[0]).any()  # the data point lies over the regions


@pytest.mark.parametrize("single", [False, True], ids=["logits", "one output"])
def test_decision_regions_have_the_colours_of_their_classes(single: bool) -> None:
    def classifier(x: Tensor) -> Tensor:  # class 1 where x[2] > 0.25
        logit = x[:, 1:] - 0.25
        return logit if single else torch.cat([-logit, logit], -1)

    figure = decision_regions(
        [Shown(classifier, metrics={"accuracy": 1.0})],
        inputs=torch.tensor([[0.0, 0.5], [0.0, -0.5], [0.5, -0.5]]),
        classes=torch.tensor([1, 0, 0]),
        low=(-1.0, -1.0),
        high=(1.0, 1.0),
        title="spirals",
    ).figure
    (axes,) = figure.axes
    picture = axes.images[0].get_array()
    assert picture is not None
    colours = [1 - 0.3 * (1 - np.array(to_rgb(colour))) for colour in CLASS_COLORS]
    np.testing.assert_allclose(picture[0, 0], colours[0])  # the first row is the lowest: origin="lower"
    np.testing.assert_allclose(picture[-1, -1], colours[1])
    assert (picture == picture[:, :1]).all()  # x[1] makes no difference
    share = np.isclose(picture[:, 0], colours[1]).all(-1).mean()
    assert share == pytest.approx(0.375, abs=1 / 300)
    boundaries = [
        path
        for c in axes.collections
        if c.get_label() is None or "class" not in c.get_label()
        for path in c.get_paths()
    ]
    heights = np.concatenate([path.vertices[:, 1] for path in boundaries])
    np.testing.assert_allclose(heights, 0.25, atol=1e-6)  # float32 logits
    assert {"class 0", "class 1"} <= set(texts(figure))
    assert figure.get_suptitle() == "spirals\naccuracy 1"


def test_decision_regions_of_many_classes() -> None:
    angles = torch.arange(12) * math.tau / 12
    directions = torch.stack([angles.cos(), angles.sin()], 1)
    figure = decision_regions(
        [Shown(lambda x: x @ directions.T)],
        inputs=directions,
        classes=torch.arange(12),
        low=(-1.0, -1.0),
        high=(1.0, 1.0),
        title="",
    ).figure
    assert {f"class {index}" for index in range(12)} <= set(texts(figure))
