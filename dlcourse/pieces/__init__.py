"""Exact counts of the linear pieces of ReLU networks."""

from dlcourse.pieces import bounds as bounds
from dlcourse.pieces.box import InBox as InBox
from dlcourse.pieces.box import InParts as InParts
from dlcourse.pieces.box import in_box as in_box
from dlcourse.pieces.line import OnLine as OnLine
from dlcourse.pieces.line import OnLines as OnLines
from dlcourse.pieces.line import OnWholeLine as OnWholeLine
from dlcourse.pieces.line import on_line as on_line
from dlcourse.pieces.line import on_lines as on_lines
from dlcourse.pieces.onnx import from_onnx as from_onnx
from dlcourse.pieces.plane import OnPlane as OnPlane
from dlcourse.pieces.plane import Topology as Topology
from dlcourse.pieces.plane import on_plane as on_plane
from dlcourse.pieces.sample import Sample as Sample
from dlcourse.pieces.sample import sample as sample
from dlcourse.pieces.shallow import largest_difference as largest_difference
from dlcourse.pieces.shallow import shallow as shallow
from dlcourse.pieces.shallow import shallow_error as shallow_error
