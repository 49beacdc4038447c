import numpy as np

from dlcourse.tensorboard_tab.scene import counted, short


def test_numbers_of_things() -> None:
    assert [counted(num, "linear piece") for num in (0, 1, 8)] == [
        "0 linear pieces",
        "1 linear piece",
        "8 linear pieces",
    ]


def test_five_digits() -> None:
    assert short(np.array([1 / 3, -123456.7, 2e-9, 0.0])) == [0.33333, -123460.0, 2e-9, 0.0]
    assert short([]) == []
