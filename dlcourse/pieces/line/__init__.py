"""Exact counts on segments and whole lines of a network's input space."""

from dlcourse.pieces.line.counting import on_line as on_line
from dlcourse.pieces.line.counting import on_lines as on_lines
from dlcourse.pieces.line.segment import OnLine as OnLine
from dlcourse.pieces.line.segment import OnLines as OnLines
from dlcourse.pieces.line.whole_line import OnWholeLine as OnWholeLine
