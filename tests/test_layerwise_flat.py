import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dlcourse.layerwise.flat import Flat, beside_each_other, zeros_in_a_row

VECTOR = 64  # bytes of the widest vector registers, AVX-512


def test_hand_worked_layout() -> None:
    weight, bias = torch.arange(1.0, 7.0).view(2, 3), torch.tensor([7.0, 8.0])
    flat = Flat.of({"weight": weight, "bias": bias}, {"weight": (3, 4)})
    # The weight in the corner of a 3 x 4 matrix; 12 numbers, so the bias begins at the next multiple of 32.
    first = [*[1, 2, 3, 0], *[4, 5, 6, 0], *[0, 0, 0, 0]]
    assert flat.vector.tolist() == [*first, *[0] * 20, *[7, 8], *[0] * 30]
    assert flat.filled["weight"].tolist() == [[1, 2, 3, 0], [4, 5, 6, 0], [0, 0, 0, 0]]
    assert flat.filled["bias"].tolist() == [7, 8]
    assert torch.equal(flat.views["weight"], weight) and torch.equal(flat.views["bias"], bias)


def test_writing_anywhere_is_seen_everywhere() -> None:
    flat = Flat.of({"a": torch.zeros(2, 2), "b": torch.zeros(3)}, {"a": (2, 16)})
    flat.vector.add_(1)
    assert (flat.views["a"] == 1).all() and (flat.filled["a"] == 1).all() and (flat.views["b"] == 1).all()
    flat.views["a"][1, 0] = 5
    assert flat.vector[16] == 5 and flat.filled["a"][1, 0] == 5
    flat.filled["b"][2] = 6
    assert flat.vector[32 + 2] == 6 and flat.views["b"][2] == 6


shapes = st.lists(st.integers(1, 7), min_size=1, max_size=3)
tensors = st.lists(st.tuples(shapes, st.integers(0, 40)), min_size=1, max_size=5)


@given(tensors, st.sampled_from([torch.float32, torch.float64]))
def test_layout(drawn: list[tuple[list[int], int]], dtype: torch.dtype) -> None:
    """Every tensor is there once, at a vector boundary, and all else is zero."""
    given_tensors = {str(i): 1 + torch.rand(shape, dtype=dtype) for i, (shape, _) in enumerate(drawn)}
    filled_shapes = {str(i): tuple(n + fill for n in shape) for i, (shape, fill) in enumerate(drawn) if fill}
    flat = Flat.of(given_tensors, filled_shapes)
    size = flat.vector.element_size()
    assert flat.vector.ndim == 1 and flat.vector.dtype == dtype
    assert len(flat.vector) * size % (2 * VECTOR) == 0
    assert list(flat.views) == list(flat.filled) == list(given_tensors)
    for name, tensor in given_tensors.items():
        assert torch.equal(flat.views[name], tensor)
        assert flat.filled[name].shape == filled_shapes.get(name, tensor.shape)
        assert flat.filled[name].is_contiguous()
        for part in (flat.views[name], flat.filled[name]):
            assert part.untyped_storage().data_ptr() == flat.vector.untyped_storage().data_ptr()
            assert part.data_ptr() % VECTOR == 0
    # Nothing overlaps and nothing else is set: the numbers, all above 1, are found in the vector exactly once.
    numbers = torch.cat([tensor.flatten() for tensor in given_tensors.values()])
    assert torch.equal(flat.vector[flat.vector != 0].sort().values, numbers.sort().values)


def test_copies() -> None:
    tensor = torch.ones(3)
    flat = Flat.of({"a": tensor})
    tensor.zero_()
    assert flat.views["a"].tolist() == [1, 1, 1]


def test_zeros_like() -> None:
    flat = Flat.of({"a": torch.ones(2, 3, dtype=torch.float64), "b": torch.ones(5, dtype=torch.float64)}, {"a": (4, 9)})
    other = flat.zeros_like()
    assert other.vector.shape == flat.vector.shape and other.vector.dtype == torch.float64
    assert not other.vector.any()
    for name in ("a", "b"):
        for part, twin in ((other.views, flat.views), (other.filled, flat.filled)):
            assert part[name].shape == twin[name].shape and part[name].stride() == twin[name].stride()
            assert part[name].storage_offset() == twin[name].storage_offset()
    other.vector.fill_(3)
    assert flat.views["a"].max() == 1  # memory of its own


@pytest.mark.parametrize("shape", [(1,), (31,), (32,), (33,), (2, 5, 7), (0, 4)])
def test_zeros_in_a_row(shape: tuple[int, ...]) -> None:
    like: Tensor = torch.ones(1, dtype=torch.float64)
    row = zeros_in_a_row([shape, (3,), shape], like)
    for value, (view, flat) in enumerate(row, start=1):
        assert view.dtype == flat.dtype == torch.float64
        assert not flat.any()
        assert flat.ndim == 1 and len(flat) % 32 == 0 and 0 <= len(flat) - math.prod(view.shape) < 32
        flat += value
    assert [view.shape for view, _ in row] == [shape, (3,), shape]
    assert all((view == value).all() for value, (view, _) in enumerate(row, start=1))  # and of no other's value
    memory = torch.cat([flat for _, flat in row])
    assert torch.equal(row[0][0].as_strided(memory.shape, (1,)), memory)  # one after another


def test_weights_that_are_named_first_come_first_in_memory() -> None:
    flat = Flat.of({"a": torch.ones(2), "b": torch.full((3,), 2.0)}, {"b": (3,), "a": (2,)})
    assert flat.vector.tolist() == [*[2, 2, 2], *[0] * 29, *[1, 1], *[0] * 30]
    assert list(flat.views) == ["a", "b"]


@pytest.mark.parametrize("shape", [(32,), (5,), (2, 5, 7)])
def test_tensors_in_a_row_are_one_view(shape: tuple[int, ...]) -> None:
    views = [view for view, _ in zeros_in_a_row([shape] * 3, torch.ones(1))]
    together = beside_each_other(views)
    assert together.shape == (3, *shape)
    for number, view in enumerate(views):
        view.copy_(number + torch.arange(view.numel()).view(shape))
    assert torch.equal(together, torch.stack(views))
    together[1] = -1
    assert (views[1] == -1).all() and (views[0] >= 0).all() and (views[2] >= 2).all()
    assert torch.equal(beside_each_other(views[1:2]), views[1].unsqueeze(0))


def test_tensors_at_uneven_distances_are_no_view() -> None:
    views = [view for view, _ in zeros_in_a_row([(5,), (5,), (40,), (5,)], torch.ones(1))]
    with pytest.raises(AssertionError):
        beside_each_other([views[0], views[1], views[3]])
