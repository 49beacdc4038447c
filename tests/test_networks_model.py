"""What a configuration says of a network: those of equal size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.networks import MLP, MLPModel
from dlcourse.networks.mlp import num_parameters
from dlcourse.networks.model import widths_of_size


def test_sizes_by_hand() -> None:
    # 12, 11, 11 units: 2 * 12 + 13 * 11 + 12 * 11 + 12 = 311; with a 35th unit, 335.
    assert widths_of_size(320, 3, 1, 1) == [12, 11, 11]
    # One layer has 3 h + 1 parameters.
    assert widths_of_size(320, 1, 1, 1) == [106]
    assert widths_of_size(319, 1, 1, 1) == [106]
    assert widths_of_size(318, 1, 1, 1) == [105]
    # 16, 16 would be 32 + 272 + 17 = 321.
    assert widths_of_size(320, 2, 1, 1) == [16, 15]
    assert widths_of_size(320, 0, 3, 2) == []


@given(st.integers(1, 4000), st.integers(1, 9), st.integers(1, 20), st.integers(1, 5))
def test_it_is_the_largest_that_fits(most: int, depth: int, in_features: int, out_features: int) -> None:
    smallest = num_parameters(MLP(in_features, out_features, width=1, depth=depth))
    if most < smallest:
        with pytest.raises(ValueError, match=rf"model.max_parameters must be at least {smallest} .* got {most}"):
            widths_of_size(most, depth, in_features, out_features)
        return
    widths = widths_of_size(most, depth, in_features, out_features)
    assert len(widths) == depth
    assert sorted(widths, reverse=True) == widths
    assert widths[0] - widths[-1] <= 1
    assert num_parameters(MLP(in_features, out_features, width=widths)) <= most
    larger = [*widths]
    larger[widths.index(widths[-1])] += 1  # the first of the narrow layers; of equal ones, the first of all
    assert num_parameters(MLP(in_features, out_features, width=larger)) > most


def test_a_model_of_a_given_size_has_its_widths_when_the_task_is_known() -> None:
    model = MLPModel(depth=3, max_parameters=320)
    with pytest.raises(ValueError, match="before sized_for"):
        _ = model.layer_widths
    assert model.sized_for(1, 1).layer_widths == [12, 11, 11]
    assert model.sized_for(2, 3).title == "depth=3-max_parameters=320-relu"
    assert MLPModel(width=4).sized_for(2, 3) == MLPModel(width=4)


@pytest.mark.parametrize("sizes", [{"width": 8}, {"widths": [4, 4]}, {"width": 8, "widths": [4, 4]}])
def test_a_size_and_a_width_contradict_each_other(sizes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"model.max_parameters is given instead of model.width and model.widths, got"):
        MLPModel(depth=2, max_parameters=320, **sizes)  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [0, -5])
def test_a_size_is_at_least_one(most: int) -> None:
    with pytest.raises(ValueError, match=f"model.max_parameters must be at least 1, got {most}"):
        MLPModel(max_parameters=most)
