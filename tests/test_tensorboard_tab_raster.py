import base64
import io

import numpy as np
from PIL import Image

from dlcourse.palette import NETWORK_COLOR
from dlcourse.tensorboard_tab.raster import Raster, image, rgb

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def pixels(source: str) -> np.ndarray:
    """The pixels of a picture, [height, width, 3], the highest row first."""
    kind, _, content = source.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def test_the_longer_side_has_the_pixels_and_rows_go_upwards() -> None:
    raster = Raster((0.0, 0.0), (4.0, 2.0), 100)
    assert (raster.width, raster.height) == (100, 50)
    raster.fill(np.array([[RED], [BLUE]], dtype=np.uint8))
    found = pixels(raster.source())
    assert found.shape == (50, 100, 3)
    assert (found[:25] == BLUE).all() and (found[25:] == RED).all()


def test_a_line_is_where_it_is_said_and_as_wide() -> None:
    raster = Raster((0.0, 0.0), (1.0, 1.0), 100)
    raster.lines(np.array([[[0.0, 0.25], [1.0, 0.25]]]), [RED], np.array([4.0]))
    rows = (pixels(raster.source()) == RED).all((1, 2)).nonzero()[0]
    assert 3 <= len(rows) <= 5
    assert abs(rows.mean() + 0.5 - 75) <= 1


def test_the_last_line_is_on_top() -> None:
    raster = Raster((0.0, 0.0), (1.0, 1.0), 50)
    raster.lines(np.array([[[0.0, 0.5], [1.0, 0.5]]] * 2), [RED, BLUE], np.full(2, 4.0))
    assert (pixels(raster.source())[25] == BLUE).all()


def test_discs_have_their_fill_and_their_edge() -> None:
    raster = Raster((0.0, 0.0), (2.0, 1.0), 100)
    raster.discs(np.array([[0.5, 0.5], [1.5, 0.5]]), 10.0, [RED, WHITE], [BLUE, BLUE])
    found = pixels(raster.source())
    assert tuple(found[25, 25]) == RED and tuple(found[25, 75]) == WHITE
    for centre in (25, 75):
        assert (np.abs(found[25, centre - 12 : centre - 7].astype(int) - BLUE).sum(-1) < 200).any()


def test_a_picture_is_small_whatever_is_in_it() -> None:
    raster = Raster((0.0, 0.0), (1.0, 1.0), 480)
    ends = np.random.default_rng(0).random((5000, 2, 2))
    raster.lines(ends, [RED] * 5000, np.full(5000, 0.5))
    assert len(raster.source()) < 200_000


def test_the_picture_lies_between_its_corners() -> None:
    place = image((-1.0, 2.0), (3.0, 5.0))
    assert (place["x"], place["y"], place["sizex"], place["sizey"]) == (-1.0, 5.0, 4.0, 3.0)


def test_white_is_mixed_in() -> None:
    assert rgb(NETWORK_COLOR) == (0x0B, 0x5F, 0xA5)
    assert rgb(NETWORK_COLOR, 1.0) == WHITE
    assert rgb("#000000", 0.6) == (153, 153, 153)
