"""Exact counts on polygons of planes in a network's input space."""

from dlcourse.pieces.plane.counting import on_plane as on_plane
from dlcourse.pieces.plane.polygon import OnPlane as OnPlane
from dlcourse.pieces.plane.topology import Topology as Topology
