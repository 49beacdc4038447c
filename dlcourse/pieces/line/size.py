"""What cutting lines takes in memory: too much is refused before it is asked for."""

from dlcourse.pieces.layer import UnitLayer
from dlcourse.pieces.memory import check_memory


def check_cut(
    layers: list[UnitLayer],
    index: int,
    num_vertices: int,
    max_gigabytes: float | int | None,
    *,
    keep_values: bool,
    num_matrices: int = 0,
) -> None:
    """Refuses a layer's cut if what is made then, up to the next layer's signs, takes too much memory.

    At every vertex there are slopes, and values if some later layer bends, 8 bytes each, for every unit of this layer
    and then for every one of the next layer; signs, and which units are on, one byte each; and where the next layer's
    signs are proven, 8 bytes more. Where errors are followed with their directions, two matrices of the next layer's
    units for each of some groups of intervals. What is there already is not counted.

    Args:
        layers: The layers.
        index: The layer that cuts; -1 for the lines themselves.
        num_vertices: How many vertices there will be.
        max_gigabytes: What is allowed; None for what is free.
        keep_values: Whether values are needed from here on.
        num_matrices: How many groups of intervals there will be.
    """
    rows = 16 if keep_values else 8
    units = layers[0].in_features if index < 0 else layers[index].bias.shape[1]
    following = layers[index + 1].bias.shape[1] if index + 1 < len(layers) else 0
    cutting = (rows + 4) * units
    product = rows * (units + following) + 2 * units
    proving = (rows + 11) * following + units
    check_memory(
        float(num_vertices) * max(cutting, product, proving if keep_values else 0)
        + 16.0 * num_matrices * max(units, following) ** 2,
        max_gigabytes,
        f"layer {index + 1} of {len(layers)}, of {units} units, makes {num_vertices} vertices"
        if index >= 0
        else f"layer 1 of {len(layers)}, of {following} units, has {num_vertices} vertices to begin with",
    )
