import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.recording.sharing import MOST_KEYS, with_shared_keys

KEYS = [f"task.key{number}" for number in range(26)]
POINTER = 8


@given(st.dictionaries(st.text(), st.integers()))
def test_nothing_else_is_changed(content: dict[str, int]) -> None:
    shared = with_shared_keys(content)
    assert type(shared) is dict
    assert list(shared.items()) == list(content.items())
    shared["one more"] = 1
    assert shared == content | {"one more": 1}


@pytest.mark.parametrize(
    "keys", [["__class__", "a"], ["__dict__"], [str(number) for number in range(MOST_KEYS + 1)], []]
)
def test_keys_that_cannot_be_shared(keys: list[str]) -> None:
    content = dict.fromkeys(keys, 1)
    assert with_shared_keys(content) == content


def test_only_the_values_take_memory() -> None:
    values = list(range(len(KEYS)))
    with_shared_keys(dict(zip(KEYS, values, strict=True)))
    tracemalloc.start()
    try:
        shared = [with_shared_keys(dict(zip(KEYS, values, strict=True))) for _ in range(100)]
        each = tracemalloc.get_traced_memory()[0] / len(shared)
    finally:
        tracemalloc.stop()
    # A pointer and a byte for the order of each of the keys that there can be, and three headers: the values', the
    # dictionary's and the garbage collector's, of at most 64 bytes; one more pointer in the list above.
    assert each <= (POINTER + 1) * MOST_KEYS + 3 * 64 + 2 * POINTER
    # What is measured is not nothing: an ordinary dictionary has a hash, a key and a value an entry.
    assert each >= POINTER * len(KEYS)
    assert each < 3 * POINTER * len(KEYS)
