"""What is given in place of a network, and networks whose numbers say nothing: each is refused in one clear line."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import network_of
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.networks import MLP, stack
from dlcourse.pieces.reading.refusals import check_network


def network() -> nn.Sequential:
    return network_of(([[1.0], [1.0]], [-0.25, -0.5]), ([[1.0, -2.0]], [0.0]))


def with_warnings_of_torch(make: Callable[..., Any], *arguments: Any) -> Any:
    """torch warns of old ways that people's networks have gone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments)


class Wrong(nn.Module):
    """A network whose only layer has other numbers."""

    def __init__(self, parameter: Tensor) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.layer.weight = nn.Parameter(parameter, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


NO_NETWORKS: list[tuple[Callable[[], Any], str]] = [
    (lambda: network().state_dict(), r"^load the state_dict into a network, .*got a (OrderedDict|dict)"),
    (lambda: "network.pt", "^load the network from its file .*got a str"),
    (lambda: Path("network.pt"), "^load the network from its file .*got a PosixPath"),
    (lambda: torch.relu, "^put the function into the forward of an nn.Module"),
    (lambda: lambda x: x, "^put the function into the forward of an nn.Module; .*got a function"),
    (lambda: MLP, r"^make a network of the class: MLP\(\.\.\.\); .*got the class MLP"),
    (lambda: [network()], "^pass a network; .*got a list"),
    (lambda: None, "^pass a network; .*got a NoneType"),
    (
        lambda: with_warnings_of_torch(torch.jit.trace, network(), torch.zeros(1, 1, dtype=torch.float64)),
        "^pass the nn.Module that was scripted or traced",
    ),
    (lambda: nn.DataParallel(network()), "^pass .module: a DataParallel"),
    (lambda: nn.Sequential(nn.DataParallel(network())), "^pass .module: layer '0', a DataParallel"),
    (lambda: torch.optim.swa_utils.AveragedModel(network()), "^pass .module: a AveragedModel"),
    (lambda: nn.LazyLinear(3), "^run the network once: weight has no shape before that, it is an Uninitialized"),
    (lambda: nn.Sequential(nn.Linear(1, 1, device="meta")), r"^load the network's values: 0\.weight is on the meta"),
    (lambda: Wrong(torch.zeros(1, 1).to(torch.float8_e4m3fn)), r"^convert the network, .*: layer\.weight must be of a"),
    (lambda: Wrong(torch.zeros(1, 1, dtype=torch.complex64)), r"layer\.weight must be of .*got torch\.complex64"),
]


@pytest.mark.parametrize(("make", "message"), NO_NETWORKS, ids=[message[:30] for _, message in NO_NETWORKS])
def test_what_is_no_network_that_can_be_counted(make: Callable[[], Any], message: str) -> None:
    given = make()
    with pytest.raises(TypeError, match=message):
        check_network(given)
    if isinstance(given, nn.Module):  # what is none, the checks of signatures refuse first in these tests
        with pytest.raises(TypeError, match=message):
            pieces.on_line(given, 0.0, 1.0)


def test_types_of_stacks() -> None:
    members = stack([nn.Linear(1, 1).to(torch.float8_e5m2)] * 2)
    with pytest.raises(TypeError, match=r"weight must be of a type in .*got torch.float8_e5m2"):
        pieces.on_line(members, 0.0, 1.0)


@pytest.mark.slow
def test_what_torch_makes_of_networks() -> None:
    scripted = with_warnings_of_torch(torch.jit.script, network())
    with pytest.raises(TypeError, match=r"^pass the nn.Module that was scripted or traced"):
        pieces.on_line(scripted, 0.0, 1.0)
    quantized = with_warnings_of_torch(torch.ao.quantization.quantize_dynamic, network().float(), {nn.Linear})
    with pytest.raises(TypeError, match=r"^pass the network before it was quantized: layer '0', a Linear"):
        pieces.on_line(quantized, 0.0, 1.0)
    exported = with_warnings_of_torch(torch.export.export, network(), (torch.zeros(2, 1, dtype=torch.float64),))
    with pytest.raises(TypeError, match=r"^pass the network that was exported; .*got a ExportedProgram"):
        check_network(exported)
    compiled = with_warnings_of_torch(torch.compile, network())
    assert pieces.on_line(compiled, 0.0, 1.0).num_pieces == 3
    compiled.register_forward_hook(lambda module, inputs, output: -output.relu())
    assert pieces.on_line(nn.Sequential(compiled), 0.0, 1.0).num_pieces == 4  # 0 before 1/4 and from 3/4 on


def test_a_batch_of_one_point_is_a_point() -> None:
    generator = torch.Generator().manual_seed(0)
    deep = MLP(3, 1, width=8, depth=2, generator=generator)
    image = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1))
    for net, shape in ((deep, (3,)), (nn.Sequential(deep), (3,)), (image, (1, 3, 3))):
        a, b, c = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
        line = pieces.on_line(net, a, b)
        assert pieces.on_line(net, a[None], b[None]).region_breakpoints.tolist() == line.region_breakpoints.tolist()
        whole = pieces.on_line(net, origin=a[None], direction=b[None])
        assert whole.num_regions == pieces.on_line(net, origin=a, direction=b).num_regions
        assert whole.origin.shape == shape
        plane = pieces.on_plane(net, 0.0, 1.0, origin=a, directions=torch.stack([b, c]))
        batched = pieces.on_plane(net, 0.0, 1.0, origin=a[None], directions=torch.stack([b[None], c[None]]))
        assert batched.num_regions == plane.num_regions
    members = stack([deep, deep])
    with pytest.raises(ValueError, match=r"a point must be a vector of 3 numbers, got shape \(1, 3\)"):
        pieces.on_line(members, torch.zeros(1, 3), torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"a point must be a vector of 3 numbers, got shape \(2, 3\)"):
        pieces.on_line(deep, torch.zeros(2, 3), torch.ones(2, 3))


def test_planes_through_three_points() -> None:
    generator = torch.Generator().manual_seed(0)
    deep = MLP(3, 1, width=8, depth=2, generator=generator)
    a, b, c = torch.randint(-8, 9, (3, 3), generator=generator).double()  # of which differences are exact
    triangle = pieces.on_plane(deep, through=(a, b, c))
    corners = [[0, 0], [1, 0], [0, 1]]
    expected = pieces.on_plane(deep, vertices=corners, origin=a, directions=torch.stack([b - a, c - a]))
    assert (triangle.num_regions, triangle.num_pieces) == (expected.num_regions, expected.num_pieces)
    assert triangle.points(corners).tolist() == torch.stack([a, b, c]).tolist()
    assert pieces.on_plane(deep, through=(a[None], b[None], c[None])).num_regions == triangle.num_regions
    with pytest.raises(ValueError, match="through must be three points, got 2"):
        pieces.on_plane(deep, through=(a, b))
    with pytest.raises(ValueError, match="through must be given alone"):
        pieces.on_plane(deep, 0.0, 1.0, through=(a, b, c))
    with pytest.raises(ValueError, match=r"must have one shape, got \(3,\), \(3,\) and \(2,\)"):
        pieces.on_plane(deep, through=(a, b, c[:2]))
    with pytest.raises(ValueError, match="directions must not be parallel"):
        pieces.on_plane(deep, through=(a, b, a))
