from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow_except
from random_circuits import Plan, plans, value
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.circuits import (
    and_,
    best_blocks,
    block_parity,
    depth,
    inputs,
    or_,
    parity_by_tents,
    parity_cnf,
    parity_dnf,
    parity_of_sum,
    parity_tree,
    smallest_parity_of_sum,
    to_mlp,
    to_threshold_network,
    without_xor,
)
from dlcourse.networks import MLP, num_parameters
from dlcourse.tasks import Parity


def all_bits(num_bits: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(list(product([0, 1], repeat=num_bits)), dtype=dtype)


@settings(max_examples=60)
@given(plans(4, max_gates=10))
def test_any_circuit(plan: Plan) -> None:
    circuit = plan.build()
    expected = [[float(value(circuit, bits))] for bits in product([0, 1], repeat=4)]
    threshold, relu = to_threshold_network(circuit, 4), to_mlp(circuit, 4)
    assert threshold(all_bits(4)).tolist() == relu(all_bits(4)).tolist() == expected
    assert len(relu.hidden.layers) == depth(without_xor(circuit))


def test_an_or_of_ands_by_hand() -> None:
    # h[1] = (max(0, x1 - x2), max(0, x2 - x1)), the two ANDs; h[2] = max(0, 1 - h1 - h2), their NOR; y = 1 - h[2]
    x1, x2 = inputs(2)
    network = to_mlp((x1 & ~x2) | (~x1 & x2), 2)
    assert [parameter.tolist() for parameter in network.parameters()] == [
        [[1, -1], [-1, 1]],
        [0, 0],
        [[-1, -1]],
        [1],
        [[-1]],
        [1],
    ]


def test_the_slides_circuit_is_a_network_of_depth_4() -> None:
    circuit = without_xor(parity_tree(4))
    network = to_mlp(circuit, 4)
    assert [layer.out_features for layer in network.hidden.layers] == [4, 2, 2, 1]
    shallow = to_mlp(parity_dnf(4), 4)
    assert [layer.out_features for layer in shallow.hidden.layers] == [8, 1]


@pytest.mark.parametrize("num_bits", slow_except(range(1, 11), *range(1, 8)))
def test_parity_in_seven_ways(num_bits: int) -> None:
    data = Parity(num_bits=num_bits).data(seed=0, dtype=torch.float64)
    networks: list[nn.Module] = [
        parity_of_sum(num_bits),
        smallest_parity_of_sum(num_bits),
        parity_by_tents(num_bits),
        to_mlp(parity_tree(num_bits), num_bits),
        to_mlp(parity_dnf(num_bits), num_bits),
        to_threshold_network(parity_cnf(num_bits), num_bits),
    ]
    if num_bits > 1:
        networks.append(to_mlp(block_parity(best_blocks(num_bits, 3)), num_bits))
    for network in networks:
        assert torch.equal(network(data.test_inputs.float()).double(), data.test_targets)


def test_forty_bits() -> None:
    bits = torch.randint(2, (1000, 40), generator=torch.Generator().manual_seed(0))
    expected = (bits.sum(-1, keepdim=True) % 2).float()
    for network in (parity_of_sum(40), smallest_parity_of_sum(40), parity_by_tents(40), to_mlp(parity_tree(40), 40)):
        assert torch.equal(network(bits.float()), expected)


@pytest.mark.parametrize(("num_bits", "layers"), [(1, 0), (2, 1), (3, 2), (4, 2), (16, 4), (17, 5)])
def test_sizes(num_bits: int, layers: int) -> None:
    assert [layer.out_features for layer in parity_of_sum(num_bits).hidden.layers] == [num_bits]
    assert [layer.out_features for layer in parity_by_tents(num_bits).hidden.layers] == [2] * layers
    if num_bits == 16:
        # 16 * 16 + 16 + 16 + 1;  2 * 16 + 2, then three times 2 * 2 + 2, then 2 + 1
        assert num_parameters(parity_of_sum(16)) == 289
        assert num_parameters(parity_by_tents(16)) == 34 + 3 * 6 + 3
    if num_bits == 4:  # as small as the tents: 3 * 4 + 3 + 3 + 1 and 2 * 4 + 2 + 2 * 2 + 2 + 3
        assert num_parameters(smallest_parity_of_sum(4)) == num_parameters(parity_by_tents(4)) == 19


def test_the_first_tents_are_the_lectures() -> None:
    # For two bits, on s in [0, 2]: max(0, s) - max(0, 2 (s - 1))
    network = parity_by_tents(2, dtype=torch.float64)
    s = torch.linspace(0, 2, 9, dtype=torch.float64)
    tent = s.clamp(min=0) - (2 * (s - 1)).clamp(min=0)
    assert torch.equal(network(torch.stack([s, 0 * s], dim=1))[:, 0], tent)


def test_unused_inputs_constants_and_types() -> None:
    x = inputs(3)
    assert to_mlp(~x[1], 3)(all_bits(3)).flatten().tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    for circuit, expected in ((or_(), 0), (and_(), 1), (~and_(), 0)):
        assert to_mlp(circuit, 1)(all_bits(1)).flatten().tolist() == [expected] * 2
        assert to_threshold_network(circuit, 1)(all_bits(1)).flatten().tolist() == [expected] * 2
    network = to_mlp(x[0] | x[2], 3, dtype=torch.float64)
    assert isinstance(network, MLP)
    assert network(all_bits(3, torch.float64)).dtype == torch.float64
    with pytest.raises(ValueError, match="num_bits must be at least 3, the circuit's highest input, got 2"):
        to_mlp(x[0] | x[2], 2)


@pytest.mark.parametrize("num_bits", range(4, 13))
def test_one_unit_less_than_bits_in_exact_arithmetic(num_bits: int) -> None:
    network = smallest_parity_of_sum(num_bits)
    (unit,), output = network.hidden.layers, network.output
    assert isinstance(unit, nn.Linear)
    assert unit.out_features == num_bits - 1
    # The stored numbers as Python's integers, on every input; a sum of floats could hide a mistake by a rounding.
    weight, bias = ([[int(w) for w in row] for row in unit.weight.tolist()], [int(b) for b in unit.bias.tolist()])
    change, shift = [int(v) for v in output.weight[0].tolist()], int(output.bias.item())
    assert [parameter.tolist() for parameter in network.parameters()] == [weight, bias, [change], [shift]]
    for bits in product([0, 1], repeat=num_bits):
        ons = [sum(w for w, x in zip(row, bits, strict=True) if x) + b for row, b in zip(weight, bias, strict=True)]
        assert shift + sum(v * max(0, z) for v, z in zip(change, ons, strict=True)) == sum(bits) % 2
    assert torch.equal(network(all_bits(num_bits))[:, 0], all_bits(num_bits).sum(1) % 2)


def test_the_bends_of_the_smallest_one() -> None:
    # Along the diagonal of seven equal inputs, s = 7 x: bends at 2/3, 2, 3, ..., 6 and nowhere else, between heights 0
    # and 1 but for the first one.
    network = smallest_parity_of_sum(7, dtype=torch.float64)
    s = torch.tensor([0, 2 / 3, 1, 2, 3, 4, 5, 6, 7], dtype=torch.float64)
    heights = network((s / 7)[:, None].expand(-1, 7))[:, 0]
    eps = torch.finfo(torch.float64).eps
    assert heights.tolist() == pytest.approx([0, 4 / 3, 1, 0, 1, 0, 1, 0, 1], rel=0, abs=100 * eps)
    line = pieces.on_line(network, [0.0] * 7, [1.0] * 7)
    assert 7 * line.breakpoints == pytest.approx([2 / 3, 2, 3, 4, 5, 6], rel=4 * eps)
    assert np.diff(line.slopes[:, 0]) / 7 == pytest.approx([-3, 2, -2, 2, -2, 2], rel=4 * eps)


@pytest.mark.parametrize("num_bits", [2, 3, 4, 5])
def test_units_that_see_the_sum_fill_one_second_difference_each(num_bits: int) -> None:
    # The step of the proof, on a grid of bends: a unit's second differences at s = 1, ..., d - 1 are other than 0 at no
    # more than two neighbours, and nowhere below it. Those of the parity alternate.
    s = range(num_bits + 1)
    parity = [k % 2 for k in s]
    assert [parity[k - 1] - 2 * parity[k] + parity[k + 1] for k in s[1:-1]] == [(-1) ** k * 2 for k in s[1:-1]]
    for twelfths in range(-12, 12 * (num_bits + 1)):
        for side in (1, -1):
            unit = [max(0, side * (12 * k - twelfths)) for k in s]
            seconds = {k: unit[k - 1] - 2 * unit[k] + unit[k + 1] for k in s[1:-1]}
            filled = [k for k, second in seconds.items() if second]
            assert min(seconds.values(), default=0) >= 0
            assert filled in [[], *([k] for k in s[1:-1]), *([k, k + 1] for k in s[1:-2])]


@given(st.integers(1, 30), st.integers(0, 30))
def test_the_number_of_ones_alone_decides(num_bits: int, ones: int) -> None:
    bits = (torch.arange(num_bits) < ones).float()
    expected = min(num_bits, ones) % 2
    for network in (parity_of_sum(num_bits), smallest_parity_of_sum(num_bits), parity_by_tents(num_bits)):
        assert network(bits).item() == expected
