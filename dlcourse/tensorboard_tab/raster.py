"""Pictures of lines and areas as PNG files, small whatever is in them: a thousand regions are some 40 kB."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

FINER = 2
"""Pillow draws without smoothing: so the picture is drawn so many times as large, and made smaller at the end."""

NUM_COLORS = 64

Color = tuple[int, int, int]


class Raster:
    """A picture that is drawn in the coordinates of a figure.

    Args:
        low: The lower left corner.
        high: The upper right corner.
        longest: Pixels of the longer side.
    """

    def __init__(self, low: tuple[float, float], high: tuple[float, float], longest: int) -> None:
        self._low, self._high = np.array(low), np.array(high)
        size = self._high - self._low
        self.width, self.height = (max(1, round(longest * side / size.max())) for side in size)
        self._image = Image.new("RGB", (FINER * self.width, FINER * self.height), "white")
        self._draw = ImageDraw.Draw(self._image)

    def fill(self, pixels: Any) -> None:
        """Paints all of it.

        Args:
            pixels: Colours, `[height, width, 3]`, of 8 bits each, the lowest row first.
        """
        size = self._image.size
        self._image.paste(Image.fromarray(np.ascontiguousarray(pixels[::-1])).resize(size, Image.Resampling.NEAREST))

    def lines(
        self, ends: Float[np.ndarray, "lines 2 2"], colors: Sequence[Color], widths: Float[np.ndarray, " lines"]
    ) -> None:
        """Straight lines, each so many pixels wide, the last one on top."""
        thick = np.maximum(1, np.round(FINER * widths)).astype(int).tolist()
        for line, color, width in zip(self._places(ends.reshape(-1, 4)), colors, thick, strict=True):
            self._draw.line(line, fill=color, width=width)

    def discs(
        self, centres: Float[np.ndarray, "discs 2"], radius: float, fills: Sequence[Color], edges: Sequence[Color]
    ) -> None:
        """Discs with an edge each; the radius is in pixels."""
        reach = FINER * radius
        for (x, y), fill, edge in zip(self._places(centres), fills, edges, strict=True):
            self._draw.ellipse([x - reach, y - reach, x + reach, y + reach], fill=fill, outline=edge, width=FINER)

    def source(self) -> str:
        """The picture as an address that holds it (`data:`)."""
        small = self._image.resize((self.width, self.height), Image.Resampling.BOX)
        content = io.BytesIO()
        small.quantize(NUM_COLORS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(content, "png")
        return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()

    def _places(self, points: Float[np.ndarray, "rows numbers"]) -> list[list[float]]:
        """Where points lie in the picture, whose rows go downwards; a row may hold several points."""
        share = (points.reshape(-1, 2) - self._low) / (self._high - self._low)
        share[:, 1] = 1 - share[:, 1]
        places: list[list[float]] = (share * self._image.size).reshape(points.shape).tolist()
        return places


def image(low: tuple[float, float], high: tuple[float, float]) -> dict[str, Any]:
    """Where a figure of plotly shows a picture: below all traces, between two corners.

    Args:
        low: The lower left corner.
        high: The upper right corner.
    """
    return {
        "source": "", "xref": "x", "yref": "y", "x": low[0], "y": high[1], "sizex": high[0] - low[0],
        "sizey": high[1] - low[1], "sizing": "stretch", "layer": "below",
    }  # fmt: skip


def rgb(color: str, white: float = 0.0) -> Color:
    """A colour, "#0b5fa5", mixed with so much white."""
    red, green, blue = (round(255 - (1 - white) * (255 - int(color[at : at + 2], 16))) for at in (1, 3, 5))
    return red, green, blue
