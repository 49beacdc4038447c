"""The colours of all figures: one palette, so that a class or a network looks the same in each of them."""

# Petroff 2021, Accessible Color Sequences for Data Visualization: ten colours that stay apart for the colour-blind.
CLASS_COLORS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip

NETWORK_COLOR, TARGET_COLOR, DATA_COLOR = "#0b5fa5", "#e08214", "#9a9a9a"
INK, FAINT = "#222222", "#dddddd"

LAYER_FILLS = {"input": "#f2f2f2", "hidden": "#dbe9f6", "output": "#fdebd0", "softmax": "#e3f1e0", "loss": "#f9dedc"}
"""The parts of a network where it is drawn as a diagram or as boxes."""
