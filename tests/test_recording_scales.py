import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.recording.scales import log10, scale


def test_errors_over_a_decade_and_counts_are_on_a_log_axis() -> None:
    assert scale([0.01, 0.2], "mean_squared_error", is_better_higher=False).is_log
    assert not scale([0.1, 0.2], "mean_squared_error", is_better_higher=False).is_log
    assert not scale([0.0, 0.2], "mean_squared_error", is_better_higher=False).is_log
    assert not scale([0.01, 0.9], "accuracy", is_better_higher=True).is_log
    assert scale([5, 6], "num_pieces", is_better_higher=False).is_log


@given(
    st.lists(st.floats(0, 1e6) | st.just(math.nan), min_size=1),
    st.sampled_from(["num_pieces", "error", "accuracy"]),
)
def test_all_values_have_room_and_what_diverged_lies_beyond_the_worst(values: list[float], metric: str) -> None:
    found = scale(values, metric, is_better_higher=metric == "accuracy")
    finite = [value for value in values if math.isfinite(value)]
    assert found.low < found.high
    assert all(found.low <= value <= found.high for value in [*finite, found.worst])
    if len(finite) < len(values) and finite:
        assert found.worst < min(finite) if metric == "accuracy" else found.worst > max(finite)


def test_logarithms_of_errors_and_of_what_has_none() -> None:
    assert [log10(value) for value in (100.0, 0.001, 0.0, math.inf)] == [2, pytest.approx(-3), -math.inf, math.inf]
    assert all(math.isnan(log10(value)) for value in (math.nan, -1.0))
