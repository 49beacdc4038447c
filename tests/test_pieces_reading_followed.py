"""What is counted is what the module computes: hooks, cached weights, parametrizations and replaced forwards.

All of these were once read as something else without a word. Every network here is compared with torch at random
points, by `counted`, and its pieces with those worked out by hand: on [0, 1] the network is
relu(x - 1/4) - 2 relu(x - 1/2) + 3 relu(x - 3/4), four pieces of slopes 0, 1, -1 and 2.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from networks import linear, network_of, run
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from dlcourse import pieces
from dlcourse.networks import MLP, stack
from dlcourse.pieces.reading import comparison, read


def network() -> nn.Sequential:
    return network_of(([[1.0]] * 3, [-0.25, -0.5, -0.75]), ([[1.0, -2.0, 3.0]], [0.0]))


def counted(network: nn.Module, in_features: int = 1) -> pieces.OnLine:
    """The count on the diagonal, of what computes the same as torch does, and leaves the network as it was."""
    inputs = torch.rand(50, in_features, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 0.5
    before = state(network)
    layers = read(network, (in_features,))
    line = pieces.on_line(network, [0.0] * in_features, [1.0] * in_features)
    assert_same_state(before, state(network))
    outputs, tolerance = run(layers, inputs.numpy())
    with torch.no_grad():
        expected = network(inputs).numpy()
    assert np.abs(outputs - expected).max() <= max(tolerance, 1e-14)
    line.check_invariants()
    return line


def state(network: nn.Module) -> tuple[Any, ...]:
    """All that must stay: values, among them cached ones, their identity, types, modes, hooks and random states."""
    own = []
    for module in network.modules():
        tensors = {**module._parameters, **module._buffers}
        tensors |= {name: value for name, value in vars(module).items() if isinstance(value, Tensor)}
        values = {name: (id(t), t._version, t.detach().clone()) for name, t in tensors.items() if t is not None}
        hooks = [list(module._forward_hooks.items()), list(module._forward_pre_hooks.items())]
        own.append((type(module), module.training, sorted(vars(module)), hooks, values))
    return own, torch.get_rng_state(), np.random.get_state()[1].tolist()


def assert_same_state(before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
    for (*one, values), (*other, new_values) in zip(before[0], after[0], strict=True):
        assert one == other
        assert values.keys() == new_values.keys()
        for name, (identity, version, value) in values.items():
            assert new_values[name][:2] == (identity, version), name
            assert torch.equal(new_values[name][2], value), name
    assert torch.equal(before[1], after[1])
    assert before[2:] == after[2:]


@contextmanager
def deprecated() -> Iterator[None]:
    """torch warns of its old weight_norm, which many networks still have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def weight_norm(layer: nn.Module, name: str = "weight") -> nn.Module:
    with deprecated():
        return nn.utils.weight_norm(layer, name)  # type: ignore[no-any-return]


def shifted(network: nn.Module) -> nn.Module:
    """All parameters after a step of training."""
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.add_(0.1 * torch.arange(1.0, parameter.numel() + 1).reshape(parameter.shape) / (number + 1))
    return network


# --- weights that are worked out before each call ---------------------------------------------------------------------


def test_weights_of_weight_norm_are_those_of_the_next_call() -> None:
    # The slopes become 0: what was cached before must not be counted.
    normed = network()
    weight_norm(normed[0])
    for flat, expected in (((1.0, 1.0, 1.0), 4), ((0.0, 1.0, 1.0), 3), ((0.0, 0.0, 1.0), 2)):
        normed[0].load_state_dict({**normed[0].state_dict(), "weight_g": torch.tensor(flat).double()[:, None]})
        assert counted(normed).num_pieces == expected
    line = pieces.on_line(normed, 0.0, 1.0)
    assert line.breakpoints.tolist() == [0.75]


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


@pytest.mark.parametrize(
    "wrap",
    [
        weight_norm,
        lambda layer: weight_norm(weight_norm(layer), "bias"),
        nn.utils.spectral_norm,
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        parametrizations.orthogonal,
        lambda layer: parametrize.register_parametrization(parametrizations.spectral_norm(layer), "weight", Doubled()),
        lambda layer: prune.l1_unstructured(layer, "weight", amount=1),
        lambda layer: prune.l1_unstructured(prune.l1_unstructured(layer, "weight", amount=1), "bias", 0.3),
        lambda layer: prune.ln_structured(prune.l1_unstructured(layer, "weight", amount=1), "weight", 1, 2, dim=0),
    ],
)
@pytest.mark.parametrize(("training", "after"), [(False, "nothing"), (True, "a step")])
def test_what_is_worked_out_is_worked_out_again(
    wrap: Callable[[nn.Module], nn.Module], training: bool, after: str
) -> None:
    torch.manual_seed(0)
    wrapped = nn.Sequential(wrap(nn.Linear(2, 4).double()), nn.ReLU(), nn.Linear(4, 1).double()).train(training)
    if after == "a step":
        shifted(wrapped)
    in_torch = copy_by_state(wrapped)
    line = counted(wrapped, 2)
    assert line.num_pieces == pieces.on_line(in_torch, [0.0, 0.0], [1.0, 1.0]).num_pieces


def copy_by_state(network: nn.Sequential) -> nn.Sequential:
    """The same function in plain layers: in its place the weights that torch has worked out in a call."""
    saved = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network(torch.zeros(1, 2, dtype=torch.float64))
        layers: list[nn.Module] = []
        for layer in network:
            if isinstance(layer, nn.Linear):
                stepping = layer.training and parametrize.is_parametrized(layer)  # each look takes a step
                layer.eval() if stepping else layer
                layers.append(linear(layer.weight.tolist(), layer.bias.tolist()))
                layer.train(stepping or layer.training)
            else:
                layers.append(nn.ReLU())
    for name, value in network.state_dict().items():
        value.copy_(saved[name])
    return nn.Sequential(*layers)


def test_pruned_networks_are_pruned_when_a_mask_is_loaded() -> None:
    pruned = network()
    prune.identity(pruned[2], "weight")
    assert counted(pruned).num_pieces == 4
    pruned[2].load_state_dict({**pruned[2].state_dict(), "weight_mask": torch.tensor([[1.0, 0.0, 1.0]]).double()})
    assert counted(pruned).num_pieces == 3


def test_pruned_convolutions() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv1d(1, 2, 2)
    prune.random_unstructured(convolution, "weight", amount=2)
    wrapped = nn.Sequential(nn.Unflatten(1, (1, 4)), convolution, nn.ReLU(), nn.Flatten(), nn.Linear(6, 1)).double()
    shifted(wrapped)
    assert counted(wrapped, 4).num_pieces > 1


def test_weights_are_worked_out_in_the_networks_own_type() -> None:
    normed = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.Linear(4, 1))
    assert read(normed)[0].weight[0].tolist() == normed[0].weight.tolist()
    old = nn.Sequential(weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.Linear(4, 1)).bfloat16()
    old(torch.zeros(1, 3, dtype=torch.bfloat16))
    assert read(old)[0].weight[0].tolist() == old[0].weight.tolist()


def test_layers_that_share_a_parametrization() -> None:
    shared = parametrizations.weight_norm(nn.Linear(2, 2))
    counted(nn.Sequential(shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(2, 1)).double(), 2)


def test_a_lazy_layer_that_has_its_shape_is_an_ordinary_one() -> None:
    lazy = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.Linear(3, 1))
    lazy(torch.zeros(1, 1))
    counted(lazy.double())


# --- hooks ------------------------------------------------------------------------------------------------------------


def without_the_second(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    return output * torch.tensor([1.0, 0.0, 1.0])


def in_place_without_the_second(module: nn.Module, inputs: Any, output: Tensor) -> None:
    output[:, 1] = 0


def only_the_second_input(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0] * torch.tensor([0.0, 1.0, 0.0]),)


@pytest.mark.parametrize(
    ("register", "num_pieces"),
    [
        (lambda net: net[1].register_forward_hook(without_the_second), 3),
        (lambda net: net[1].register_forward_hook(in_place_without_the_second), 3),
        (lambda net: net[1].register_forward_hook(without_the_second, always_call=True), 3),
        (lambda net: net[0].register_forward_hook(without_the_second), 3),
        (lambda net: net[2].register_forward_pre_hook(only_the_second_input), 2),
        (lambda net: net[2].register_forward_pre_hook(lambda m, x: x[0].clamp(max=0.125)), 7),
        (lambda net: net[2].register_forward_hook(lambda m, x, kw, y: y + x[0].sum(1, True), with_kwargs=True), 4),
        (lambda net: net.register_forward_hook(lambda m, x, y: y.abs()), 4),
        (lambda net: net.register_forward_hook(lambda m, x, y: y - x[0].clamp(min=0.875)), 5),
        (lambda net: net.register_forward_pre_hook(lambda m, x: (x[0] / 2,)), 2),
        (lambda net: net[1].register_forward_hook(lambda m, x, y: None), 4),
        (lambda net: net.register_forward_hook(lambda m, x, y: None), 4),
        (lambda net: net[0].register_full_backward_hook(lambda m, i, o: None), 4),
        (lambda net: net.register_full_backward_pre_hook(lambda m, o: None), 4),
        (lambda net: net[0].register_state_dict_pre_hook(lambda m, p, k: None), 4),
    ],
)
def test_hooks_are_run(register: Callable[[nn.Module], Any], num_pieces: int) -> None:
    hooked = network()
    register(hooked)
    assert counted(hooked).num_pieces == num_pieces
    assert pieces.on_line(nn.Sequential(hooked, nn.Identity()), 0.0, 1.0).num_pieces == num_pieces


def test_hooks_of_all_modules() -> None:
    def halved(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        return output - 0.25 if isinstance(module, nn.ReLU) else None

    plain, expected = network(), network()
    expected.insert(2, Shift(-0.25))
    handle = torch.nn.modules.module.register_module_forward_hook(halved)
    try:
        layers = read(plain)
        x = torch.rand(20, 1, dtype=torch.float64)
        wanted = plain(x).detach().numpy()
    finally:
        handle.remove()
    assert np.abs(run(layers, x.numpy())[0] - wanted).max() < 1e-14
    assert np.abs(wanted - expected(x).detach().numpy()).max() < 1e-14


class Shift(nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


def test_an_ablated_unit_in_half_precision() -> None:
    # In bfloat16 the difference hides in the rounding; the comparison is made in float64.
    hooked = network().bfloat16()
    hooked[1].register_forward_hook(lambda m, x, y: y * torch.tensor([1.0, 0.0, 1.0], dtype=torch.bfloat16))
    assert pieces.on_line(hooked, 0.0, 1.0).num_pieces == 3


def test_what_a_hook_refuses_is_named() -> None:
    hooked = network()
    hooked[1].register_forward_hook(lambda m, x, y: y.sigmoid())
    with pytest.raises(TypeError, match=r"sigmoid in a hook of layer '1', a ReLU \(test_pieces_reading_followed.py, l"):
        pieces.on_line(hooked, 0.0, 1.0)


# --- replaced forwards ------------------------------------------------------------------------------------------------


def test_a_replaced_forward_is_followed() -> None:
    replaced = network()
    replaced[1].forward = torch.abs
    # |x - 1/4| - 2 |x - 1/2| + 3 |x - 3/4| has slopes -2, 0, -4, 2.
    assert counted(replaced).slopes[:, 0].tolist() == [-2, 0, -4, 2]
    replaced = network()
    replaced.forward = lambda x: nn.Sequential.forward(replaced, x).clamp(min=0.125)
    assert counted(replaced).num_pieces == 5
    outer = nn.Sequential(network())
    outer[0].forward = lambda x: x.abs()
    assert counted(outer).num_pieces == 1


def test_a_replaced_forward_that_cannot_be_followed_is_refused_by_name() -> None:
    replaced = network()
    replaced[1].forward = torch.sigmoid
    with pytest.raises(TypeError, match="sigmoid in the replaced forward of layer '1', a ReLU"):
        pieces.on_line(replaced, 0.0, 1.0)
    with pytest.raises(TypeError, match="sigmoid in the replaced forward of layer '1', a ReLU"):
        pieces.on_line(stack([replaced, replaced]), 0.0, 1.0)


def test_a_replaced_forward_of_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: torch.abs(x))
    assert counted(network()).slopes[:, 0].tolist() == [-2, 0, -4, 2]


def test_compiled_networks_are_read_without_compiling() -> None:
    def compiled(*args: Any) -> Tensor:
        raise AssertionError("nothing should be compiled")

    inner = network()
    inner._compiled_call_impl = compiled  # what inner.compile() sets
    assert pieces.on_line(inner, 0.0, 1.0).num_pieces == 4
    assert inner._compiled_call_impl is compiled


# --- what the comparison finds ----------------------------------------------------------------------------------------


class Fickle(nn.Module):
    """Computes another function at every second call."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()

    def forward(self, x: Tensor) -> Tensor:
        FICKLE.append(len(FICKLE))
        return self.inner(x) * (len(FICKLE) % 2)


FICKLE: list[int] = []


class TwoByTwo(nn.Module):
    """Takes two inputs at a time."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(2, 1)


class OfTheBatch(nn.Module):
    """Depends on how many inputs there are."""

    def forward(self, x: Tensor) -> Tensor:
        return x * len(x)


class Cut(nn.Module):
    """What torch rounds here, is no part of the function."""

    def forward(self, x: Tensor) -> Tensor:
        return (x + 2.0**60) - 2.0**60 + x.detach()


def test_a_network_that_changes_from_call_to_call_is_refused() -> None:
    with pytest.raises(ValueError, match=r"what was read of a Fickle disagrees with it: at x = .*call to call"):
        pieces.on_line(Fickle(), 0.0, 1.0)
    with pytest.raises(ValueError, match="what was read of a OfTheBatch disagrees"):
        pieces.on_plane(OfTheBatch(), 0.0, 1.0)
    with pytest.raises(ValueError, match=r"what was read of a TwoByTwo cannot be compared with it: .*shape"):
        pieces.on_line(TwoByTwo(), 0.0, 1.0)


def test_what_cancels_inside_of_a_network_is_no_disagreement() -> None:
    assert pieces.on_line(Cut(), 0.0, 1.0).slopes.tolist() == [[2.0]]


def test_members_of_a_stack_are_followed_and_compared() -> None:
    members = [shifted(MLP(1, 1, width=3, depth=1).double()) for _ in range(3)]
    for member in members:
        member.hidden.register_forward_hook(without_the_second)
    for line, member in zip(pieces.on_line(stack(members), 0.0, 1.0), members, strict=True):
        assert line.num_pieces == counted(member).num_pieces


@pytest.mark.parametrize(
    "wrap", [weight_norm, parametrizations.weight_norm, lambda layer: prune.identity(layer, "weight")]
)
def test_stacks_of_weights_that_are_worked_out(wrap: Callable[[nn.Module], nn.Module]) -> None:
    members = [shifted(nn.Sequential(wrap(nn.Linear(1, 4)), nn.ReLU(), nn.Linear(4, 1))) for _ in range(2)]
    for line, member in zip(pieces.on_line(stack(members), -1.0, 1.0), members, strict=True):
        assert line.region_breakpoints.tolist() == pieces.on_line(member, -1.0, 1.0).region_breakpoints.tolist()


# --- reading leaves a network as it was -------------------------------------------------------------------------------


class Busy(nn.Module):
    """Changes all that a forward can change."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()
        self.register_buffer("count", torch.zeros(1))
        self.seen: list[Tensor] = []
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.last = x
        self.seen.append(x)
        self.train(False)
        torch.rand(1), np.random.rand()
        return self.inner(x)


def test_a_busy_forward_leaves_no_traces() -> None:
    busy = Busy()
    before = state(busy)
    assert pieces.on_line(busy, 0.0, 1.0).num_pieces == 4
    assert_same_state(before, state(busy))
    assert (busy.seen, busy.last, busy.training) == ([], None, True)


def test_a_network_that_cannot_be_read_is_left_as_it_was() -> None:
    broken = nn.Sequential(parametrizations.spectral_norm(nn.Linear(2, 2)), nn.ReLU(), nn.GELU(), nn.Linear(2, 1))
    weight_norm(broken[3])
    before = state(broken)
    with pytest.raises(TypeError, match="layer '2', a GELU"):
        read(broken)
    assert_same_state(before, state(broken))


def test_reading_between_forward_and_backward() -> None:
    normed = nn.Sequential(nn.utils.spectral_norm(nn.Linear(2, 2)), nn.ReLU(), weight_norm(nn.Linear(2, 1)))
    loss = normed(torch.ones(1, 2)).sum()
    read(normed)
    loss.backward()
    assert normed[0].weight_orig.grad is not None


def test_layers_that_share_a_weight_are_compared_in_float64_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight  # of two layers, so that functional_call has to look for it under a second name
    sharing = shifted(nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(2, 1)))
    sharing[1].register_forward_hook(lambda *_: None)  # else it would be plain, and not be compared
    monkeypatch.setattr(comparison, "_InFloat64", None)  # the second try, for networks that mix types
    pieces.on_line(sharing, [0.0, 0.0], [1.0, 1.0])
