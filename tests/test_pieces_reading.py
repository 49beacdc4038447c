"""Networks as layers: what is understood, what is refused."""

import numpy as np
import pytest
import torch
from networks import run
from torch import nn

from dlcourse.networks import MLP, SoftmaxClassifier, stack
from dlcourse.pieces.reading import read
from dlcourse.pieces.tracing import trace

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
    with pytest.raises(TypeError, match=r"made of Linear, .*got layer '1\.0', a Sigmoid"):
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


def test_plain_sequences_are_read_as_fx_reads_them() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.ReLU(), nn.Identity(), nn.Linear(4, 2), nn.ReLU())
    for layer, traced in zip(read(network), trace([network], None), strict=True):
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
