"""The colours of all figures: one palette, so that a class or a network looks the same in each of them."""

# Petroff 2021, Accessible Color Sequences for Data Visualization: ten colours that stay apart for the colour-blind.
CLASS_COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip

NETWORK_COLOR, TARGET_COLOR, DATA_COLOR = "#0b5fa5", "#e08214", "#9a9a9a"
INK, FAINT = "#222222", "#dddddd"

# The scales viridis and plasma of matplotlib (Smith, van der Walt, Firing 2015): the colour-blind see their order, too.
WIDTH_SHADES = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
DEPTH_SHADES = (
    "#0d0887", "#46039f", "#7201a8", "#9c179e", "#bd3786", "#d8576b", "#ed7953", "#fb9f3a", "#fdca26", "#f0f921",
)  # fmt: skip


def shade(index: int, num: int, shades: tuple[str, ...] = WIDTH_SHADES) -> str:
    """One of `num` colours in an order that one sees, dark to light, and without the palest end: "#482878".

    Args:
        index: Which one, from 0.
        num: How many there are.
        shades: The scale.
    """
    place = (0.1 + 0.72 * index / max(num - 1, 1)) * (len(shades) - 1)
    below = int(place)
    low, high = ([int(shades[end][at : at + 2], 16) for at in (1, 3, 5)] for end in (below, below + 1))
    mixed = [round(a + (place - below) * (b - a)) for a, b in zip(low, high, strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


LAYER_FILLS = {"input": "#f2f2f2", "hidden": "#dbe9f6", "output": "#fdebd0", "softmax": "#e3f1e0", "loss": "#f9dedc"}
"""The parts of a network where it is drawn as a diagram or as boxes."""
