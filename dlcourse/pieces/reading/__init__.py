"""From a torch module to layers of units: read, followed where need be, and compared with the module itself."""

from dlcourse.pieces.layer import UnitLayer as UnitLayer
from dlcourse.pieces.reading.network import read as read
from dlcourse.pieces.reading.network import read_for_points as read_for_points
