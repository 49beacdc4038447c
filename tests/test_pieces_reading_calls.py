"""Networks followed call by call: what they compute, what is counted of them, what is refused."""

import copy
import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import examples
from networks import linear, run
from torch import Tensor, nn
from torch.nn import functional as F

from dlcourse import pieces
from dlcourse.networks import MLP, SoftmaxClassifier, stack
from dlcourse.pieces.reading import read


class Call(nn.Module):
    """A function as a module, with a parameter that it may use."""

    def __init__(self, function: Callable[..., Tensor], *shape: int) -> None:
        super().__init__()
        self.function = function
        self.parameter = nn.Parameter(torch.rand(shape, generator=torch.Generator().manual_seed(1)) - 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.parameter)


class Residual(nn.Module):
    """x + g(x)."""

    def __init__(self, g: nn.Module) -> None:
        super().__init__()
        self.g = g

    def forward(self, x: Tensor) -> Tensor:
        return x + self.g(x)


class Wrapped(nn.Module):
    """A module of no known class, which has to be followed."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


def of(function: Callable[[Tensor], Tensor]) -> nn.Module:
    return Call(lambda x, _: function(x))


def with_statistics(layer: nn.Module) -> nn.Module:
    """Batch normalization that has seen data."""
    generator = torch.Generator().manual_seed(2)
    for name, value in layer.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) + (0.1 if "var" in name else -0.3))
    return layer


VECTOR, SIGNAL, IMAGE = (4,), (2, 9), (2, 6, 7)
LARGEST = torch.finfo(torch.float32).max

UNDERSTOOD: list[tuple[str, nn.Module, tuple[int, ...]]] = [
    ("Linear", nn.Linear(4, 3), VECTOR),
    ("Linear on rows", Wrapped(nn.Linear(9, 3, bias=False)), SIGNAL),
    ("ReLU first", nn.ReLU(), VECTOR),
    ("LeakyReLU", nn.LeakyReLU(0.3), VECTOR),
    ("PReLU", nn.PReLU(), IMAGE),
    ("PReLU for each channel", nn.PReLU(2), IMAGE),
    ("PReLU of vectors", nn.PReLU(4), VECTOR),
    ("Hardtanh", nn.Hardtanh(-0.3, 0.8), VECTOR),
    ("ReLU6", nn.Sequential(nn.Linear(4, 3), Call(lambda x, _: 20 * x), nn.ReLU6()), VECTOR),
    ("Hardsigmoid", nn.Sequential(Call(lambda x, _: 5 * x), nn.Hardsigmoid()), VECTOR),
    ("Conv1d", nn.Conv1d(2, 3, 4, stride=2, padding=1), SIGNAL),
    ("Conv1d same", nn.Conv1d(2, 3, 3, padding="same", bias=False), SIGNAL),
    ("Conv2d", nn.Conv2d(2, 3, 3), IMAGE),
    ("Conv2d with everything", nn.Conv2d(2, 4, (2, 3), stride=(2, 1), padding=(0, 2), dilation=2, groups=2), IMAGE),
    ("BatchNorm1d", with_statistics(nn.BatchNorm1d(4)), VECTOR),
    ("BatchNorm1d of signals", with_statistics(nn.BatchNorm1d(2, affine=False)), SIGNAL),
    ("BatchNorm2d", nn.Sequential(nn.Conv2d(2, 3, 2), with_statistics(nn.BatchNorm2d(3)), nn.ReLU()), IMAGE),
    ("MaxPool1d", nn.MaxPool1d(3, 2, padding=1), SIGNAL),
    ("MaxPool1d dilated", nn.MaxPool1d(2, 1, dilation=3), SIGNAL),
    ("MaxPool2d", nn.MaxPool2d(2), IMAGE),
    ("MaxPool2d with everything", nn.MaxPool2d((2, 3), (3, 2), (1, 1), (1, 2), ceil_mode=True), IMAGE),
    ("MaxPool2d of a convolution", nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(3, 1)), IMAGE),
    ("AvgPool1d", nn.AvgPool1d(3, 2, padding=1, count_include_pad=False), SIGNAL),
    ("AvgPool2d", nn.AvgPool2d(2, ceil_mode=True), IMAGE),
    ("AdaptiveAvgPool1d", nn.AdaptiveAvgPool1d(2), SIGNAL),
    ("AdaptiveAvgPool2d", nn.AdaptiveAvgPool2d((1, 3)), IMAGE),
    ("Flatten", nn.Sequential(nn.Flatten(), nn.Linear(84, 3)), IMAGE),
    ("Unflatten", nn.Unflatten(1, (2, 2)), VECTOR),
    ("Identity", nn.Identity(), VECTOR),
    ("Dropout", nn.Dropout(), VECTOR),
    ("Dropout2d", nn.Dropout2d(), IMAGE),
    ("ZeroPad2d", nn.ZeroPad2d((1, 0, 2, 1)), IMAGE),
    ("MLP in a Sequential", nn.Sequential(nn.LeakyReLU(), MLP(4, 2, width=3, depth=2)), VECTOR),
    ("SoftmaxClassifier on a body", SoftmaxClassifier(4, 3, body=Residual(nn.Linear(4, 4)), body_features=4), VECTOR),
    ("Residual", Residual(nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 4))), VECTOR),
    ("nested residuals", Residual(Residual(nn.Sequential(nn.ReLU(), nn.Linear(4, 4)))), VECTOR),
    ("torch.relu", of(torch.relu), VECTOR),
    ("F.relu", of(lambda x: F.relu(x - 0.25, inplace=True)), VECTOR),
    ("Tensor.relu_", of(lambda x: (0.1 * x).relu_() + x), VECTOR),
    ("F.leaky_relu", of(lambda x: F.leaky_relu(x, 0.1)), VECTOR),
    ("F.prelu", Call(F.prelu, 1), VECTOR),
    ("F.hardtanh", of(F.hardtanh), VECTOR),
    ("F.relu6", of(lambda x: F.relu6(8 * x)), VECTOR),
    ("F.hardsigmoid", of(F.hardsigmoid), VECTOR),
    ("F.dropout", of(lambda x: F.dropout(x, training=False)), VECTOR),
    ("clamp", of(lambda x: x.clamp(-0.1, 0.7)), VECTOR),
    ("clamp from below", of(lambda x: torch.clamp(x, min=0.1)), VECTOR),
    ("clamp from above", of(lambda x: x.clamp_max(0.1)), VECTOR),
    ("clamp by tensors", Call(lambda x, p: torch.clamp(x, p, p + 0.3), 4), VECTOR),
    ("clamp by itself", of(lambda x: x.clamp(x.flip(1) - 1, 0.3 * x + 0.1)), VECTOR),
    ("torch.abs", of(lambda x: torch.abs(x) + abs(x - 1) + (x + 1).abs()), VECTOR),
    ("torch.maximum", of(lambda x: torch.maximum(x, 0.3 * x.flip(1))), VECTOR),
    ("torch.minimum", Call(lambda x, p: torch.minimum(p, x), 4), VECTOR),
    ("torch.max of two", of(lambda x: torch.max(x[:, :2], x[:, 2:]) - torch.min(x[:, 1:3], x[:, :2])), VECTOR),
    ("F.linear", Call(lambda x, p: F.linear(x, p, p[:, 0]), 3, 4), VECTOR),
    ("matmul", Call(lambda x, p: x @ p.T + torch.matmul(x, p.T), 3, 4), VECTOR),
    ("F.conv2d", Call(lambda x, p: F.conv2d(x, p, stride=2), 3, 2, 2, 2), IMAGE),
    ("F.max_pool2d", of(lambda x: F.max_pool2d(x, 2)), IMAGE),
    ("F.avg_pool2d", of(lambda x: F.avg_pool2d(x, 3)), IMAGE),
    ("F.batch_norm", Call(lambda x, p: F.batch_norm(x, p.detach(), p.detach() + 1), 4), VECTOR),
    ("F.pad", of(lambda x: F.pad(x, (1, 2))), VECTOR),
    ("mean", of(lambda x: x.mean((2, 3)) + torch.mean(x, dim=[-1, -2])), IMAGE),
    ("sum", of(lambda x: x.sum(1, keepdim=True)), IMAGE),
    ("+ - *", Call(lambda x, p: 2 - (x * p + 0.3 * x - p) / 3 + x * x.shape[1] - -x, 4), VECTOR),
    ("constants first", Call(lambda x, p: p * x + torch.mul(p, x.flip(1)), 4), VECTOR),
    ("add with alpha", of(lambda x: torch.add(x, x.flip(1), alpha=0.3).sub(x, alpha=2).mul(0.7).div(0.3)), VECTOR),
    ("+=", of(lambda x: augmented(x * 2)), VECTOR),
    ("broadcasting", Call(lambda x, p: x[:, :1] * p + x.mean((2, 3), keepdim=True), 2, 1, 1), IMAGE),
    ("torch.cat", of(lambda x: torch.cat([torch.relu(x), -x, x[:, 1:2]], dim=1)), VECTOR),
    ("torch.stack", of(lambda x: torch.stack((x, torch.relu(x)), 1).sum(1)), VECTOR),
    ("chunk", of(lambda x: torch.maximum(*two(x))), VECTOR),
    ("split and getitem", of(lambda x: x.split([1, 3], dim=1)[1] + x[..., :1]), VECTOR),
    ("view", of(lambda x: x.view(x.size(0), -1)[:, ::5]), IMAGE),
    ("reshape", of(lambda x: x.reshape(-1, 2, 2).transpose(1, 2).flatten(1)), VECTOR),
    ("permute", of(lambda x: x.permute(0, 2, 3, 1).contiguous().unsqueeze(1).squeeze(1)), IMAGE),
    ("channel attention without products", of(lambda x: torch.relu(x - x.mean((2, 3), keepdim=True))), IMAGE),
    ("a tensor in forward", of(lambda x: x + torch.tensor([1.0, 2.0, 3.0, 4.0])), VECTOR),
    ("RReLU", nn.RReLU(), VECTOR),
    ("Softshrink", nn.Softshrink(0.3), VECTOR),
    ("Threshold", nn.Threshold(0.25, 0.25), VECTOR),
    ("F.threshold", of(lambda x: F.threshold(x, 0.0, 0.0)), VECTOR),
    ("relu_ and then both", of(lambda x: x + x.relu_()), VECTOR),
    ("ReLU in place, then the residual", Residual(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4))), VECTOR),
    ("a slice written over", of(lambda x: written(x * 2)), VECTOR),
    ("a slice written to another tensor", of(lambda x: written_into(x.new_zeros(x.size(0), 6), x)), VECTOR),
    ("maxout", of(lambda x: x.view(-1, 2, 2).max(2).values + x.view(-1, 2, 2).max(dim=1)[0]), VECTOR),
    ("torch.min along a dimension", of(lambda x: torch.min(x, 1, keepdim=True)[0] + x), VECTOR),
    ("margin", of(lambda x: x[:, :1] - x[:, 1:].amax(1, keepdim=True)), VECTOR),
    ("global pooling", of(lambda x: x.amax((1, 2)) - torch.amin(x, dim=[-1, -2])), SIGNAL),
    ("where", of(lambda x: torch.where(x > 0, x, 0.1 * x)), VECTOR),
    ("where not above", of(lambda x: torch.where(x <= 0.5, x, 0.5)), VECTOR),
    ("where between two inputs", of(lambda x: torch.where(x > x.flip(1), x, x.flip(1))), VECTOR),
    ("divided by a whole number", of(lambda x: F.relu(x / torch.tensor([3])) - x / torch.tensor(4)), VECTOR),
    ("where with a whole number", of(lambda x: torch.where(x > -0.5, x + 0.5, torch.tensor(0))), VECTOR),
    ("whole numbers written over", of(lambda x: with_a_whole_number(x * 1)), VECTOR),
    ("joined with whole numbers", of(lambda x: torch.cat([x, torch.full((x.shape[0], 1), -2)], 1).relu()), VECTOR),
    ("a copying conversion, then in place", of(lambda x: x + x.to(x.dtype, copy=True).relu_()), VECTOR),
    ("a conversion by name", of(lambda x: F.relu(x.type("torch.DoubleTensor"))), VECTOR),
    ("where as a method", of(lambda x: x.where(x > 0, 0.1 * x) + torch.zeros_like(x).where(x < 0, x)), VECTOR),
    ("where as a method, by a constant", of(lambda x: x.where(torch.tensor([True, False, True, False]), -x)), VECTOR),
    (
        "the largest numbers bound nothing",
        of(lambda x: F.relu(x.clamp(-LARGEST, 0.25)) + x.clamp(min=-math.inf)),
        VECTOR,
    ),
    ("nor in a maximum", of(lambda x: torch.maximum(x, torch.tensor(-LARGEST)) + torch.relu(x)), VECTOR),
    ("where of multiples that are no floats", of(lambda x: torch.where(3 * x > 0, x, x / 5)), VECTOR),
    ("where of what is turned round", of(lambda x: torch.where(-3 * x > 0, x, 0.3 * x)), VECTOR),
    ("where of large and small multiples", of(lambda x: torch.where(1e200 * x > 0, 1e-200 * x, 0 * x)), VECTOR),
    ("clamped above its maximum", of(lambda x: x.clamp(1, 0) + x.clamp(-0.3, 0.1)), VECTOR),
    ("where of affine layers", Call(lambda x, p: leaky(F.linear(x, p)), 3, 4), VECTOR),
    ("where by a constant", of(lambda x: torch.where(torch.tensor([True, False, True, False]), x, -x)), VECTOR),
    ("x * (x > 0)", of(lambda x: x * (x > 0) + (x >= 1).float() * (x - 1)), VECTOR),
    ("x * (1 - mask)", of(lambda x: x * (1 - (x > 0).to(x.dtype)) + x * ~(x < 0)), VECTOR),
    ("masked_fill", of(lambda x: x.masked_fill(x < 0, 0.0)), VECTOR),
    ("a mask written over", of(lambda x: masked(x * 2)), VECTOR),
    (
        "maximum with zeros",
        of(lambda x: torch.maximum(x, torch.zeros_like(x)) + torch.max(x, torch.ones_like(x))),
        VECTOR,
    ),
    ("shapes tested", of(lambda x: of_known_shape(x)), VECTOR),
    ("a latent code", Call(lambda x, p: torch.cat([x, p.expand(len(x), -1), x.new_ones(x.shape[0], 1)], 1), 3), VECTOR),
    ("ConvTranspose1d", nn.ConvTranspose1d(2, 3, 3, stride=2, padding=1, output_padding=1), SIGNAL),
    ("ConvTranspose2d", nn.ConvTranspose2d(2, 4, (2, 3), stride=2, groups=2, dilation=2, bias=False), IMAGE),
    ("Conv3d", nn.Sequential(nn.Unflatten(1, (1, 2)), nn.Conv3d(1, 2, (2, 2, 3)), nn.MaxPool3d((1, 2, 2), 1)), IMAGE),
    ("Upsample", nn.Upsample(scale_factor=2), IMAGE),
    ("Upsample bilinear", nn.Upsample((4, 9), mode="bilinear", align_corners=True), IMAGE),
    ("PixelShuffle", nn.Sequential(nn.Conv2d(2, 4, 2), nn.PixelShuffle(2), nn.PixelUnshuffle(2)), IMAGE),
    ("padding by reflection", nn.Conv2d(2, 1, 3, padding=1, padding_mode="reflect"), IMAGE),
    ("circular padding", nn.Conv1d(2, 1, 3, padding=2, padding_mode="circular"), SIGNAL),
    ("ReplicationPad2d", nn.ReplicationPad2d((2, 1, 0, 1)), IMAGE),
    ("F.pad by a value", of(lambda x: F.pad(x, (1, 0, 2, 1), value=0.7)), IMAGE),
    ("ConstantPad1d", nn.ConstantPad1d(2, -1.5), SIGNAL),
    ("AdaptiveMaxPool1d", nn.AdaptiveMaxPool1d(4), SIGNAL),
    ("AdaptiveMaxPool2d", nn.AdaptiveMaxPool2d((None, 3)), IMAGE),
    ("mm", Call(lambda x, p: torch.mm(x, p.t()), 3, 4), VECTOR),
    ("addmm", Call(lambda x, p: torch.addmm(p[:, 0], x, p.T, beta=0.5, alpha=2), 3, 4), VECTOR),
    ("einsum", Call(lambda x, p: torch.einsum("bi,oi->bo", x, p), 3, 4), VECTOR),
    ("einsum of channels", Call(lambda x, p: torch.einsum("bcl,dc->bdl", x, p), 3, 2), SIGNAL),
    ("W @ x.T", Call(lambda x, p: (p @ x.T).T, 3, 4), VECTOR),
    ("cumsum", of(lambda x: x.cumsum(1)), VECTOR),
    ("index_select", of(lambda x: x.index_select(1, torch.tensor([2, 0, 2])) + x[:, [0, 1, 3]]), VECTOR),
    ("a mask of indices", of(lambda x: x[:, torch.tensor([True, False, True, True])]), VECTOR),
    ("conversions", of(lambda x: x.to(torch.float64).double().detach() + x.to(x.device).type_as(x) + x.data), VECTOR),
    ("an ensemble", of(lambda x: torch.stack([x.relu(), x.abs(), -x]).mean(0)), VECTOR),
    ("the largest of an ensemble", of(lambda x: torch.stack([x.relu(), x.abs() - 1, -x]).max(0).values), VECTOR),
    ("tril", of(lambda x: x.tril()), IMAGE),
    ("dense block", of(lambda x: torch.cat([x, torch.relu(torch.cat([x, torch.relu(x - 0.1)], 1) - 0.2)], 1)), VECTOR),
]


def written(x: Tensor) -> Tensor:
    x[:, 1:3] = -x[:, 1:3].abs()
    x[..., 0] = 0.25
    return x


def written_into(zeros: Tensor, x: Tensor) -> Tensor:
    zeros[:, 1:5] = x
    return zeros


def with_a_whole_number(x: Tensor) -> Tensor:
    x[:, 1] = torch.tensor(-3)
    return x + F.relu(x)


def in_autocast(x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return F.relu(x)


def masked(x: Tensor) -> Tensor:
    x[x < 0] = 0
    return x


def leaky(z: Tensor) -> Tensor:
    return torch.where(z > 0, 2 * z, 0.3 * z)


def of_known_shape(x: Tensor) -> Tensor:
    if x.dim() == 1:
        x = x[None]
    assert x.shape[1] == 4
    h = torch.relu(x)
    return h if h.shape != x.shape else h - x


def augmented(x: Tensor) -> Tensor:
    x += 1
    x -= 0.3 * x
    x *= 3
    return x


def two(x: Tensor) -> tuple[Tensor, Tensor]:
    a, b = x.chunk(2, dim=1)
    return a, b


@pytest.mark.parametrize(("network", "shape"), [case[1:] for case in UNDERSTOOD], ids=[case[0] for case in UNDERSTOOD])
def test_the_layers_compute_the_network(network: nn.Module, shape: tuple[int, ...]) -> None:
    network = network.double().eval()
    inputs = torch.randn(50, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layers = read(network, shape)
    outputs, tolerance = run(layers, inputs.flatten(1).numpy())
    assert not layers[-1].bends
    assert np.abs(outputs - network(inputs).detach().reshape(len(inputs), -1).numpy()).max() <= tolerance < 1e-9


@pytest.mark.parametrize("index", [4, 9, 13, 16, 21, 35, 37, 41, 52, 70])
def test_stacks_have_the_layers_of_their_members(index: int) -> None:
    name, network, shape = UNDERSTOOD[index]
    network = network.eval()
    other = copy.deepcopy(network)
    for parameter in other.parameters():
        parameter.data.mul_(0.7)
    together = read(stack([network, other]), shape)
    for member, alone in enumerate([network, other]):
        for layer, own in zip(together, read(alone, shape), strict=True):
            assert layer.weight[member].tolist() == own.weight[0].tolist(), name
            assert layer.bias[member].tolist() == own.bias[0].tolist()
            assert layer.slope[member].tolist() == own.slope[0].tolist()


# Counts, by hand


@pytest.mark.parametrize(
    ("function", "start", "end", "num_regions", "breakpoints"),
    [
        (torch.abs, -1.0, 3.0, 2, [0.25]),
        (F.hardtanh, -2.0, 2.0, 3, [0.25, 0.75]),
        (F.relu6, -2.0, 14.0, 3, [0.125, 0.5]),
        (F.hardsigmoid, -6.0, 6.0, 3, [0.25, 0.75]),
        (lambda x: F.leaky_relu(x, 0.01), -1.0, 3.0, 2, [0.25]),
        (lambda x: F.leaky_relu(x, 1.0), -1.0, 3.0, 1, []),
        (lambda x: x + torch.relu(x), -1.0, 1.0, 2, [0.5]),
        (lambda x: x - torch.relu(x) + torch.relu(-x), -1.0, 1.0, 2, []),  # = 0
        (lambda x: torch.relu(x) - torch.relu(-x), -1.0, 1.0, 2, []),  # = x
        (lambda x: torch.maximum(x, 1 - x), 0.0, 1.0, 2, [0.5]),
        (lambda x: torch.minimum(x.abs(), 1 - x), -1.0, 1.0, 3, [0.5, 0.75]),
        (lambda x: torch.maximum(x, x), -1.0, 1.0, 1, []),
        (lambda x: x.clamp(0, 1) + (x - 1).clamp(0, 1), 0.0, 2.0, 2, []),  # = x on [0, 2]
        (lambda x: x * 0.1 + x * 0.2 - x * 0.3, 0.0, 1.0, 1, []),
        (lambda x: torch.relu(x) - torch.where(3 * x > 0, x, torch.zeros_like(x)), -1.0, 1.0, 2, []),  # = 0
        (lambda x: torch.where(10 * x > 0, x, 0.5 * x) - F.leaky_relu(x, 0.5), -1.0, 1.0, 2, []),  # = 0
        (lambda x: torch.where(1e-300 * x > 0, 1e300 * x, 0 * x), -1.0, 1.0, 2, [0.5]),
    ],
)
def test_functions_of_one_number(
    function: Callable[[Tensor], Tensor], start: float, end: float, num_regions: int, breakpoints: list[float]
) -> None:
    counted = pieces.on_line(of(function), start, end)
    assert counted.breakpoints.tolist() == breakpoints
    assert (counted.num_pieces, counted.num_regions) == (len(breakpoints) + 1, num_regions)


def test_slopes_are_those_of_floats_beside_huge_constants() -> None:
    counted = pieces.on_line(of(lambda x: x.clamp(0, 1e200)).double(), -3.0, 3.0)
    assert counted.slopes.tolist() == [[0.0], [6.0]]
    assert counted(np.array([0.0, 0.5, 0.75, 1.0])).ravel().tolist() == [0.0, 0.0, 1.5, 3.0]


@pytest.mark.parametrize("k", range(1, 13))
def test_nested_absolute_values_have_2_to_the_k_pieces(k: int) -> None:
    # x -> |2x - 1| maps [0, 1] onto itself, twice.
    class Tents(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for _ in range(k):
                x = torch.abs(2 * x - 1)
            return x

    counted = pieces.on_line(Tents(), 0.0, 1.0)
    assert (counted.num_regions, counted.num_pieces, counted.num_settled) == (2**k, 2**k, 0)


@pytest.mark.parametrize(("k", "num_pieces"), [(1, 2), (2, 3), (3, 4), (4, 5)])
def test_the_maximum_of_tangents_of_a_parabola(k: int, num_pieces: int) -> None:
    # The tangents of x^2 at -k/2, ..., k/2 are each the largest somewhere, whatever the tournament's order.
    at = np.arange(k + 1) - k / 2
    for order in (at, at[::-1], np.roll(at, 2)):
        tangents = linear([[2 * a] for a in order], [-a * a for a in order])
        network = nn.Sequential(tangents, nn.Unflatten(1, (1, k + 1)), nn.MaxPool1d(k + 1), nn.Flatten())
        counted = pieces.on_line(network, -10.0, 10.0)
        assert counted.num_pieces == num_pieces
        assert counted.slopes[:, 0].tolist() == (40 * at).tolist()  # dy/dt on a segment of length 20


def test_a_residual_block_keeps_its_input() -> None:
    # x + relu(2x - 1) - relu(4x - 3): slopes 1, 3, -1.
    block = Residual(nn.Sequential(linear([[2.0], [4.0]], [-1.0, -3.0]), nn.ReLU(), linear([[1.0, -1.0]], [0.0])))
    counted = pieces.on_line(nn.Sequential(block, block), 0.0, 1.0)
    once = pieces.on_line(block, 0.0, 1.0)
    assert once.breakpoints.tolist() == [0.5, 0.75]
    assert once.slopes[:, 0].tolist() == [1.0, 3.0, -1.0]
    # The block leaves x up to 1/2 as it is, then makes 3x - 1 of it, which runs from 1/2 to 5/4, and then
    # 5/4 - (x - 3/4), which is at least 1. So the second block bends where the first one reaches 3/4, at 7/12.
    assert counted.breakpoints.tolist() == [0.5, 7 / 12, 0.75]
    assert counted.slopes[:, 0].tolist() == [1.0, 9.0, -3.0, 1.0]


def test_residual_blocks_carry_their_input_and_nothing_older() -> None:
    # x + linear(relu(linear(x))): a layer stores the 4 entries of x, the next one has them and 6 units, then the sum is
    # stored. x + linear(relu(x)): a layer has the 4 units, and the 4 entries of x; the first one the 3 inputs for them.
    after = [Residual(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4))) for _ in range(4)]
    before = [Residual(nn.Sequential(nn.ReLU(), nn.Linear(4, 4))) for _ in range(4)]
    for blocks, widths in ((after, [4, 10] * 4 + [4, 2]), (before, [7, 8, 8, 8, 4, 2])):
        layers = read(nn.Sequential(nn.Linear(3, 4), *blocks, nn.Linear(4, 2)))
        assert [layer.weight.shape[1] for layer in layers] == widths


def test_pools_carry_the_fewer_of_their_entries_and_what_these_are_made_of() -> None:
    # Two rounds of max(a, b) = b + relu(a - b) over the 192 entries that the convolution gives: 96 units beside the 96
    # entries that are b, then 48 units beside the 48 that are b then, and not beside the 96 that these are made of.
    network = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(48, 2))
    assert [layer.weight.shape[1] for layer in read(network, (1, 8, 8))] == [192, 192, 96, 2]


def test_a_convolutional_network_between_two_images() -> None:
    # The network takes the differences of neighbours less 1, then relu, then the largest one. At t times the image
    # [[0, 4, 0], [0, 0, 2]] the differences are 4t, -4t, 0 and 2t, so the output is relu(4t - 1). The last unit begins
    # at t = 1/2 and is never the largest.
    convolution = nn.Conv2d(1, 1, (1, 2), dtype=torch.float64)
    convolution.weight.data = torch.tensor([[[[-1.0, 1.0]]]], dtype=torch.float64)
    convolution.bias.data = torch.tensor([-1.0], dtype=torch.float64)
    network = nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    image = torch.tensor([[[0.0, 4.0, 0.0], [0.0, 0.0, 2.0]]])
    line = pieces.on_line(network, torch.zeros(1, 2, 3), image)
    assert line.breakpoints.tolist() == [0.25]
    assert line.region_breakpoints.tolist() == [0.25, 0.5]
    assert line.points(line.breakpoints).tolist() == [(image / 4).tolist()]
    assert line.start.shape == (1, 2, 3)
    assert line(1.0).tolist() == [3.0]
    counts = pieces.on_lines(
        network, np.zeros((3, 1, 2, 3)), np.stack([image] * 3) * [[[[1]]], [[[0.2]]], [[[-1]]]], input_shape=(1, 2, 3)
    )
    assert counts.num_pieces.tolist() == [[2, 1, 2]]


def test_ties_that_pools_make_by_their_nature_are_proven_without_exact_arithmetic() -> None:
    # Units that are off tie in pools, and kinks of what is not the largest do not show. Neither takes any rounding.
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 1))
    counted = pieces.on_line(network, *(4 * torch.randn(2, 1, 4, 4)))
    assert counted.num_pieces == exact_num_pieces(network, counted.start, counted.end) > 5
    assert counted.num_settled < counted.num_regions / 2


# Counts against piecewise linear functions in fractions


class Polyline:
    """A continuous piecewise linear function on [0, 1]: the points that it connects, in exact fractions."""

    def __init__(self, points: dict[Fraction, Fraction]) -> None:
        self.points = points

    def at(self, t: Fraction) -> Fraction:
        if t in self.points:
            return self.points[t]
        a, b = max(s for s in self.points if s < t), min(s for s in self.points if s > t)
        return self.points[a] + (self.points[b] - self.points[a]) * (t - a) / (b - a)

    def __add__(self, other: "Polyline | float") -> "Polyline":
        if not isinstance(other, Polyline):
            return Polyline({t: y + Fraction(other) for t, y in self.points.items()})
        return Polyline({t: self.at(t) + other.at(t) for t in sorted({*self.points, *other.points})})

    def __mul__(self, factor: float) -> "Polyline":
        return Polyline({t: y * Fraction(factor) for t, y in self.points.items()})

    __radd__, __rmul__ = __add__, __mul__

    def positive(self) -> "Polyline":
        """max(0, .)"""
        points = {}
        for (a, y), (b, z) in pairwise(self.points.items()):
            points[a] = max(y, Fraction(0))
            if y * z < 0:
                points[a + (b - a) * y / (y - z)] = Fraction(0)
        points[Fraction(1)] = max(self.points[Fraction(1)], Fraction(0))
        return Polyline(points)

    def kinks(self) -> set[Fraction]:
        points = list(self.points.items())
        return {
            b
            for (a, x), (b, y), (c, z) in zip(points, points[1:], points[2:], strict=False)
            if (y - x) * (c - b) != (z - y) * (b - a)
        }


Lines = np.ndarray  # of polylines


def maximum(a: Polyline, b: Polyline) -> Polyline:
    return b + (a + b * -1).positive()


def exact(network: nn.Module, x: Lines) -> Lines:
    """What the layers' definitions make of one input, written out with loops."""
    if isinstance(network, nn.Sequential):
        for module in network:
            x = exact(module, x)
        return x
    if isinstance(network, Residual):
        return x + exact(network.g, x)
    if isinstance(network, MLP):
        bend = nn.ReLU() if network.hidden.activation == "relu" else nn.LeakyReLU(0.01)
        for layer in network.hidden.layers:
            units = exact(bend, exact(layer, x))
            x = x + units if network.hidden.skips[0] and len(x) == len(units) else units
        return exact(network.output, x)
    each = {
        nn.ReLU: lambda line: line.positive(),
        nn.LeakyReLU: lambda line: line.positive() + (line * -1).positive() * -network.negative_slope,
        nn.ReLU6: lambda line: line.positive() + (line + -6).positive() * -1,
        nn.Hardtanh: lambda line: maximum(line + 1, line * 0) + (line + -1).positive() * -1 + -1,
        nn.Hardsigmoid: lambda line: ((line + 3).positive() + (line + -3).positive() * -1) * (1 / 6),
    }
    if type(network) in each:
        return np.vectorize(each[type(network)], otypes=[object])(x)
    if isinstance(network, nn.PReLU):
        slopes = np.broadcast_to(network.weight.tolist(), len(x))
        return np.array(
            [
                [line.positive() + (line * -1).positive() * -a for line in np.atleast_1d(row).flat]
                for a, row in zip(slopes, x, strict=True)
            ]
        ).reshape(x.shape)
    if isinstance(network, nn.Flatten):
        return x.ravel()
    if isinstance(network, nn.Linear):
        bias = [0.0] * network.out_features if network.bias is None else network.bias.tolist()
        return np.array(
            [
                sum((w * line for w, line in zip(r, x, strict=True)), 0) + b
                for r, b in zip(network.weight.tolist(), bias, strict=True)
            ]
        )
    if isinstance(network, nn.BatchNorm1d | nn.BatchNorm2d):
        names = (network.running_mean, network.running_var, network.weight, network.bias)
        mean, variance, weight, bias = (value.double().detach().numpy() for value in names)
        scale = weight / np.sqrt(variance + network.eps)
        return np.array(
            [
                [line * s + c for line in np.atleast_1d(row).flat]
                for s, c, row in zip(scale, bias - mean * scale, x, strict=True)
            ]
        ).reshape(x.shape)
    assert isinstance(network, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d)
    pad = network.padding if isinstance(network.padding, tuple) else (network.padding,) * 2
    k = network.kernel_size if isinstance(network.kernel_size, tuple) else (network.kernel_size,) * 2
    stride = network.stride if isinstance(network.stride, tuple) else (network.stride,) * 2
    channels, height, width = x.shape
    out_channels = network.out_channels if isinstance(network, nn.Conv2d) else channels
    out = [(n + 2 * p - size) // s + 1 for n, p, size, s in zip((height, width), pad, k, stride, strict=True)]
    result = np.empty((out_channels, *out), dtype=object)
    for o, i, j in np.ndindex(result.shape):
        window = [
            (c, u, v)
            for c in (range(channels) if isinstance(network, nn.Conv2d) else [o])
            for u in range(i * stride[0] - pad[0], i * stride[0] - pad[0] + k[0])
            for v in range(j * stride[1] - pad[1], j * stride[1] - pad[1] + k[1])
            if 0 <= u < height and 0 <= v < width
        ]
        if isinstance(network, nn.MaxPool2d):
            best = x[window[0]]
            for entry in window[1:]:
                best = maximum(x[entry], best)
            result[o, i, j] = best
        elif isinstance(network, nn.AvgPool2d):
            result[o, i, j] = sum((x[entry] for entry in window), 0) * (1 / (k[0] * k[1]))
        else:
            weight = network.weight.tolist()[o]
            terms = (
                weight[c][u - i * stride[0] + pad[0]][v - j * stride[1] + pad[1]] * x[c, u, v] for c, u, v in window
            )
            result[o, i, j] = sum(terms, 0) + network.bias.tolist()[o]
    return result


def exact_num_pieces(network: nn.Module, start: np.ndarray, end: np.ndarray) -> int:
    x = np.empty(start.shape, dtype=object)
    for i in np.ndindex(start.shape):
        x[i] = Polyline({Fraction(0): Fraction(start[i].item()), Fraction(1): Fraction(end[i].item())})
    return 1 + len(set().union(*(line.kinks() for line in exact(network, x).flat)))


VECTOR_LAYERS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky relu": lambda: nn.LeakyReLU(0.25),
    "leaky relu with a long slope": lambda: nn.LeakyReLU(0.01),
    "prelu": lambda: with_statistics(nn.PReLU(3)),
    "relu6": nn.ReLU6,
    "hardtanh": nn.Hardtanh,
    "hardsigmoid": nn.Hardsigmoid,
    "linear": lambda: nn.Linear(3, 3),
    "batch normalization": lambda: with_statistics(nn.BatchNorm1d(3)),
    "residual": lambda: Residual(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 3))),
    "bare residual": lambda: Residual(nn.ReLU()),
}


@pytest.mark.slow
@examples(50)
@given(
    names=st.lists(st.sampled_from(sorted(VECTOR_LAYERS)), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
    integers=st.booleans(),
)
def test_vectors_against_fractions(names: list[str], seed: int, integers: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(*(VECTOR_LAYERS[name]() for name in names), nn.Linear(3, 2)).eval()
    randomize(network, generator, integers)
    start, end = torch.randint(-4, 5, (2, 3), generator=generator).double().numpy()
    end += start == end
    counted = pieces.on_line(network, start, end)
    assert counted.num_pieces == exact_num_pieces(network, start, end)
    assert counted.num_pieces <= counted.num_regions


@settings(deadline=None)
@given(
    widths=st.lists(st.integers(3, 4), min_size=1, max_size=4),
    leaky=st.booleans(),
    seed=st.integers(0, 2**32),
    integers=st.booleans(),
)
def test_skip_connections_against_fractions(widths: list[int], leaky: bool, seed: int, integers: bool) -> None:
    """Read from the MLP itself; and followed, as other modules around one are."""
    generator = torch.Generator().manual_seed(seed)
    network = MLP(3, 2, width=[3, *widths], activation="leaky_relu" if leaky else "relu", skip=True)
    randomize(network, generator, integers)
    start, end = torch.randint(-4, 5, (2, 3), generator=generator).double().numpy()
    end += start == end
    direct, by_fx = (pieces.on_line(each, start, end) for each in (network, Wrapped(network)))
    assert direct.num_pieces == by_fx.num_pieces == exact_num_pieces(network, start, end)
    assert direct.num_regions == by_fx.num_regions


@pytest.mark.slow
@examples(40)
@given(
    pool=st.sampled_from(["max", "max overlapping", "max padded", "average", "none"]),
    activation=st.sampled_from(["relu", "leaky relu", "relu6", "linear"]),
    normalized=st.booleans(),
    pool_first=st.booleans(),
    seed=st.integers(0, 2**32),
    integers=st.booleans(),
)
def test_images_against_fractions(
    pool: str, activation: str, normalized: bool, pool_first: bool, seed: int, integers: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    pools: dict[str, nn.Module] = {
        "max": nn.MaxPool2d(2),
        "max overlapping": nn.MaxPool2d((2, 3), 1),
        "max padded": nn.MaxPool2d(3, 2, padding=1),
        "average": nn.AvgPool2d(3),
        "none": nn.Sequential(),
    }
    bend = nn.Sequential() if activation == "linear" else VECTOR_LAYERS[activation]()
    middle = [with_statistics(nn.BatchNorm2d(2))] if normalized else []
    middle += [pools[pool], bend] if pool_first else [bend, pools[pool]]
    convolution = nn.Conv2d(1, 2, 2, padding=(0, 1), stride=(1, 2))
    network = nn.Sequential(convolution, *middle, nn.Flatten()).eval()
    features = network(torch.zeros(1, 1, 4, 5)).shape[1]
    network.append(nn.Linear(features, 2))
    randomize(network, generator, integers)
    start, end = torch.randint(-4, 5, (2, 1, 4, 5), generator=generator).double().numpy()
    end[0, 0, 0] += start[0, 0, 0] == end[0, 0, 0]
    assert pieces.on_line(network, start, end).num_pieces == exact_num_pieces(network, start, end)


def randomize(network: nn.Module, generator: torch.Generator, integers: bool) -> None:
    """Random parameters; small integers make ties everywhere."""
    for parameter in network.parameters():
        if integers:
            parameter.data = torch.randint(-2, 3, parameter.shape, generator=generator).float()
        else:
            parameter.data.normal_(generator=generator)


# What is refused


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Both(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def nan_slope() -> nn.Module:
    network = nn.Sequential(nn.PReLU())
    network[0].weight.data.fill_(math.nan)
    return network


REFUSED: list[tuple[nn.Module, tuple[int, ...], type[Exception], str]] = [
    *(
        (
            nn.Sequential(nn.Identity(), layer),
            (4,),
            TypeError,
            rf"layer '1', a {type(layer).__name__} is not understood: .*counted of affine",
        )
        for layer in (
            nn.Sigmoid(),
            nn.Tanh(),
            nn.Hardswish(),
            nn.GELU(),
            nn.SiLU(),
            nn.ELU(),
            nn.Softmax(1),
            nn.LayerNorm(4),
        )
    ),
    (nn.Sequential(nn.LSTM(4, 2)), (3, 4), TypeError, "layer '0', a LSTM is not understood"),
    (nn.Softplus(), (4,), TypeError, "a Softplus is not understood"),
    (of(torch.sigmoid), (4,), TypeError, "sigmoid in a Call .*is not understood"),
    (nn.Sequential(of(lambda x: x.tanh())), (4,), TypeError, "tanh in layer '0', a Call is not understood"),
    (of(lambda x: x * x), (4,), TypeError, "product of two tensors.*got mul in a Call"),
    (of(lambda x: x / x), (4,), TypeError, "a quotient.*got div in a Call"),
    (of(lambda x: 1 / x), (4,), TypeError, "a quotient.*got rdiv in a Call"),
    (of(lambda x: x @ x.T), (4,), (TypeError, ValueError), "in a Call"),
    (of(lambda x: x.argmax(1)), (4,), TypeError, "argmax in a Call .*is not understood"),
    (of(lambda x: x > 0), (4,), TypeError, "forward must return one tensor"),
    (of(lambda x: x.half()), (4,), ValueError, "half in a Call.*rounds the network's numbers of 32 bits"),
    (of(lambda x: torch.max(x, 1)[1] * 1.0), (4,), TypeError, "in a Call"),
    (Branching(), (4,), TypeError, "same calls for all inputs.*forward of a Branching.*control flow"),
    (Two(), (4,), TypeError, "forward must take one input.*in a Two"),
    (Both(), (4,), TypeError, "forward must return one tensor, got a tuple of 2"),
    (of(lambda x: x.flatten()), (4,), ValueError, "flatten in a Call .*: the first dimension"),
    (of(lambda x: x[0]), (4,), ValueError, "getitem in a Call .*: the first dimension"),
    (of(lambda x: x.T), (4,), TypeError, "a row for each input"),
    (of(lambda x: x - x.mean(0)), (4,), ValueError, "mean in a Call .*: the first dimension"),
    (of(lambda x: x - x.mean()), (4,), ValueError, "mean in a Call .*: the first dimension"),
    (of(lambda x: x + torch.tensor([[1.0], [2.0]])), (4,), ValueError, "add in a Call .*: constants must be the same"),
    (of(lambda x: x * math.inf), (4,), ValueError, "mul in a Call .*: constants must be finite, got inf"),
    (
        of(lambda x: x + F.relu(x.view(-1, 2, 2), True).flatten(1)),
        (4,),
        ValueError,
        "add in a Call.*a call that works in place",
    ),
    (
        Call(lambda x, p: x + p.detach().add_(1), 4),
        (4,),
        ValueError,
        "must not change a parameter, but that of a Call changes parameter",
    ),
    (nn.Sequential(nn.Dropout()), (4,), ValueError, "layer '0', a Dropout: dropout must be in evaluation mode"),
    (of(F.dropout), (4,), ValueError, "dropout in a Call .*: dropout must be in evaluation mode"),
    (
        nn.Sequential(nn.BatchNorm1d(4)),
        (4,),
        ValueError,
        "layer '0', a BatchNorm1d: batch normalization must be in eval",
    ),
    (nn.BatchNorm2d(4), (4,), ValueError, "a BatchNorm2d: expected 4D input"),
    (nan_slope(), (4,), ValueError, r"layer '0', a PReLU: 0\.weight must be finite, got nan in member 0"),
    (Wrapped(nn.Linear(3, 2)), (2, 4), ValueError, r"layer 'inner', a Linear: the input must have 3 features"),
    (nn.Conv2d(1, 1, 2), (1, 1, 4, 4), ValueError, r"conv2d in a Conv2d|a Conv2d: one input must have 3 dimensions"),
    (nn.Conv2d(2, 1, 2), (1, 4, 4), ValueError, "a Conv2d: "),
    (nn.MaxPool2d(2, return_indices=True), (1, 4, 4), TypeError, "a MaxPool2d|a tuple of 2"),
    (
        of(lambda x: F.threshold(x, 0.1, 20)),
        (4,),
        ValueError,
        r"threshold in a Call \(.*value must be the threshold, 0.1",
    ),
    (of(lambda x: torch.where(x > 0.1, x, 0.0)), (4,), ValueError, "where in a Call .*the two cases must be the same"),
    (of(lambda x: torch.where(x > 0, x + 1, x)), (4,), ValueError, "where in a Call .*the two cases must be the same"),
    (of(lambda x: torch.where(x > 0, x, x.flip(1))), (4,), ValueError, "where in a Call .*the two cases"),
    (of(lambda x: x * (x > 0.5)), (4,), ValueError, "mul in a Call .*the two cases must be the same"),
    (of(lambda x: F.hardshrink(x)), (4,), TypeError, "hardshrink in a Call .*is not understood"),
    (of(lambda x: x.cumsum(0)), (4,), ValueError, "cumsum in a Call .*the first dimension"),
    (of(lambda x: x.max()), (4,), ValueError, "max in a Call .*the first dimension"),
    (of(lambda x: x.max(0).values), (4,), ValueError, "max in a Call .*the first dimension"),
    (of(lambda x: x.long() * 1.0), (4,), TypeError, "conversion to torch.int64"),
    (of(lambda x: F.relu(x).type("torch.HalfTensor")), (4,), ValueError, "conversion to torch.float16 rounds"),
    (of(lambda x: F.relu(x).type(torch.HalfTensor)), (4,), ValueError, "conversion to torch.float16 rounds"),
    (of(lambda x: x.type("torch.Tensors")), (4,), TypeError, "a conversion to 'torch.Tensors' is not understood"),
    (of(in_autocast), (4,), ValueError, "torch.autocast rounds the network's numbers"),
    (
        of(lambda x: x.double().relu_() + x),
        (4,),
        ValueError,
        "in place has changed a tensor that is needed later",
    ),
    (of(lambda x: x / 0), (4,), ValueError, "div in a Call .*: constants must be finite, got inf"),
    (of(lambda x: x + torch.full_like(x, math.nan)), (4,), ValueError, "constants must be finite, got nan"),
    (of(lambda x: F.linear(torch.ones(1, 4), x)), (4,), TypeError, "must not depend on the network's input"),
    (of(lambda x: (x > 0) * (x < 0.5) * x), (4,), TypeError, "the product of two comparisons is not understood"),
    (nn.MaxPool1d(2, stride=1, padding=1, dilation=2), (1, 1), ValueError, "every window must meet an entry"),
    (of(lambda x: F.relu(x)[:, :0]), (4,), ValueError, "every layer must have at least one output"),
    (of(lambda x: F.linear(F.relu(x[:, :0]), torch.zeros(2, 0))), (4,), ValueError, "at least one output"),
    (of(lambda x: torch.zeros(2, 4).add_(x)), (4,), ValueError, "writes to a tensor that does not depend on the input"),
    (of(lambda x: x + float(x.norm())), (4,), TypeError, "same calls for all inputs.*asks a tensor for its values"),
    (of(lambda x: torch.bmm(x[:, None], x[:, :, None])), (4,), TypeError, "product of two tensors"),
    (nn.RReLU(), (4,), ValueError, "a RReLU: RReLU must be in evaluation mode"),
    (of(lambda x: {"logits": x}), (4,), TypeError, "forward must return one tensor, got a dict of 1"),
    (of(lambda x: None), (4,), TypeError, "forward must return one tensor of numbers that depends on its input"),
    (
        nn.Sequential(nn.Linear(4, 2), nn.Softmax(1)),
        (4,),
        TypeError,
        r"layer '1', a Softmax .*leave it out.*net\[:-1\]",
    ),
]


@pytest.mark.parametrize(("network", "shape", "error", "message"), REFUSED)
def test_what_cannot_be_counted_is_refused_by_name(
    network: nn.Module, shape: tuple[int, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(network, shape)


def test_a_network_that_begins_with_a_convolution_needs_a_shape() -> None:
    with pytest.raises(ValueError, match="input_shape must be given"):
        read(nn.Conv2d(1, 1, 2))


def test_points_in_a_wrong_shape_are_refused() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 2), nn.Flatten())
    with pytest.raises(ValueError, match=r"layer '0', a Conv2d: one input must have 3 dimensions, got shape \(12,\)"):
        pieces.on_line(network, np.zeros(12), np.ones(12))
    with pytest.raises(
        ValueError, match=r"ends must end in the shape of an input, \(1, 3, 4\), got shape \(2, 1, 4, 3\)"
    ):
        pieces.on_lines(network, np.zeros((2, 1, 3, 4)), np.ones((2, 1, 4, 3)), input_shape=(1, 3, 4))


def test_a_module_is_left_as_it_was() -> None:
    network = Call(lambda x, p: x + p + torch.tensor([1.0, 2.0]), 2)
    before = set(vars(network))
    read(network, (2,))
    assert set(vars(network)) == before
