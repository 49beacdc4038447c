"""Lines that are divided into blocks, against exact fractions and the same lines in one."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock, patch

import exact_cells
import numpy as np
import pytest
import torch
from marks import slow_except
from networks import he_network
from random_networks import case
from torch import nn

from dlcourse import pieces
from dlcourse.pieces.arithmetic import rounding
from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.line import blocks, growth, intervals, layer_by_layer, steady, subdivision
from dlcourse.pieces.line.closer import Closer, look_closer
from dlcourse.pieces.line.digit_functions import DigitFunctions
from dlcourse.pieces.line.segment import count_on_lines
from dlcourse.pieces.reading import affine, network, read


@pytest.fixture
def in_blocks(request: pytest.FixtureRequest) -> Iterator[Mock]:
    """Makes all layers sparse and blocks small, as small as can be by default; tells how often a line was divided."""
    with (
        patch.object(network, "read_plain", return_value=None),
        patch.multiple(affine, _MANY=0, _MOSTLY_ZERO=0),
        patch.multiple(blocks, _NUMBERS=getattr(request, "param", 8), _LEAST_INTERVALS=1),
        patch.multiple(steady, _LEAST_VERTICES=2, _LEAST_TERMS=0, _FEW=0),
        patch.object(layer_by_layer, "_take_blocks", wraps=layer_by_layer._take_blocks) as divided,
    ):
        yield divided


TOLERANCE = 2.0**-52 * 10_000  # of sums of a hundred products or less in each of three layers, of numbers up to 10
MODERATE = pytest.mark.parametrize("in_blocks", [800], indirect=True)


def convolutional(seed: int, *, is_whole: bool = False) -> nn.Sequential:
    """Two convolutions, each with a pool; whole weights make ties."""
    torch.manual_seed(seed)
    found = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1), nn.LeakyReLU(0.25), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2),
    ).double()  # fmt: skip
    if is_whole:
        for parameter in found.parameters():
            parameter.data = (3 * parameter.data).round()
    return found


def images(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, 1, 8, 8))


@pytest.mark.parametrize("first", slow_except(range(0, 100, 20), 0))
def test_degenerate_networks_are_counted_right_in_blocks(in_blocks: Mock, first: int) -> None:
    num = 0
    for seed in range(first, first + 20):
        one = case(seed)
        if one.on == "segment":
            line = pieces.on_line(one.network, **one.domain)
            counts = exact_cells.counts(one.network, *exact_cells.segment(**one.domain))
            assert (line.num_regions, line.num_pieces) == counts, one.families
            num += 1
    assert num > 2
    assert in_blocks.called


@pytest.mark.slow
def test_degenerate_networks_are_counted_right_on_whole_lines_in_blocks(in_blocks: Mock) -> None:
    num = 0
    for seed in range(60, 80):
        one = case(seed)
        if one.on == "whole line":
            line = pieces.on_line(one.network, **one.domain)
            counts = exact_cells.counts(one.network, *exact_cells.whole_line(**one.domain))
            assert (line.num_regions, line.num_pieces) == counts, one.families
            num += 1
    assert num > 2
    assert in_blocks.called


@MODERATE
@pytest.mark.parametrize("is_whole", slow_except([False, True], False))
def test_blocks_are_put_together_as_the_line_they_were_taken_from(in_blocks: Mock, is_whole: bool) -> None:
    images_network, ends = convolutional(0, is_whole=is_whole), images(0)
    divided = pieces.on_line(images_network, *ends)
    with patch.object(blocks, "_NUMBERS", 10**9):
        whole = pieces.on_line(images_network, *ends)
    assert in_blocks.call_count > 1  # divided blocks, too
    assert divided.num_regions == whole.num_regions > 100
    assert divided.num_pieces == whole.num_pieces
    # A vertex between two blocks is seen from one side only, and a tie on the other side is left to integers.
    assert whole.num_settled <= divided.num_settled <= whole.num_settled + 2
    assert divided.piece_of_region.tolist() == whole.piece_of_region.tolist()
    every = np.arange(whole.num_regions)
    for ours, theirs in zip(divided._patterns(every), whole._patterns(every), strict=True):
        assert (ours == theirs).all()
    assert np.abs(divided.region_breakpoints - whole.region_breakpoints).max() < 2.0**-19  # twice what is promised
    # The bounds that both have tell how far they may be apart.
    bound = divided._errors[0] + whole._errors[0]
    assert (np.abs(divided.slopes - whole.slopes) <= bound).all()


@MODERATE
def test_slopes_of_blocks_are_those_of_the_network(in_blocks: Mock) -> None:
    images_network, (start, end) = convolutional(1), images(1)
    line = pieces.on_line(images_network, start, end)
    assert in_blocks.called
    edges = np.concatenate([[0.0], line.region_breakpoints, [1.0]])
    t = torch.tensor((edges[1:] + edges[:-1]) / 2, requires_grad=True)
    outputs = images_network(torch.tensor(start) + t[:, None, None, None] * torch.tensor(end - start))
    slopes = [torch.autograd.grad(output.sum(), t, retain_graph=True)[0].numpy() for output in outputs.T]
    assert np.abs(np.stack(slopes, axis=1) - line.slopes[line.piece_of_region]).max() < TOLERANCE


def test_convolutions_whose_weights_are_all_zero_have_one_region() -> None:
    convolution = nn.Conv2d(1, 8, 3, dtype=torch.float64)
    for parameter in convolution.parameters():
        nn.init.zeros_(parameter)
    line = pieces.on_line(nn.Sequential(convolution, nn.ReLU()), np.zeros((1, 16, 16)), np.ones((1, 16, 16)))
    assert (line.num_regions, line.num_pieces) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("in_blocks", [3_000], indirect=True)
def test_lines_are_taken_some_at_once(in_blocks: Mock) -> None:
    networks = [convolutional(seed) for seed in (4, 5)]
    random = np.random.default_rng(4)
    starts = random.normal(size=(2, 6, 1, 8, 8))
    ends = starts + np.array([0.001, 0.01, 0.001, 0.1, 0.5, 0.01])[:, None, None, None] * random.normal(
        size=starts.shape
    )
    layers = [
        UnitLayer((*a.stored, *b.stored), np.concatenate([a.bias, b.bias]), np.concatenate([a.slope, b.slope]))
        for a, b in zip(*(read(each, (1, 8, 8)) for each in networks), strict=True)
    ]
    flat = starts.reshape(2, 6, 64), ends.reshape(2, 6, 64)
    counted = count_on_lines(layers, *flat, (1, 8, 8), 10_000)
    assert len({len(some.intervals.last) for some in counted._subdivisions}) > 1  # one alone, and several
    assert in_blocks.called
    for member, network_ in enumerate(networks):
        for index in range(6):
            ends_of_line = starts[member, index], ends[member, index]
            alone, line = pieces.on_line(network_, *ends_of_line), counted.line(member, index)
            assert (line.num_regions, line.num_pieces) == (alone.num_regions, alone.num_pieces)
            assert (line.start == ends_of_line[0]).all()
            assert (line.end == ends_of_line[1]).all()
            assert np.abs(line.region_breakpoints - alone.region_breakpoints).max(initial=0) <= 2.0**-19
            assert line.slopes.shape == (alone.num_pieces, 2)
    num_regions = int(counted.num_regions.sum())
    count_on_lines(layers, *flat, (1, 8, 8), num_regions)
    with pytest.raises(ValueError, match=f"max_regions must be at least the number of regions, got {num_regions - 1}"):
        count_on_lines(layers, *flat, (1, 8, 8), num_regions - 1)


@pytest.mark.slow
@MODERATE
def test_too_many_regions_are_refused_in_blocks(in_blocks: Mock) -> None:
    images_network, ends = convolutional(2), images(2)
    num_regions = pieces.on_line(images_network, *ends).num_regions
    assert in_blocks.called
    assert pieces.on_line(images_network, *ends, max_regions=num_regions).num_regions == num_regions
    with pytest.raises(ValueError, match=f"max_regions must be at least the number of regions, got {num_regions - 1}"):
        pieces.on_line(images_network, *ends, max_regions=num_regions - 1)


@pytest.mark.parametrize("in_blocks", [40], indirect=True)
@pytest.mark.parametrize("seed", slow_except(range(2), 0))
def test_digits_tell_in_blocks_what_they_tell_of_the_whole_line(in_blocks: Mock, seed: int) -> None:
    he, ends = he_network(2, [8] * 24, seed, bias=0.5), ([-2.0, -1.0], [2.0, 1.5])
    deep = nn.Sequential(*(part for layer in he.hidden.layers for part in (layer, nn.ReLU())), he.output)
    of_blocks = []

    def noted(functions: DigitFunctions, *arguments: Any) -> Closer:
        if functions.goes_on:
            of_blocks.append(len(functions.intervals.cuts))
        return look_closer(functions, *arguments)

    only_open = patch.object(growth, "_OPEN", np.inf)
    vague = [patch.object(module, "EPS", 2.0**-32) for module in (rounding, intervals, subdivision)]
    with only_open, vague[0], vague[1], vague[2], patch.object(subdivision, "look_closer", noted):
        divided = pieces.on_line(deep, *ends)
    assert len({*of_blocks}) > 1  # in several layers: what was kept is gone on from
    with patch.object(blocks, "_NUMBERS", 10**9):
        whole = pieces.on_line(deep, *ends)
    assert (divided.num_regions, divided.num_pieces) == (whole.num_regions, whole.num_pieces)
    assert divided.num_regions == exact_cells.counts(deep, *exact_cells.segment(*ends))[0] > 20
    every = np.arange(whole.num_regions)
    for ours, theirs in zip(divided._patterns(every), whole._patterns(every), strict=True):
        assert (ours == theirs).all()
    assert np.abs(divided.region_breakpoints - whole.region_breakpoints).max() < 2.0**-19
