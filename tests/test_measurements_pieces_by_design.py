"""Networks with pieces by design, trained: what is known of x^2, and the choice of rates by hand."""

import numpy as np
import pytest
import torch

from dlcourse.measurements import PiecesByDesign
from dlcourse.measurements.pieces_by_design import Target, interval_of_median, rate_of_each_seed, widths_for
from dlcourse.networks import MLP, num_parameters, stack
from dlcourse.networks.skewed_tents import SkewedTents

SMALL = {"depth": 2, "num_seeds": 2, "num_steps": 4, "num_steps_of_first_stage": 2, "rates": [0.01, 0.1]}


@pytest.mark.slow
def test_the_first_stage_finds_the_best_pieces_of_the_square() -> None:
    measurement = PiecesByDesign(target="square", depth=2, num_seeds=2, rates=[0.1], num_steps_of_first_stage=400)
    designs = [SkewedTents(2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in (0, 1)]
    errors, _ = measurement.errors(measurement.first_stage(designs))
    # The best four pieces are known, Yarotsky 2017; with peaks of 1/2 and a suitable offset the design has them.
    best = 1 / (180 * 4**4)
    assert ((0.99 * best < errors) & (errors < 1.1 * best)).all(), errors / best
    start, _ = measurement.errors(stack([design.network(torch.float32) for design in designs]))
    assert (start > 10 * best).all()


def test_everything_is_measured_and_repeats() -> None:
    row = PiecesByDesign(**SMALL).measure()
    assert row == PiecesByDesign(**SMALL).measure()
    assert row["num_parameters"] == 22
    assert row["start/long_pieces_median"] == 4
    plain = [f"plain/{depth}/{initialization}" for depth in (1, 2) for initialization in ("torch", "he")]
    for name in ("start", "first", "second", "without_first", *plain):
        assert 0 < row[f"{name}/error_least"] <= row[f"{name}/error_low"] <= row[f"{name}/error_median"]
        assert row[f"{name}/error_median"] <= row[f"{name}/error_high"]
        assert row[f"{name}/long_pieces_median"] <= row[f"{name}/pieces_median"]
    other = PiecesByDesign(**SMALL | {"target": "sine"}).measure()
    assert other["start/pieces_median"] == row["start/pieces_median"]
    assert other["start/error_median"] != row["start/error_median"]


def test_targets_by_hand() -> None:
    x = torch.tensor([0.5, 1.0], dtype=torch.float64)
    values = {target.value: target(x).tolist() for target in Target}
    assert values == {
        "square": [1 / 4, 1],
        "cube": [1 / 8, 1],
        "eleventh": [1 / 2048, 1],
        "sine": pytest.approx([1, 0], abs=1e-15),
        "quarter_circle": pytest.approx([3**0.5 / 2, 0], abs=1e-15),
    }


@pytest.mark.parametrize(
    ("parameters", "depth", "widths"),
    # 3 * 31 + 1; 6 + 7 * 12 + 4; 33 rather than 39; 10 + 5 * 6 + 6 * 4 + 5 = 69 rather than 10 + 30 + 30 + 6 = 76
    [(94, 1, [31]), (94, 8, [3] * 8), (34, 2, [4, 4]), (70, 3, [5, 5, 4])],
)
def test_plain_networks_have_as_many_parameters(parameters: int, depth: int, widths: list[int]) -> None:
    assert widths_for(parameters, depth) == widths
    assert abs(num_parameters(MLP(1, 1, width=widths)) - parameters) <= 1


def test_rates_are_chosen_on_the_other_half() -> None:
    # seeds 0 and 2 are best at the last rate, seeds 1 and 3 at the first
    assert rate_of_each_seed(np.array([[5.0, 1, 6, 2], [3, 3, 3, 3], [1, 5, 2, 6]])).tolist() == [0, 2, 0, 2]
    # equal medians: the nearest to the middle; a network that diverged is worse than any
    assert rate_of_each_seed(np.array([[1.0, 1], [1, 1], [1, 1]])).tolist() == [1, 1]
    assert rate_of_each_seed(np.array([[np.inf, np.inf], [7, 7]])).tolist() == [1, 1]


def test_intervals_of_medians_are_the_published_ones() -> None:
    # order statistics for 95% in the usual tables: 2 and 9 of 10, 6 and 15 of 20, 10 and 21 of 30
    for n, low, high in ((10, 2, 9), (20, 6, 15), (30, 10, 21), (3, 1, 3)):
        assert interval_of_median(np.arange(n, 0, -1.0)) == (low, high)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "cubic"}, "target must be one of square, cube, .*, got 'cubic'"),
        ({"depth": 0}, "depth must be between 1 and 20, got 0"),
        ({"num_seeds": 1}, "num_seeds must be at least 2, got 1"),
        ({"rates": []}, "rates must be one or more numbers, got none"),
        ({"rates": [0.1, -1.0]}, "rates must be between 1e-09 and 1e\\+09, got -1"),
        ({"num_steps": 10}, "num_steps_of_first_stage must be between 0 and 10, got 1000"),
    ],
)
def test_bad_values_are_refused_by_name(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PiecesByDesign(**settings)
