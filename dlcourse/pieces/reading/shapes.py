"""What layers say of a wrong shape; torch's own words would count the batch that the recording adds."""

from typing import Any


def check_shapes(name: str, args: tuple[Any, ...]) -> None:
    """Refuses inputs that a layer does not take, and those that torch would take for a batch.

    Raises:
        ValueError: If the input has the wrong number of features or of dimensions.
    """
    if name == "linear" and args[0].shape[-1] != args[1].shape[1]:
        raise ValueError(f"the input must have {args[1].shape[1]} features, got shape {tuple(args[0].shape[1:])}")
    for kind in ("conv_transpose", "conv", "adaptive_max_pool", "max_pool"):
        if name[:-2] == kind and name.endswith("d"):
            check_dimensions(tuple(args[0].shape), int(name[-2]))
            return


def check_dimensions(shape: tuple[int, ...], num_dimensions: int) -> None:
    """Refuses a batch of what is not a number of channels of this many dimensions.

    Raises:
        ValueError: If it has another number of dimensions.
    """
    if len(shape) != num_dimensions + 2:
        raise ValueError(f"one input must have {num_dimensions + 1} dimensions, got shape {shape[1:]}")
