"""Batches: which items are drawn (judged by counting them), and that they depend on nothing but seed, data and step."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from marks import slow_except
from torch import Tensor

from dlcourse.training import Batches, Drawn
from dlcourse.training.batches import BLOCK

NUM_ITEMS = 11
# Several times the steps whose numbers are drawn at once, and not a multiple of them.
NUM_STEPS = 300


def numbered(seeds: Sequence[int], batch_size: int | None, device: str = "cpu") -> Batches:
    """Item i of the member with this seed has the inputs (i, seed) and the target 100 i + seed."""
    items = torch.arange(NUM_ITEMS, dtype=torch.float64).expand(len(seeds), -1)
    seed = torch.tensor(seeds, dtype=torch.float64)[:, None].expand(-1, NUM_ITEMS)
    return Batches(seeds, torch.stack([items, seed], 2), (100 * items + seed)[..., None], batch_size, device=device)


def fresh_items(num_items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    inputs = torch.rand(num_items, 2, generator=generator, dtype=torch.float64)
    return inputs, inputs.sum(1, keepdim=True)


def fresh(seeds: Sequence[int], batch_size: int | None, device: str = "cpu") -> Batches:
    no_inputs, no_targets = torch.zeros(len(seeds), 1, 2), torch.zeros(len(seeds), 1, 1)
    return Batches(seeds, no_inputs, no_targets, batch_size, draw=fresh_items, device=device)


KINDS = {"items of the data": numbered, "fresh items": fresh}


def recorded(batches: Batches, steps: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Copies: a batch is valid only until the next."""
    return [(inputs.clone(), targets.clone()) for inputs, targets in map(batches, steps)]


def same(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    return one[0].equal(other[0]) and one[1].equal(other[1])


def chi_square(counts: Tensor) -> float:
    """Pearson's statistic against equal frequencies."""
    expected = counts.sum() / counts.numel()
    return ((counts - expected) ** 2 / expected).sum().item()


# Where draws are uniform and independent, Pearson's statistic of 11 items (10 degrees of freedom) and that of 121 pairs
# (120) lie here, but for 1 case in 100,000 on either side: quantiles 1e-5 and 1 - 1e-5 of the chi-square distribution.
# Too small a statistic means draws more even than chance, as without replacement.
ITEMS_RANGE = (0.54, 41.3)
PAIRS_RANGE = (65.0, 197.8)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_items_are_drawn_uniformly_and_independently(batch_size: int) -> None:
    num_steps = 12_100 // batch_size
    batches = numbered([0, 1], batch_size)
    items = torch.stack([batches(step)[0][..., 0] for step in range(num_steps)]).long()  # [steps, members, batch]
    first, second = items[:, 0].flatten(), items[:, 1].flatten()
    for drawn in (first, second):
        assert ITEMS_RANGE[0] < chi_square(drawn.bincount(minlength=NUM_ITEMS)) < ITEMS_RANGE[1]
        # one draw tells nothing about the next
        pairs = NUM_ITEMS * drawn[:-1] + drawn[1:]
        assert PAIRS_RANGE[0] < chi_square(pairs.bincount(minlength=NUM_ITEMS**2)) < PAIRS_RANGE[1]
    # nor does one member about another
    pairs = NUM_ITEMS * first + second
    assert PAIRS_RANGE[0] < chi_square(pairs.bincount(minlength=NUM_ITEMS**2)) < PAIRS_RANGE[1]


@pytest.mark.parametrize("batch_size", [1, 4, None])
def test_inputs_keep_their_targets_and_members_their_data(batch_size: int | None) -> None:
    batches = numbered([5, 9], batch_size)
    for step in range(NUM_STEPS):
        inputs, targets = batches(step)
        items, seeds = inputs.unbind(2)
        assert seeds.equal(torch.tensor([[5.0], [9.0]]).expand_as(seeds))
        assert targets.equal((100 * items + seeds)[..., None])


def test_full_batch_is_all_items_in_order_at_every_step() -> None:
    batches = numbered([5, 9], None)
    assert batches.num_items == NUM_ITEMS
    for step in (0, 1, 1000):
        inputs, targets = batches(step)
        assert inputs.equal(batches.inputs)
        assert targets.equal(batches.targets)


def test_fresh_items_never_come_again() -> None:
    batches = fresh([0, 1], 5)
    items = torch.cat([batches(step)[0].reshape(-1, 2) for step in range(NUM_STEPS)])
    assert len(items) == 2 * 5 * NUM_STEPS
    assert len(items.unique(dim=0)) == len(items)


def test_fresh_items_are_what_draw_makes() -> None:
    inputs, targets = fresh([3], 5)(70)
    # the sum of two float32 roundings and the rounding of the sum
    assert torch.allclose(targets, inputs.sum(2, keepdim=True), rtol=0, atol=4 * torch.finfo(torch.float32).eps)
    assert ((inputs >= 0) & (inputs <= 1)).all()


@pytest.mark.parametrize("kind", slow_except(KINDS, "fresh items"))
@given(steps=st.lists(st.integers(0, NUM_STEPS - 1), min_size=1, max_size=8), batch_size=st.integers(1, 4))
def test_a_batch_depends_on_no_batch_before_it(kind: str, steps: list[int], batch_size: int) -> None:
    out_of_order = recorded(KINDS[kind]([3, 8], batch_size), steps)
    in_order = recorded(KINDS[kind]([3, 8], batch_size), range(max(steps) + 1))
    assert all(same(batch, in_order[step]) for step, batch in zip(steps, out_of_order, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_step_1000_may_come_first(kind: str) -> None:
    assert same(KINDS[kind]([3], 2)(1000), recorded(KINDS[kind]([3], 2), range(1001))[1000])


@pytest.mark.parametrize("kind", slow_except(KINDS, "fresh items"))
@given(companions=st.lists(st.integers(-5, 5), max_size=6), position=st.integers(0, 6), step=st.integers(0, NUM_STEPS))
def test_a_batch_does_not_depend_on_companions(kind: str, companions: list[int], position: int, step: int) -> None:
    seeds = [*companions[:position], 77, *companions[position:]]
    position = min(position, len(companions))
    inputs, targets = KINDS[kind](seeds, 3)(step)
    assert same((inputs[position], targets[position]), tuple(tensor[0] for tensor in KINDS[kind]([77], 3)(step)))


@pytest.mark.parametrize("room", [0, 3000, 2**20])  # for nothing, for some and for all of what is drawn
@pytest.mark.parametrize("kind", slow_except(KINDS, "fresh items"))
def test_what_other_stacks_have_drawn_is_what_would_be_drawn(
    kind: str, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlcourse.training.batches.MOST_BYTES", room)
    drawn = Drawn()
    stacks = [([3, 8], 2), ([8, 5, 3], 2), ([3], 4)]  # of other seeds, in another order, in larger batches
    for seeds, batch_size in [*stacks, *stacks]:
        of_its_own = KINDS[kind](seeds, batch_size)
        of_others = replace(KINDS[kind](seeds, batch_size), drawn=drawn)
        for one, other in zip(*(recorded(each, range(NUM_STEPS)) for each in (of_its_own, of_others)), strict=True):
            assert same(one, other)
    in_float64 = replace(fresh([3], 2), dtype=torch.float64)
    assert same(replace(in_float64, drawn=drawn)(0), in_float64(0))


def test_items_of_larger_data_are_others() -> None:
    drawn, values = Drawn(), torch.arange(100.0)[None, :, None]
    for num_items in (10, 100, 10):
        data = Batches([3], values[:, :num_items], values[:, :num_items], 5)
        assert same(replace(data, drawn=drawn)(0), data(0))


def test_stacks_that_draw_alike_draw_once() -> None:
    calls, drawn = [], Drawn()

    def draw(num_items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        calls.append(num_items)
        return fresh_items(num_items, generator)

    for seeds in ([1, 2], [2, 1, 1], [2, 3]):
        recorded(replace(fresh(seeds, 5), draw=draw, drawn=drawn), range(NUM_STEPS))
    assert len(calls) == 3 * -(-NUM_STEPS // BLOCK)  # seeds 1, 2 and 3


@pytest.mark.parametrize("kind", KINDS)
def test_members_of_one_seed_see_the_same_each_in_memory_of_its_own(kind: str) -> None:
    inputs, targets = KINDS[kind]([4, 7, 4, 4], 3)(65)
    alone = KINDS[kind]([4], 3)(65)
    for member in (0, 2, 3):
        assert same((inputs[member], targets[member]), (alone[0][0], alone[1][0]))
    assert not inputs[1].equal(inputs[0])
    assert len({inputs[member].data_ptr() for member in range(4)}) == 4


def test_items_are_drawn_once_for_each_seed() -> None:
    asked: list[int] = []

    def draw(num_items: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        asked.append(generator.initial_seed())
        return fresh_items(num_items, generator)

    no_data = torch.zeros(5, 1, 1)
    batches = Batches([4, 7, 4, 4, 7], no_data, no_data, 3, draw=draw)
    batches(0), batches(1)
    assert len(asked) == len(set(asked)) == 2


def test_members_of_one_seed_on_other_data_see_their_own() -> None:
    inputs = torch.arange(8.0).view(1, 8, 1)
    batches = Batches([0, 0, 0], torch.cat([inputs, 10 * inputs, inputs]), inputs.expand(3, -1, -1), 5)
    for step in range(NUM_STEPS):
        first, second, third = batches(step)[0]
        assert second.equal(10 * first)
        assert third.equal(first)


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_steps_draw_differently(kind: str) -> None:
    # 40 items of 11: two batches that happen to be equal have probability 11^-40
    batches = recorded(KINDS[kind]([0, 1], 40), range(NUM_STEPS))
    drawn = {tuple(batch[0][member, :, 0].tolist()) for batch in batches for member in range(2)}
    assert len(drawn) == 2 * NUM_STEPS


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_whatever_the_global_generator(kind: str) -> None:
    one = recorded(KINDS[kind]([4], 6), range(NUM_STEPS))
    torch.manual_seed(1234)
    before = torch.get_rng_state()
    other = recorded(KINDS[kind]([4], 6), range(NUM_STEPS))
    assert all(map(same, one, other))
    assert torch.get_rng_state().equal(before)


def test_items_do_not_depend_on_the_data() -> None:
    # the same rows are picked for two targets or noises: a comparison of members sees nothing but what differs
    inputs = torch.arange(8.0, dtype=torch.float64).view(1, 8, 1)
    one, other = Batches([0], inputs, inputs, 5), Batches([0], 10 * inputs, inputs, 5)
    assert all((10 * one(step)[0]).equal(other(step)[0]) for step in range(NUM_STEPS))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch_size", [3, None])
def test_dtype_rounds_the_data_and_draws_the_same(batch_size: int | None, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(1, NUM_ITEMS, 1, generator=generator, dtype=torch.float64)
    exact = Batches([0], inputs, inputs, batch_size, dtype=torch.float64)
    rounded = Batches([0], inputs, inputs, batch_size, dtype=dtype)
    for step in range(NUM_STEPS):
        for tensor, original in zip(rounded(step), exact(step), strict=True):
            assert tensor.dtype == dtype
            assert tensor.equal(original.to(dtype))


@pytest.mark.parametrize("kind", KINDS)
def test_batches_drawn_in_inference_mode_serve_autograd_later(kind: str) -> None:
    batches = KINDS[kind]([0], 3)
    with torch.inference_mode():
        batches(0)
    weight = torch.ones(2, 1, requires_grad=True)
    (batches(1)[0] @ weight).sum().backward()
    assert weight.grad is not None


def test_numbers_that_do_not_fit_are_refused() -> None:
    data = torch.zeros(2, 5, 1)
    with pytest.raises(ValueError, match="got 3 seeds, 2 inputs, 2 targets"):
        Batches([0, 1, 2], data, data, 1)
    with pytest.raises(ValueError, match="batch_size must be at least 1 or None"):
        Batches([0, 1], data, data, 0)
    with pytest.raises(ValueError, match="batch_size must be given where fresh items are drawn, got None"):
        Batches([0, 1], data, data, None, draw=fresh_items)


@pytest.mark.cuda
@pytest.mark.parametrize("kind", KINDS)
def test_batches_on_cuda_are_those_of_the_cpu(kind: str) -> None:
    cpu, cuda = KINDS[kind]([3, 8], 4), KINDS[kind]([3, 8], 4, "cuda")
    for step in (0, 5, 64, 1000):
        inputs, targets = cuda(step)
        assert inputs.device.type == targets.device.type == "cuda"
        assert same((inputs.cpu(), targets.cpu()), cpu(step))


@pytest.mark.cuda
def test_full_batch_on_cuda() -> None:
    data = torch.rand(2, 5, 3, dtype=torch.float64)
    inputs, targets = Batches([0, 1], data, data[..., :1], None, dtype=torch.float64, device="cuda")(17)
    assert inputs.device.type == targets.device.type == "cuda"
    assert same((inputs.cpu(), targets.cpu()), (data, data[..., :1]))
