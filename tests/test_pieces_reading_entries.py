"""Matrices as lists of entries, and layers without their zeros: against dense arrays, torch and exact fractions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.arithmetic.rounding import EPS, frobenius, norm, num_terms, roundings
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.reading import affine, read
from dlcourse.pieces.reading.entries import Entries, assembled, entries_of, equal, in_the_same_places
from tests.marks import slow_except
from tests.networks import Layer, run
from tests.test_pieces_line import exact_counts
from tests.test_pieces_plane import SQUARE, exact_cells
from tests.test_pieces_plane import exact_counts as exact_counts_on_plane


def random_matrix(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    """About two of three numbers are 0."""
    random = np.random.default_rng(seed)
    return random.integers(-2, 3, shape) * (random.random(shape) < 1 / 3).astype(float)


def dense(matrix: Entries) -> np.ndarray:
    """The same with its zeros."""
    array = np.zeros((len(matrix.values), *matrix.shape))
    assert len({*zip(matrix.row.tolist(), matrix.column.tolist(), strict=True)}) == len(matrix.row)  # no place has two
    for entry, (row, column) in enumerate(zip(matrix.row, matrix.column, strict=True)):
        array[:, row, column] = matrix.values[:, entry]
    assert (np.diff(matrix.row) >= 0).all()
    return array


@pytest.mark.parametrize("seed", range(5))
def test_rows_and_columns_are_numpys(seed: int) -> None:
    array = random_matrix(seed, (2, 5, 4))
    matrix = entries_of(array)
    np.testing.assert_array_equal(dense(matrix), array)
    rows, columns = np.array([3, -1, 0, 3, 4]), np.array([2, 0])
    np.testing.assert_array_equal(dense(matrix.rows(rows)), array[:, rows] * (rows >= 0)[:, None])
    np.testing.assert_array_equal(dense(matrix.columns(columns)), array[:, :, columns])
    assert dense(matrix.rows(np.array([-1, -1]))).shape == (2, 2, 4)


@pytest.mark.parametrize("seed", range(5))
def test_two_matrices_get_the_same_places(seed: int) -> None:
    one, other = random_matrix(seed, (1, 3, 4)), random_matrix(seed + 10, (2, 3, 4))
    both = in_the_same_places(entries_of(one), entries_of(other))
    np.testing.assert_array_equal(both[0].row, both[1].row)
    np.testing.assert_array_equal(both[0].column, both[1].column)
    np.testing.assert_array_equal(dense(both[0]), one)
    np.testing.assert_array_equal(dense(both[1]), other)
    assert not equal(entries_of(one), entries_of(one + np.eye(3, 4)))
    assert equal(entries_of(one), both[0])


def test_parts_are_put_side_by_side() -> None:
    a, b, c = (random_matrix(seed, (1, 2, 3)) for seed in range(3))
    parts = [(0, 0, entries_of(a)), (0, 3, entries_of(b)), (2, 3, entries_of(c))]
    expected = np.block([[a[0], b[0]], [np.zeros((2, 3)), c[0]]])
    np.testing.assert_array_equal(dense(assembled(parts, (4, 6), 2)), np.stack([expected, expected]))
    assert dense(assembled([], (2, 3), 2)).shape == (2, 2, 3)


# Convolutions against torch


def random_convolution(seed: int) -> tuple[nn.Module, tuple[int, ...]]:
    """Of one, two or three dimensions, transposed or not, strided, dilated, padded, in groups."""
    random = np.random.default_rng(seed)
    dimensions, transposed, groups = int(random.integers(1, 4)), bool(random.integers(2)), int(random.integers(1, 3))
    kinds = [nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]
    kind = kinds[dimensions - 1 + 3 * transposed]
    draw = lambda low, high: tuple(random.integers(low, high, dimensions).tolist())  # noqa: E731
    settings = {"stride": draw(1, 3), "padding": draw(0, 2), "dilation": draw(1, 3), "groups": groups}
    kernel_size = draw(1, 4)
    if not transposed and random.random() < 0.2:
        settings |= {"stride": 1, "padding": "same"}
        kernel_size = 3
    torch.manual_seed(seed)
    layer = kind(2 * groups, 3 * groups, kernel_size, bias=False, **settings)
    return layer.double(), (2 * groups, *(draw(5, 8) if dimensions < 3 else (5, 5, 5)))


@pytest.mark.parametrize("seed", range(30))
def test_the_matrix_of_a_convolution_is_what_it_makes_of_unit_vectors(seed: int) -> None:
    convolution, shape = random_convolution(seed)
    (layer,) = read(convolution, shape)
    units = torch.eye(int(np.prod(shape)), dtype=torch.float64).reshape(-1, *shape)
    np.testing.assert_array_equal(layer.weight[0], convolution(units).flatten(1).T.detach().numpy())


def pruned_convolution(seed: int) -> nn.Sequential:
    """A convolution of which one weight is left, a power of two, and a map that adds its outputs up."""
    random = np.random.default_rng(seed)
    convolution = nn.Conv1d(2, 1, 3, padding=int(random.integers(2)), bias=False)
    nn.init.zeros_(convolution.weight).data.view(-1)[random.integers(6)] = random.choice([-2.0, -1.0, 0.5, 1.0])
    sums = [nn.AvgPool1d(2, 1), nn.AvgPool1d(3, 2, padding=1), nn.Conv1d(1, 2, 2), nn.Conv1d(1, 3, 3, dilation=2)]
    return nn.Sequential(convolution, sums[seed % len(sums)], nn.Flatten()).double().requires_grad_(False)


@pytest.mark.parametrize("seed", range(12))
def test_zeros_among_the_weights_of_a_convolution_hide_no_others(seed: int) -> None:
    network = pruned_convolution(seed)
    layers = read(network, (2, 9))
    inputs = torch.from_numpy(np.random.default_rng(seed).integers(-9, 10, (20, 2, 9)).astype(float))
    for values, outputs in zip(inputs.flatten(1).numpy(), network(inputs).numpy(), strict=True):
        found, bound = run(layers, values)
        np.testing.assert_allclose(found, outputs, rtol=0, atol=bound)


def test_convolutions_of_images_take_no_dense_matrix() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 5)
    )
    layers = read(network.double(), (3, 32, 32))  # the second layer would have 16384 x 16384 numbers, 2 GB
    assert [layer.is_sparse for layer in layers] == [True, True, True, False]
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = x.flatten(1).T.numpy()
    for layer in layers:
        out = np.empty((layer.bias.shape[1], 2))
        layer.product(values, out)
        out += layer.bias.T
        values = np.where(out < 0, layer.slope.T * out, out)
    expected = network(x).T.detach().numpy()
    assert np.abs(values - expected).max() < 1e4 * EPS * np.abs(expected).max()


# What bounds are derived from


@pytest.mark.parametrize("seed", range(5))
def test_norms_and_terms_of_sparse_layers(seed: int) -> None:
    from scipy.sparse import csr_array

    array = random_matrix(seed, (2, 9, 7))
    bias = np.random.default_rng(seed).normal(size=(2, 9))
    layer = UnitLayer(tuple(csr_array(of_member) for of_member in array), bias, np.zeros((2, 9)))
    with_zeros = UnitLayer(array, bias, np.zeros((2, 9)))
    np.testing.assert_array_equal(layer.weight, array)
    np.testing.assert_array_equal(layer.row_sums, with_zeros.row_sums)
    np.testing.assert_array_equal(num_terms(layer.stored), num_terms(array))
    np.testing.assert_allclose(frobenius(layer.stored), np.linalg.norm(array, axis=(1, 2)), rtol=8 * EPS)
    assert (norm(layer.stored, 10) >= np.linalg.norm(np.abs(array), 2, axis=(1, 2)) * (1 - 8 * EPS)).all()
    for one, other in zip(
        roundings(layer.stored, bias, layer.row_sums), roundings(array, bias, layer.row_sums), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    units = np.array([4, 1])
    row, which, numbers = layer.entries(units, 1)
    columns = np.zeros((9, 2))
    columns[row, which] = numbers
    np.testing.assert_array_equal(columns, array[1][:, units])
    assert layer.in_features == 7


# Counts against fractions


@st.composite
def pooled_networks(draw: st.DrawFn) -> tuple[nn.Sequential, list[Layer]]:
    """A convolution of eight numbers, ReLU, a pool over pairs, an affine layer, ReLU and an affine layer; and that as
    affine layers with ReLU between: the larger one of a and b, neither of which is negative, is b + relu(a - b)."""
    number = st.sampled_from([-1.0, 1.0, 2.0, -0.5, 0.0, 1 / 3])
    kernel = [[draw(number) for _ in range(3)] for _ in range(2)]
    biases = [draw(st.sampled_from([0.0, 0.0, 1.0, -0.25])) for _ in range(2)]
    pool = draw(st.sampled_from([nn.MaxPool1d, nn.AvgPool1d]))
    hidden = [[draw(number) for _ in range(8)] for _ in range(3)]
    hidden_biases = [draw(st.sampled_from([0.0, 0.5, -1.0])) for _ in range(3)]
    network = nn.Sequential(
        nn.Conv1d(1, 2, 3, padding=1), nn.ReLU(), pool(2), nn.Flatten(), nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 1)
    ).double()
    for parameter, values in zip(
        network.parameters(),
        [[[row] for row in kernel], biases, hidden, hidden_biases, [[1.0, -2.0, 1.0]], [0.0]],
        strict=True,
    ):
        parameter.data = torch.tensor(values, dtype=torch.float64)
    band = [[row[j - i + 1] if 0 <= j - i + 1 < 3 else 0.0 for j in range(8)] for row in kernel for i in range(8)]
    pairs = [(2 * i, 2 * i + 1) for i in range(8)]
    if pool is nn.AvgPool1d:
        means = [[sum(row[i] * (u in pairs[i]) / 2 for i in range(8)) for u in range(16)] for row in hidden]
        middle = [(means, hidden_biases)]
    else:
        first = [[float(u == a) - float(u == b) for u in range(16)] for a, b in pairs]
        second = [[float(u == b) for u in range(16)] for a, b in pairs]
        middle = [(first + second, [0.0] * 16), ([row + row for row in hidden], hidden_biases)]
    return network, [(band, [b for b in biases for _ in range(8)]), *middle, ([[1.0, -2.0, 1.0]], [0.0])]


@pytest.mark.parametrize("sparse", slow_except([True, False], True))
@settings(max_examples=10, deadline=None)
@given(case=pooled_networks(), data=st.data())
def test_pooled_networks_on_lines_against_fractions(
    sparse: bool, case: tuple[nn.Sequential, list[Layer]], data: st.DataObject
) -> None:
    network, layers = case
    points = st.lists(st.integers(-3, 3).map(float), min_size=8, max_size=8)
    start, end = data.draw(points), data.draw(points)
    if start == end:
        end[0] += 1
    with pytest.MonkeyPatch.context() as patch:
        if sparse:
            patch.setattr(affine, "_MANY", 0)
            patch.setattr(affine, "_MOSTLY_ZERO", 0)
        assert any(layer.is_sparse for layer in read(network, (1, 8))) == sparse
        counted = pieces.on_line(network, np.array([start]), np.array([end]))
    assert (counted.num_regions, counted.num_pieces) == exact_counts(layers, start, end)


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [True, False])
@settings(max_examples=10, deadline=None)
@given(case=pooled_networks(), data=st.data())
def test_pooled_networks_on_planes_against_fractions(
    sparse: bool, case: tuple[nn.Sequential, list[Layer]], data: st.DataObject
) -> None:
    network, layers = case
    origin = data.draw(st.lists(st.integers(-2, 2).map(float), min_size=8, max_size=8))
    right, up = [1.0, 0.0, -1.0, 0.0, 2.0, 0.0, 1.0, -1.0], [0.0, 1.0, 1.0, -2.0, 0.0, 1.0, 0.5, 0.0]
    with pytest.MonkeyPatch.context() as patch:
        if sparse:
            patch.setattr(affine, "_MANY", 0)
            patch.setattr(affine, "_MOSTLY_ZERO", 0)
        counted = pieces.on_plane(network, vertices=SQUARE, origin=[origin], directions=[[right], [up]])
    rows = [list(row) for row in zip(right, up, origin, strict=True)]
    cells = exact_cells(layers, SQUARE, plane=rows)
    assert (counted.num_regions, counted.num_pieces) == exact_counts_on_plane(cells)
