"""Names of units that are alike: worked by hand, and against values of random networks, exact in integers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from dlcourse.pieces.arithmetic.alike import ONE, ZERO, Alike, Terms, together
from dlcourse.pieces.layer import UnitLayer


def layer(weight: list[list[float]], bias: list[float] | None = None, slope: float = 0.0) -> UnitLayer:
    """Of one member, without its zeros."""
    num = len(weight)
    biases = np.zeros((1, num)) if bias is None else np.array([bias], dtype=float)
    return UnitLayer((csr_array(np.array(weight, dtype=float)),), biases, np.full((1, num), slope))


def alike(*layers: UnitLayer, inputs: list[list[float]]) -> Alike:
    return Alike(list(layers), 0, np.array(inputs))


AB = [[1.0, 2.0], [1.0, 2.0], [3.0, 4.0], [0.0, -0.0]]  # a, a, b and 0, from t = 0 to t = 1


def test_units_that_are_made_of_the_same_have_one_name() -> None:
    rows = [[0.3, 0.7, 0, 9], [0.7, 0.3, 0, 0], [0, 0, 0.3, 0], [0.3, 0, 0.7, 0], [0, 0.3, 0.7, 5]]
    names = alike(layer(rows), inputs=AB).names(0).tolist()
    assert names[0] == names[1]  # 0.3 a + 0.7 a, in whatever order
    assert names[3] == names[4]  # 0.3 a + 0.7 b
    assert len({names[0], names[2], names[3]}) == 3


def test_biases_and_slopes_tell_units_apart() -> None:
    rows = [[0.3, 0, 0, 0], [0, 0.3, 0, 0], [0, 0.3, 0, 0]]
    first = layer(rows, [1.0, 1.0, 2.0])
    first.slope[0] = [0.0, 0.5, 0.0]
    found = alike(first, layer([[1.0, 0, 0], [0, 1.0, 0]]), inputs=AB)
    names = found.names(0).tolist()
    assert names[0] == names[1] != names[2]
    assert len(set(found.names(1).tolist())) == 2  # relu and leaky ReLU of the same


def test_what_cancels_is_zero_and_what_is_passed_on_keeps_its_name() -> None:
    rows = [[0.3, -0.3, 0, 0], [0, 0, 0, 7], [0.3, -0.1, 0, 0], [1.0, 0, 0, 0], [0, 1.0, 0, 2], [1.0, -2.0, 1.0, 0]]
    names = alike(layer(rows), inputs=AB).names(0).tolist()
    assert names[:2] == [ZERO, ZERO]
    assert names[2] != ZERO
    assert names[3] == alike(layer(rows), inputs=AB).names(0)[3] != names[5]
    assert alike(layer([[0, 0, 0, 1.0]], [0.5]), inputs=AB).names(0)[0] not in (ZERO, ONE)


def test_nothing_is_added_up() -> None:
    # 0.1 + 0.2 is 0.3 in no binary arithmetic, and a + a - 2 a is 0 but not told: terms cancel that have one size.
    names = alike(layer([[0.1, 0.2, 0, 0], [0.3, 0, 0, 0], [1.0, 1.0, 0, 0], [2.0, 0, 0, 0]]), inputs=AB).names(0)
    assert len(set(names.tolist())) == 4


def test_units_of_networks_whose_inputs_all_differ_have_names_of_their_own() -> None:
    names = alike(layer([[0.3, 0.7], [0.7, 0.3]]), inputs=[[1.0], [2.0]]).names(0)
    assert len(set(names.tolist())) == 2


def test_a_pool_is_one_of_its_inputs_where_it_is_known_which_is_larger() -> None:
    # max(a, b) - max(b', a') with b' = b and a' = a: a - b' and so on, 0 wherever a > b or b > a.
    compare = layer([[1, -1, 0, 0], [0, 1, 0, 0], [0, 0, 1, -1], [0, 0, 0, 1]])
    compare.slope[0] = [0, 1, 0, 1]
    found = alike(compare, layer([[1, 1, -1, -1]]), inputs=[[1.0], [2.0], [2.0], [1.0]])
    for a_is_larger in (True, False):
        on = np.array([a_is_larger, True, not a_is_larger, True])
        terms = found.sums(1, np.array([0]), np.array([0]), lambda index, place, unit, on=on: on[unit])
        assert len(terms.f) == 0
    both = found.sums(1, np.array([0]), np.array([0]), lambda index, place, unit: np.full(len(unit), True))
    assert both.times.tolist() == [1, -1]  # a - b, as none is 0


def test_units_may_be_alike_at_a_place_only() -> None:
    # relu(x) and relu(y) differ, but where both are off, 0.5 relu(x) + 1 and 0.5 relu(y) + 1 are both 1.
    first, second = layer([[3.0, 0], [0, 3.0]]), layer([[0.5, 0], [0, 0.5]], [1.0, 1.0])
    found = alike(first, second, layer([[1, -1]]), inputs=[[1.0], [2.0]])
    asked = np.array([0]), np.array([0])
    on = [np.array([False, False]), np.array([True, True])]
    assert len(found.sums(2, *asked, lambda index, place, unit: on[index][unit]).f) == 2
    assert len(found.sums(2, *asked, lambda index, place, unit: on[index][unit], closely=True).f) == 0
    on[0][1] = True
    assert len(found.sums(2, *asked, lambda index, place, unit: on[index][unit], closely=True).f) == 2


def test_keys_up_to_sign() -> None:
    terms = together([Terms(np.array([0, 0, 1, 1]), np.array([5, 6, 6, 5]), np.ones(4), np.array([1, -1, 1, -1]))])
    one, other, none = terms.keys(3)
    assert one != other and none == b""
    one, other, none = terms.keys(3, up_to_sign=True)
    assert one == other != none == b""


T = np.array([0.0, 0.25, 0.5, 1.0])


@given(st.integers(0, 2**32 - 1))
def test_what_has_one_name_is_equal(seed: int) -> None:
    """Inputs, weights and biases are few different integers, so that many units are alike, and floats are exact."""
    random = np.random.default_rng(seed)
    widths = [4, *random.integers(2, 6, size=3).tolist()]
    ends = random.integers(-1, 2, size=(4, 2)).astype(float)
    layers = []
    for num_inputs, num_units in pairwise(widths):
        weight = random.choice([0, 0, 1, -1, 3], size=(num_units, num_inputs)).tolist()
        layers.append(layer(weight, random.choice([0, 0, 0, 2], size=num_units).tolist()))
        layers[-1].slope[0] = random.choice([0, 0, 1, 0.5], size=num_units)
    found = Alike(layers, 0, ends)
    values = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * T
    before: list[np.ndarray] = []
    for index, one in enumerate(layers):
        before.append(one.weight[0] @ values + one.bias[0][:, None])
        values = np.where(before[-1] > 0, before[-1], one.slope[0][:, None] * before[-1])
        names = found.names(index)
        for name in np.unique(names).tolist():
            same = before[-1][names == name]
            assert (same == same[0]).all()
            assert name != ZERO or not same.any()
        unit, place = (each.ravel() for each in np.mgrid[: len(names), : len(T)])
        for closely in (False, True):
            keys = found.sums(
                index, unit, place, lambda k, place, unit: before[k][unit, place] > 0, closely=closely
            ).keys(len(unit), up_to_sign=True)
            for at in range(len(T)):
                sizes: dict[bytes, float] = {b"": 0.0}
                for key, value in zip(np.array(keys, dtype=object)[place == at], before[-1][:, at], strict=True):
                    assert sizes.setdefault(key, abs(value)) == abs(value)


@pytest.mark.parametrize("closely", [False, True])
def test_nothing_is_asked(closely: bool) -> None:
    none = np.zeros(0, dtype=np.int64)
    found = alike(layer([[1.0, 2.0]]), layer([[3.0]]), inputs=[[1.0], [1.0]])
    assert len(found.sums(1, none, none, lambda index, place, unit: unit > 0, closely=closely).f) == 0
