import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dlcourse.networks import MLP, HiddenLayers, Initialization, SoftmaxClassifier, initialize_

NUM_INPUTS, NUM_UNITS = 300, 400
NUM_WEIGHTS = NUM_INPUTS * NUM_UNITS


def largest_distance(values: Tensor, distribution: Callable[[Tensor], Tensor]) -> float:
    """Kolmogorov's statistic: how far the share of values below x is from the distribution function, at worst."""
    below = distribution(values.flatten().double().sort().values)
    counted = torch.arange(len(below) + 1).double() / len(below)
    return max((below - counted[:-1]).abs().max().item(), (below - counted[1:]).abs().max().item())


def exceeded_once_in_a_million(num_values: int) -> float:
    """Kolmogorov's statistic exceeds t with probability 2 exp(-2 num_values t^2)."""
    return math.sqrt(math.log(2e6) / (2 * num_values))


def uniform(bound: float) -> Callable[[Tensor], Tensor]:
    return lambda x: ((x + bound) / (2 * bound)).clamp(0, 1)


def normal(deviation: float) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.special.ndtr(x / deviation)


def cut_off(deviation: float) -> Callable[[Tensor], Tensor]:
    return lambda x: ((torch.special.ndtr(x / deviation) - 0.022750) / 0.954500).clamp(0, 1)


# Distribution function, standard deviation, and how far the mean square of n numbers strays: sqrt((kurtosis - 1) / n)
SCHEMES = {
    "torch": (uniform(1 / math.sqrt(300)), 1 / math.sqrt(3 * 300), math.sqrt(0.8 / NUM_WEIGHTS)),
    "he": (normal(math.sqrt(2 / 300)), math.sqrt(2 / 300), math.sqrt(2 / NUM_WEIGHTS)),
    "xavier": (uniform(math.sqrt(6 / 700)), math.sqrt(2 / 700), math.sqrt(0.8 / NUM_WEIGHTS)),
    # cut off at two deviations: variance 1 - 4 phi(2) / 0.9545 = 0.7737, kurtosis 1.4162 / 0.7737^2 = 2.3656
    "truncated": (cut_off(1 / math.sqrt(300)), math.sqrt(0.7737 / 300), math.sqrt(1.3656 / NUM_WEIGHTS)),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_distributions(scheme: str) -> None:
    layer = nn.Linear(NUM_INPUTS, NUM_UNITS)
    initialize_(layer, scheme, torch.Generator().manual_seed(1))
    weight, bias = layer.weight.detach(), layer.bias.detach()
    distribution, deviation, of_mean_square = SCHEMES[scheme]
    assert largest_distance(weight, distribution) < exceeded_once_in_a_million(NUM_WEIGHTS)  # 0.8 %
    assert weight.double().square().mean().item() / deviation**2 == pytest.approx(1, abs=5 * of_mean_square)  # 1-2 %
    assert abs(weight.double().mean()) < 5 * deviation / math.sqrt(NUM_WEIGHTS)
    if scheme == "torch":
        assert largest_distance(bias, distribution) < exceeded_once_in_a_million(NUM_UNITS)  # 13 %
    else:
        assert not bias.any()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_distributions_can_be_told_apart(scheme: str) -> None:
    layer = nn.Linear(NUM_INPUTS, NUM_UNITS)
    initialize_(layer, scheme, torch.Generator().manual_seed(1))
    for other in SCHEMES.keys() - {scheme}:
        assert largest_distance(layer.weight.detach(), SCHEMES[other][0]) > exceeded_once_in_a_million(NUM_WEIGHTS)


def test_he_keeps_the_size_of_signals_through_relu_layers() -> None:
    hidden = HiddenLayers(256, width=256, depth=10)
    initialize_(hidden, "he", torch.Generator().manual_seed(2))
    x = torch.randn(200, 256, generator=torch.Generator().manual_seed(3))
    # Over random weights the mean square of a layer's outputs is that of its inputs. Given the inputs it deviates by
    # sqrt(5 / 256) = 14 % from layer to layer (a squared relu of a normal number has 5 times its squared mean as
    # variance, 256 units), 44 % over ten layers; three such deviations are allowed. torch's scheme loses a factor 6^10.
    ratio = (hidden(x).square().mean() / x.square().mean()).item()
    assert 1 / (1 + 3 * 0.44) < ratio < 1 + 3 * 0.44


NETWORKS: list[Callable[..., nn.Module]] = [
    lambda **options: MLP(3, 2, width=[5, 4], **options),
    lambda **options: SoftmaxClassifier(3, 2, width=[5, 4], **options),
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("scheme", list(Initialization))
class TestGenerator:
    def test_repeats_and_does_not_depend_on_the_global_generator(
        self, network: Callable[..., nn.Module], scheme: Initialization
    ) -> None:
        def values(seed: int, global_seed: int) -> Tensor:
            torch.manual_seed(global_seed)
            generator = torch.Generator().manual_seed(seed)
            made = network(initialization=scheme, generator=generator)
            return nn.utils.parameters_to_vector(made.parameters()).detach()

        assert torch.equal(values(seed=7, global_seed=1), values(seed=7, global_seed=2))
        assert not torch.equal(values(seed=7, global_seed=1), values(seed=8, global_seed=1))

    def test_global_generator_without_one(self, network: Callable[..., nn.Module], scheme: Initialization) -> None:
        def values(global_seed: int) -> Tensor:
            torch.manual_seed(global_seed)
            return nn.utils.parameters_to_vector(network(initialization=scheme).parameters()).detach()

        assert torch.equal(values(1), values(1))
        assert not torch.equal(values(1), values(2))

    def test_draws_every_layer_from_its_own_size(
        self, network: Callable[..., nn.Module], scheme: Initialization
    ) -> None:
        made = network(initialization=scheme, generator=torch.Generator().manual_seed(0))
        layers = [layer for layer in made.modules() if isinstance(layer, nn.Linear)]
        assert [tuple(layer.weight.shape) for layer in layers] == [(5, 3), (4, 5), (2, 4)]
        generator = torch.Generator().manual_seed(0)
        for layer, num_inputs, num_units in zip(layers, [3, 5, 4], [5, 4, 2], strict=True):
            alone = initialize_(nn.Linear(num_inputs, num_units), scheme, generator)
            assert torch.equal(layer.weight, alone.weight) and torch.equal(layer.bias, alone.bias)


def test_torch_scheme_repeats_what_torch_draws_from_the_same_seed() -> None:
    for seed in range(100):
        torch.manual_seed(seed)
        drawn_by_torch = nn.Linear(1 + seed, 2, dtype=torch.float64)
        layer = nn.Linear(1 + seed, 2, dtype=torch.float64)
        initialize_(layer, "torch", torch.Generator().manual_seed(seed))
        assert torch.equal(layer.weight, drawn_by_torch.weight)
        assert torch.equal(layer.bias, drawn_by_torch.bias)


def test_layers_without_bias_other_modules_and_the_way_of_the_network() -> None:
    network = nn.Sequential(nn.Linear(2, 3, bias=False), nn.BatchNorm1d(3), nn.Conv1d(3, 3, 1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for scheme in Initialization:
        assert initialize_(network, scheme) is network
        assert network[0].weight.requires_grad
        changed = [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]
        assert changed == ["0.weight"]


def test_unknown_scheme() -> None:
    with pytest.raises(ValueError, match=r"^initialization must be one of torch, he, xavier, truncated, got lecun$"):
        initialize_(nn.Linear(1, 1), "lecun")
