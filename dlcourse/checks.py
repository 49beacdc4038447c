"""Checks of what users set: each names the field, the value that it met, and the values that are allowed."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

Choice = TypeVar("Choice", bound=StrEnum)


def check_whole(name: str, value: object, lowest: int, highest: int | None = None) -> None:
    """Refuses what is not a whole number in its range.

    Args:
        name: The field.
        value: What it was set to.
        lowest: The least value allowed.
        highest: The largest one; None if there is none.

    Raises:
        TypeError: If the value is no whole number.
        ValueError: If it is out of range.
    """
    allowed = f"at least {lowest}" if highest is None else f"between {lowest} and {highest}"
    if not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number {allowed}, got {value!r}")
    if value < lowest or (highest is not None and value > highest):
        raise ValueError(f"{name} must be {allowed}, got {value}")


def check_number(name: str, value: object, lowest: float, highest: float) -> None:
    """Refuses what is not a number in its range; NaN never is.

    Args:
        name: The field.
        value: What it was set to.
        lowest: The least value allowed.
        highest: The largest one.

    Raises:
        TypeError: If the value is no number.
        ValueError: If it is out of range.
    """
    if not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number between {lowest:g} and {highest:g}, got {value!r}")
    if not lowest <= value <= highest:
        raise ValueError(f"{name} must be between {lowest:g} and {highest:g}, got {value}")


def check_flag(name: str, value: object) -> None:
    """Refuses what is neither true nor false.

    Args:
        name: The field.
        value: What it was set to.

    Raises:
        TypeError: If the value is anything else.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false, got {value!r}")


def check_choice(name: str, value: object, choices: type[Choice]) -> Choice:
    """The choice of this name.

    Args:
        name: The field.
        value: What it was set to.
        choices: All values that are allowed.

    Raises:
        ValueError: If there is no such choice.
    """
    for choice in choices:
        if value == choice:
            return choice
    raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")


def check_widths(name: str, widths: Sequence[int], *, fewest_layers: int = 0) -> list[int]:
    """The width of each hidden layer, as a list.

    Args:
        name: The field.
        widths: What it was set to.
        fewest_layers: How many layers there must be, 0 or 1.

    Raises:
        TypeError: If a width is no whole number.
        ValueError: If a width is below 1, or there are too few layers.
    """
    widths = list(widths)
    layers = "each of one or more layers" if fewest_layers else "every layer"
    if any(not isinstance(width, int) for width in widths):
        raise TypeError(f"{name} must be whole numbers of at least 1 in {layers}, got {widths}")
    if len(widths) < fewest_layers or any(width < 1 for width in widths):
        raise ValueError(f"{name} must be at least 1 in {layers}, got {widths}")
    return widths
