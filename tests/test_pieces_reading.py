"""Networks as layers: what is understood, what is refused."""

import numpy as np
import pytest
import torch
from networks import run, with_values
from torch import nn

from dlcourse import pieces
from dlcourse.networks import MLP, SoftmaxClassifier, stack
from dlcourse.pieces.reading import read

shared = nn.Linear(3, 3)
relu = nn.ReLU()
nested = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(3, 4), nn.ReLU()), MLP(4, 2, width=3, depth=1))
reusing = nn.Sequential(shared, relu, shared, relu, nn.Identity(), nn.Dropout().eval(), nn.Linear(3, 1))


@pytest.mark.parametrize(
    ("network", "relus"),
    [
        (MLP(3, 2, width=4, depth=2), [True, True, False]),
        (MLP(3, 2, width=4, depth=0), [False]),
        (SoftmaxClassifier(3, 2, width=[4, 5]), [True, True, False]),
        (SoftmaxClassifier(3, 2, width=[3, 3, 4, 4, 5], activation="leaky_relu", skip=True), [True] * 5 + [False]),
        (nn.Sequential(nn.Linear(3, 4), MLP(4, 2, width=4, depth=2, skip=True)), [False, True, True, False]),
        (nn.Linear(3, 2, bias=False), [False]),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), [False, True, False]),
        (nested, [True, True, False]),
        (reusing, [True, True, False]),
        (nn.Sequential(nn.Linear(3, 2), nn.ReLU()), [True, False]),
    ],
    ids=str,
)
def test_the_layers_compute_the_network(network: nn.Module, relus: list[bool]) -> None:
    network = network.double().eval()
    inputs = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layers = read(network)
    assert [layer.bends for layer in layers] == relus
    outputs, _ = run(layers, inputs.numpy())
    np.testing.assert_allclose(outputs, network(inputs).detach().numpy(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_stored_numbers_are_kept_exactly(dtype: torch.dtype) -> None:
    network = MLP(3, 2, width=4, depth=1, dtype=dtype)
    weight = read(network)[0].weight[0]
    assert weight.dtype == np.float64
    assert weight.tolist() == network.hidden.layers[0].weight.tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda: MLP(3, 2, width=4, depth=2),
        lambda: SoftmaxClassifier(3, 2, width=4, depth=1),
        lambda: nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Sequential(nn.Linear(4, 2))),
        lambda: nn.Linear(3, 2),
    ],
)
def test_a_stack_has_the_layers_of_its_members(make) -> None:
    members = [make() for _ in range(3)]
    for stacked, *single in zip(read(stack(members)), *(read(member) for member in members), strict=True):
        assert stacked.slope.tolist() == [layer.slope[0].tolist() for layer in single]
        assert stacked.weight.tolist() == [layer.weight[0].tolist() for layer in single]
        assert stacked.bias.tolist() == [layer.bias[0].tolist() for layer in single]


def test_skip_connections_by_hand() -> None:
    """h[1] = x + max(0, -2 x) = |x|, h[2] = h[1] + max(0, 1 - 2 h[1]) = max(|x|, 1 - |x|): kinks at 0 and +-1/2."""
    network, plain = (
        with_values(MLP(1, 1, width=1, depth=2, skip=skip), [-2], [0], [-2], [1], [1], [0]) for skip in (True, False)
    )
    counted = pieces.on_line(network, -2, 2)
    assert (-2 + 4 * counted.breakpoints).tolist() == [-0.5, 0, 0.5]
    assert (counted.num_pieces, pieces.on_line(network, origin=0, direction=1).num_pieces) == (4, 4)
    # Without them max(0, 1 - 2 max(0, -2 x)), which has kinks at -1/4 and 0.
    assert (-2 + 4 * pieces.on_line(plain, -2, 2).breakpoints).tolist() == [-0.25, 0]
    both = stack([network, with_values(MLP(1, 1, width=1, depth=2, skip=True), [-2], [0], [0], [1], [1], [0])])
    assert [line.num_pieces for line in pieces.on_line(both, -2, 2)] == [4, 2]


class Residual(nn.Module):
    """Hidden layers of one width as one writes them in torch, followed call by call."""

    def __init__(self, network: MLP) -> None:
        super().__init__()
        self.layers, self.output = network.hidden.layers, network.output

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            h = torch.relu(layer(h)) + (h if layer.in_features == layer.out_features else 0)
        return self.output(h)


@pytest.mark.parametrize("widths", [[2, 2, 2], [4, 4], [2, 5, 5]])
def test_skip_connections_on_planes_and_in_boxes(widths: list[int]) -> None:
    """|x| + |y| by hand, and random networks beside the same as one writes them in torch."""
    network = with_values(MLP(2, 1, width=2, depth=1, skip=True), [[-2, 0], [0, -2]], [0, 0], [1, 1], [0])
    assert pieces.on_plane(network, -1, 2).num_pieces == 4
    for seed in range(5):
        network = MLP(2, 1, width=widths, skip=True, generator=torch.Generator().manual_seed(seed)).double()
        written, plain = Residual(network), MLP(2, 1, width=widths)
        plain.double().load_state_dict(network.state_dict())
        plane, box = pieces.on_plane(network, -3, 3), pieces.in_box(network, [-3, -3], [3, 3])
        expected = pieces.on_plane(written, -3, 3)
        assert (plane.num_pieces, plane.num_regions) == (expected.num_pieces, expected.num_regions)
        assert (box.num_pieces, box.num_regions) == (expected.num_pieces, expected.num_regions)
        points = torch.rand(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 6 - 3
        outputs, _ = run(read(network), points.numpy())
        np.testing.assert_allclose(outputs, network(points).detach().numpy(), rtol=0, atol=1e-13)
        assert not torch.allclose(network(points), plain(points))


class Bare(nn.Module):
    """A module of no known class."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def test_subclasses_are_followed_into_their_forward() -> None:
    class Doubled(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    class Residual(nn.Sequential):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return input + super().forward(input)

    network = nn.Sequential(Residual(Doubled(3, 3), nn.ReLU()), nn.Linear(3, 2)).double()
    inputs = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outputs, _ = run(read(network), inputs.numpy())
    np.testing.assert_allclose(outputs, network(inputs).detach().numpy(), rtol=0, atol=1e-14)


def test_other_layers_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"layer '1\.0', a Sigmoid is not understood: leave it out.*counted of affine"):
        read(nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Sigmoid())))
    with pytest.raises(ValueError, match="got tanh in layer '0', a MLP"):
        read(nn.Sequential(MLP(1, 1, width=2, depth=1, activation="tanh")))


def test_networks_without_a_count_are_refused() -> None:
    with pytest.raises(ValueError, match=r"layer '1', a Dropout: dropout must be in evaluation mode"):
        read(nn.Sequential(nn.Linear(1, 1), nn.Dropout()))
    with pytest.raises(ValueError, match=r"layer '0', a Flatten: the first dimension.*must stay as it is"):
        read(nn.Sequential(nn.Flatten(0), nn.Linear(2, 1)))
    with pytest.raises(ValueError, match="input_shape must be given"):
        read(nn.Sequential())
    with pytest.raises(ValueError, match=r"a point must be a vector of 3 numbers, got shape \(2, 3\)"):
        read(nn.Sequential(nn.Linear(3, 1)), (2, 3))


def test_images_for_layers_on_vectors_are_flattened_by_flatten() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    assert read(network, (1, 3, 4))[0].weight.tolist() == read(network)[0].weight.tolist()


def test_plain_sequences_are_read_as_they_are_followed() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.ReLU(), nn.Identity(), nn.Linear(4, 2), nn.ReLU())
    followed = nn.Sequential(Bare(network))
    for layer, traced in zip(read(network), read(followed), strict=True):
        assert layer.weight.tolist() == traced.weight.tolist()
        assert layer.bias.tolist() == traced.bias.tolist()
        assert layer.slope.tolist() == traced.slope.tolist()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_must_be_finite(value: float) -> None:
    members = [MLP(1, 1, width=2, depth=1) for _ in range(3)]
    members[1].output.bias.data.fill_(value)
    with pytest.raises(ValueError, match=f"output.bias must be finite, got {value} in member 1"):
        read(stack(members))
    with pytest.raises(ValueError, match=f"output.bias must be finite, got {value}"):
        read(members[1])


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_networks_on_a_gpu_are_read() -> None:
    network = MLP(3, 2, width=4, depth=1)
    weight = network.output.weight.tolist()
    assert read(network.cuda())[-1].weight[0].tolist() == weight
