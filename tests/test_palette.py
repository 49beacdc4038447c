from matplotlib import colormaps
from matplotlib.colors import to_rgb

from dlcourse.palette import DEPTH_SHADES, WIDTH_SHADES, shade


def test_the_scales_are_those_of_matplotlib() -> None:
    for shades, name in ((WIDTH_SHADES, "viridis"), (DEPTH_SHADES, "plasma")):
        for num in (1, 2, 5, 12):
            for index in range(num):
                place = 0.1 + 0.72 * index / max(num - 1, 1)
                expected = colormaps[name](place)[:3]
                # Between ten given colours, lines stand for the scale's curves.
                assert max(abs(a - b) for a, b in zip(to_rgb(shade(index, num, shades)), expected, strict=True)) < 0.03


def test_lightness_rises_so_that_the_order_is_seen_without_colours() -> None:
    for shades in (WIDTH_SHADES, DEPTH_SHADES):
        lightness = [
            sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), to_rgb(shade(i, 6, shades)), strict=True))
            for i in range(6)
        ]
        assert lightness == sorted(lightness)
        assert lightness[-1] < 0.75  # still seen on white
