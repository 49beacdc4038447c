"""Exact counts in boxes of a network's input space."""

from dlcourse.pieces.box.box import InBox as InBox
from dlcourse.pieces.box.counting import in_box as in_box
from dlcourse.pieces.box.parts import InParts as InParts
