"""The pictures of the lecture's slides, drawn from the objects themselves: networks, layers, functions, circuits."""

from dlcourse.lecture.boxes import draw_any_layer as draw_any_layer
from dlcourse.lecture.boxes import draw_derivatives as draw_derivatives
from dlcourse.lecture.boxes import draw_gradient as draw_gradient
from dlcourse.lecture.boxes import draw_layers as draw_layers
from dlcourse.lecture.curves import draw_activation as draw_activation
from dlcourse.lecture.curves import draw_activation_derivatives as draw_activation_derivatives
from dlcourse.lecture.curves import draw_curve as draw_curve
from dlcourse.lecture.curves import draw_piecewise as draw_piecewise
from dlcourse.lecture.diagram import draw_network as draw_network
from dlcourse.lecture.slides import Picture as Picture
from dlcourse.lecture.slides import pictures as pictures
from dlcourse.lecture.svg import to_svg as to_svg
