"""Second stage of a cut: the points inside edges where units change their signs, and the parts between them."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt64

from dlcourse.pieces.arithmetic import bits
from dlcourse.pieces.plane.closer import Closer
from dlcourse.pieces.plane.exact import order_along
from dlcourse.pieces.plane.mesh import Mesh, layers_and_units
from dlcourse.pieces.plane.order import in_order, put_shares_, share
from dlcourse.pieces.plane.preactivations import Preactivations
from dlcourse.pieces.plane.signs import Signs


class EdgeSigns(NamedTuple):
    """What units do along each edge."""

    start: UInt64[np.ndarray, "edges words"]  # which are positive just after its start
    end: UInt64[np.ndarray, "edges words"]  # and just before its end
    changes: UInt64[np.ndarray, "edges words"]  # which change their signs in between
    zero: UInt64[np.ndarray, "edges words"] | None  # which are zero all along it


class EdgePoints(NamedTuple):
    """Points inside edges where units change their signs, in order along each edge, one edge after another.

    Where several units change their signs together there is one point, and a crossing for each of them.
    """

    edge: Int[np.ndarray, " points"]
    unit: Int[np.ndarray, " points"]  # one of those that change there
    t: Float[np.ndarray, " points"]  # 0 < t < 1 from the edge's start to its end
    t_error: Float[np.ndarray, " points"]
    start: Int[np.ndarray, " points"]  # the edge's ends
    end: Int[np.ndarray, " points"]
    crossing_point: Int[np.ndarray, " crossings"]
    crossing_unit: Int[np.ndarray, " crossings"]
    crossing_edge: Int[np.ndarray, " crossings"]
    num_settled: int  # how many gaps exact arithmetic decided

    @property
    def coincide(self) -> bool:
        """Whether somewhere several units change their signs together."""
        return len(self.edge) < len(self.crossing_edge)


def signs_along_edges(mesh: Mesh, signs: Signs) -> EdgeSigns:
    """The signs of units just inside the edges."""
    start, end = mesh.ends[:, 0], mesh.ends[:, 1]
    positive_start, positive_end = signs.positive.take(start, axis=0), signs.positive.take(end, axis=0)
    changes = positive_start ^ positive_end
    if signs.zero is None:
        return EdgeSigns(positive_start, positive_end, changes, None)
    zero_start, zero_end = signs.zero.take(start, axis=0), signs.zero.take(end, axis=0)
    changes &= ~(zero_start | zero_end)
    # Just inside an edge a unit that is zero at its end has the other end's sign.
    return EdgeSigns(
        positive_start | (zero_start & positive_end),
        positive_end | (zero_end & positive_start),
        changes,
        zero_start & zero_end,
    )


def points_on_edges(before: Preactivations, along: EdgeSigns) -> EdgePoints:
    """Where units change their signs on edges, in order along each."""
    mesh = before.mesh
    edge, unit = bits.positions(along.changes)
    start, end = mesh.ends[:, 0][edge], mesh.ends[:, 1][edge]
    sizes = np.abs(before.at(start, unit)), np.abs(before.at(end, unit))
    t, t_error = share(*sizes, np.maximum(before.error[start], before.error[end]))
    crossings = edge, (start, end), unit, (t, t_error)
    look_closer = [partial(_look_closer, look, *crossings) for look in (before.anew_at, before.closely_at)]
    order, first, num_settled = in_order(edge, t, t_error, partial(_exact_order, before, along, unit), look_closer)
    unit, t, t_error = unit[order], t[order], t_error[order]  # edges keep their order, and so their ends theirs
    if first.all():
        return EdgePoints(edge, unit, t, t_error, start, end, np.arange(len(edge)), unit, edge, num_settled)
    number = np.cumsum(first) - 1
    one, its_unit, at, at_error, a, b = (of[first] for of in (edge, unit, t, t_error, start, end))
    return EdgePoints(one, its_unit, at, at_error, a, b, number, unit, edge, num_settled)


def _look_closer(
    look: Callable[[Int[np.ndarray, " vertices"]], Closer],
    edge: Int[np.ndarray, " crossings"],
    ends: tuple[Int[np.ndarray, " crossings"], Int[np.ndarray, " crossings"]],
    unit: Int[np.ndarray, " crossings"],
    shares: tuple[Float[np.ndarray, " crossings"], Float[np.ndarray, " crossings"]],
    edges: Int[np.ndarray, " some"],
) -> None:
    """Works out better where units change their signs on some edges, and puts that in the shares."""
    some = np.flatnonzero(np.isin(edge, edges))
    vertices, place = np.unique(np.stack([of_all[some] for of_all in ends]), return_inverse=True)
    closer, place = look(vertices), place.reshape(2, -1)
    start, end = closer.values[place, unit[some]]
    error = closer.error[place, unit[some]].max(axis=0)
    put_shares_(shares, some, start, end, error)


def _exact_order(
    before: Preactivations,
    along: EdgeSigns,
    unit: Int[np.ndarray, " crossings"],
    edge: int,
    some: Int[np.ndarray, " some"],
) -> list[tuple[Fraction, int]]:
    """The order along an edge of some crossings, all of those on it."""
    exact, mesh, units = before.exact, before.mesh, unit[some]
    face = int(mesh.faces[edge, 0])
    ((layer, its_unit),) = layers_and_units(mesh.lines[edge : edge + 1]).tolist()
    falls = bits.has(along.start, np.array([edge]), units[:1])[0]
    functions = exact.functions(before.layer, [face])[0][units]
    return order_along(exact.line((layer, its_unit), before.layer, face), functions, rising=not falls)
