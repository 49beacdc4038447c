"""Boxes in parts against whole ones, and against parts that are counted by hand."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import default_network, degenerate_layers, integer_network, network_of, network_without_biases
from torch import nn

from dlcourse.pieces import in_box
from dlcourse.pieces.box import walls


def counts(network: nn.Module, d: int, num_parts: int | None, **options: int) -> tuple[int, int]:
    parts = {} if num_parts is None else {"num_parts": num_parts}
    box = in_box(network, [-1.0] * d, [1.0] * d, **parts, **options)  # type: ignore[call-overload]
    return box.num_regions, box.num_pieces


@pytest.mark.parametrize("num_parts", [1, 2, 5])
@pytest.mark.parametrize(
    ("sizes", "seed", "num_regions"), [([2, 16, 16, 1], 0, 127), ([3, 16, 16, 1], 1, 807), ([1, 16, 16, 1], 0, None)]
)
def test_published_counts(sizes: list[int], seed: int, num_regions: int | None, num_parts: int) -> None:
    network, d = default_network(sizes, seed), sizes[0]
    whole = counts(network, d, None)
    assert counts(network, d, num_parts) == whole
    assert num_regions in (whole[0], None)


@pytest.mark.parametrize("num_parts", [2, 3, 4])
@pytest.mark.parametrize("make", [integer_network, network_without_biases])
def test_ties_in_parts(make: object, num_parts: int) -> None:
    network = make()  # type: ignore[operator]
    assert counts(network, 2, num_parts) == counts(network, 2, None)


def test_what_parts_meet_by_hand() -> None:
    # x = -1/4 and x = 1/4 in three slabs of [-1, 1]^2, whose borders are near -1/3 and 1/3: the outer slabs meet one
    # region each, the middle one all three.
    network = network_of(([[1.0, 0.0], [1.0, 0.0]], [0.25, -0.25]), ([[1.0, -1.0]], [0.0]))
    box = in_box(network, [-1.0, -1.0], [1.0, 1.0], num_parts=3)
    assert box.num_regions_of_parts.tolist() == [1, 3, 1]
    assert (box.num_regions, box.num_pieces, box.num_settled) == (3, 3, 0)
    assert repr(box) == "InParts(num_regions=3, num_pieces=3, low=[-1, -1], high=[1, 1], 3 parts)"
    assert not hasattr(box, "volumes")


def test_slabs_are_across_the_longest_side() -> None:
    # x = 0 and y = 1/2, in slabs of y from about -2 to -1, 0, 1 and 2.
    network = network_of(([[1.0, 0.0], [0.0, 1.0]], [0.0, -0.5]), ([[1.0, 1.0]], [0.0]))
    assert in_box(network, [-1.0, -2.0], [1.0, 2.0], num_parts=4).num_regions_of_parts.tolist() == [2, 2, 4, 2]


def border_of_two() -> float:
    """Where a box from -1 to 1 is cut in two, by bisection: a unit that is zero there cuts neither part."""
    low, high = -1.0, 1.0
    while (middle := (low + high) / 2) not in (low, high):
        network = network_of(([[1.0]], [-middle]), ([[1.0]], [0.0]))
        parts = in_box(network, -1.0, 1.0, num_parts=2).num_regions_of_parts.tolist()
        if parts == [1, 1]:
            return middle
        low, high = (low, middle) if parts[1] == 2 else (middle, high)
    raise AssertionError("no border was found")


def test_a_unit_that_is_zero_just_where_the_parts_meet() -> None:
    # Two regions on both sides of the border, and none crosses it; relu(z) and relu(z) - relu(-z), one piece or two.
    border = border_of_two()
    kink = network_of(([[1.0, 0.0]], [-border]), ([[1.0]], [0.0]))
    assert in_box(kink, [-1.0, -1.0], [1.0, 1.0], num_parts=2).num_regions_of_parts.tolist() == [1, 1]
    assert counts(kink, 2, 2) == (2, 2)
    straight = network_of(([[1.0, 0.0], [-1.0, 0.0]], [-border, border]), ([[1.0, -1.0]], [0.0]))
    assert counts(straight, 2, 2) == (2, 1)


@pytest.mark.slow
@settings(deadline=None, max_examples=20)
@given(layers=degenerate_layers([1, 2, 3]), num_parts=st.integers(2, 5))
def test_parts_are_the_whole(layers: list, num_parts: int) -> None:
    network, d = network_of(*layers), len(layers[0][0][0])
    assert counts(network, d, num_parts) == counts(network, d, None)


@pytest.mark.slow
def test_workers_count_the_same() -> None:
    network = default_network([3, 8, 8, 1], 0)
    box = in_box(network, [-1.0] * 3, [1.0] * 3, num_parts=2, num_workers=2)  # every worker takes seconds to start
    alone = in_box(network, [-1.0] * 3, [1.0] * 3, num_parts=2)
    assert box.num_regions_of_parts.tolist() == alone.num_regions_of_parts.tolist()
    assert box.num_regions == alone.num_regions == in_box(network, [-1.0] * 3, [1.0] * 3).num_regions


STOPPED = """
import sys
from networks import he_network
from dlcourse import pieces

if __name__ == "__main__":
    network = he_network(3, [32] * 6, 0)
    try:
        pieces.in_box(network, [-9.0] * 3, [9.0] * 3, num_parts=30, num_workers=2, progress=True, **eval(sys.argv[1]))
    except (ValueError, KeyboardInterrupt) as error:
        print(type(error).__name__)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("options", "name"), [("{'max_regions': 400}", "ValueError"), ("{}", "KeyboardInterrupt")])
def test_workers_end_with_the_count(options: str, name: str, tmp_path: Path) -> None:
    """A refusal in one part, or Ctrl-C: the process used to wait for its workers for ever."""
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED)
    with subprocess.Popen(
        [sys.executable, str(script), options],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        text=True,
    ) as process:
        try:
            if name == "KeyboardInterrupt":
                assert process.stderr is not None
                said = ""
                while " 1/30 [" not in said:  # the first part is done, and others are at work
                    said += process.stderr.read(1)
                time.sleep(0.1)
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert (out.strip(), process.returncode) == (name, 0)
    assert "Traceback" not in err


def test_each_part_may_have_max_regions() -> None:
    network = default_network([3, 16, 16, 1], 0)
    with pytest.raises(ValueError, match="more than max_regions = 1000 regions"):
        in_box(network, [-1.0] * 3, [1.0] * 3, max_regions=1000)
    assert in_box(network, [-1.0] * 3, [1.0] * 3, max_regions=1000, num_parts=2).num_regions == 1276


def test_memory_is_estimated_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "free_bytes", lambda: 2**26)
    # 8 corners, 16 bytes for each of a million units: 1/8 GiB.
    wide = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2**20), nn.ReLU(), nn.Linear(2**20, 1))
    for parameter in wide.parameters():
        parameter.data.zero_()
    message = (
        "8 vertices in layer 1 of 3 take about 0.1 GiB with the widest layer to come, and 0.1 are free: .*num_parts"
    )
    with pytest.raises(ValueError, match=message):
        in_box(wide, [-1.0] * 3, [1.0] * 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_parts": 0}, "num_parts must be at least 1, got 0"),
        ({"num_parts": 2, "num_workers": 0}, "num_workers must be at least 1, got 0"),
        ({"num_workers": 2}, "num_workers must be 1 without num_parts, got 2"),
    ],
)
def test_bad_numbers_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        in_box(default_network([1, 2, 1], 0), -1.0, 1.0, **options)  # type: ignore[call-overload]


def test_more_parts_than_floats_are_refused() -> None:
    low = 1.0
    high = math.nextafter(math.nextafter(low, 2), 2)
    with pytest.raises(ValueError, match=r"num_parts must leave each part some floats of x\[0\], got 5"):
        in_box(default_network([1, 2, 1], 0), low, high, num_parts=5)
