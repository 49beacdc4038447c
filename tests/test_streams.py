import itertools
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from dlcourse.streams import stream


def numbers(seed: int, *purpose: str | int) -> Tensor:
    return torch.rand(8, generator=stream(seed, *purpose), dtype=torch.float64)


HUGE = 2**200 + 1
SEEDS = [0, 1, -1, 2, 2**31, 2**32, 2**32 + 1, 2**63, -(2**63), 2**64, HUGE, -HUGE]


@pytest.mark.parametrize("seed", SEEDS)
def test_pure_function_of_seed_and_purpose(seed: int) -> None:
    # Neither torch's global generator nor other streams have an influence.
    first = numbers(seed, "batch", 3)
    torch.manual_seed(12345)
    numbers(seed, "batch", 4)
    assert torch.equal(numbers(seed, "batch", 3), first)


@pytest.mark.slow
def test_the_same_in_another_process() -> None:
    """Python's own hash of a word differs from process to process."""
    code = "import torch, dlcourse.streams as s; print(torch.rand(8, generator=s.stream(-5, 'x', 2)).tolist())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(torch.rand(8, generator=stream(-5, "x", 2)).tolist())


def test_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    stream(0, "anything").seed()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fresh_generator_each_time() -> None:
    first, second = stream(0, "x"), stream(0, "x")
    expected = torch.rand(4, generator=first)
    torch.rand(4, generator=first)
    assert torch.equal(torch.rand(4, generator=second), expected)
    assert first.device.type == "cpu"


def test_seeds_and_purposes_differ() -> None:
    purposes: list[tuple[str | int, ...]] = [
        *[(), ("",), ("initial values",), ("batch",), ("Batch",), ("batch", 0), ("batch", 1), ("batch", 10)],
        *[("batch", "1"), ("batch1",), ("batch, 1",), ("batch', 1",), (1,), ("1",), (0, 1), (1, 0), (-1,), (HUGE,)],
        *[("batch", 1, 0), ("batch", "test", 1), ("Größe",), ("line\nbreak",), (10,)],
    ]
    streams = {(seed, purpose): numbers(seed, *purpose) for seed in SEEDS for purpose in purposes}
    assert len({tuple(drawn.tolist()) for drawn in streams.values()}) == len(SEEDS) * len(purposes)


def test_neighbouring_streams_are_unrelated() -> None:
    """Correlations of neighbours are those of independent numbers, 1 / sqrt(n) wide: five such widths are allowed."""
    num = 20_000

    def centred(seed: int, block: int) -> Tensor:
        return torch.randn(num, generator=stream(seed, "batch", block), dtype=torch.float64)

    drawn = [centred(seed, block) for seed in range(3) for block in range(3)]
    for first, second in itertools.combinations(drawn, 2):
        assert abs((first * second).mean()) < 5 / num**0.5
        assert abs((first[1:] * second[:-1]).mean()) < 5 / num**0.5


def test_uniform_over_the_seeds() -> None:
    """The first number of each of 4,096 seeds' streams, in 16 bins: chi^2 with 15 degrees of freedom, mean 15."""
    first = torch.stack([torch.rand((), generator=stream(seed, "first")) for seed in range(4096)])
    counts = torch.histc(first, bins=16, min=0, max=1)
    assert counts.sum() == 4096
    chi_squared = ((counts - 256).square() / 256).sum()
    assert chi_squared < 56  # exceeded once in a million
