"""Pictures of circuits, in the usual symbols: inputs on the left, the output on the right, NOTs as small circles.

Made with matplotlib's objects alone, without pyplot and its global state.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch
from matplotlib.path import Path

from dlcourse.circuits.circuit import Circuit, Kind, sub_circuits
from dlcourse.palette import INK

FILLS = {Kind.and_: "#dbe9f6", Kind.or_: "#fdebd0", Kind.xor: "#e3f1e0"}
GATE_WIDTH, BUBBLE, BACK = 0.9, 0.075, 0.14
"""Sizes in units of the distance of two inputs: a gate, a NOT's radius, how far an OR's back bends in."""
PIN_DISTANCE, TRACK_DISTANCE, PASSING = 0.22, 0.22, 0.35
"""How far apart a gate's inputs lie, and upright wires, and wires that pass a column of gates."""


@dataclass(frozen=True)
class _Wire:
    """What a gate's input is connected to: an input or gate, as it is or negated."""

    source: Circuit
    negated: bool


def draw(circuit: Circuit, axes: Axes | None = None) -> Axes:
    """Draws a circuit; a gate's column is its depth, NOTs not counted, and a dot marks where a wire branches.

    Args:
        circuit: Any circuit; a picture is worth looking at up to some fifty gates.
        axes: Where to draw; a new figure of a fitting size by default (`axes.figure.savefig(...)`).

    Source: the pictures of the slides "Parity Circuits".
    """
    output = _wire(circuit)
    wires = {node: [_wire(part) for part in node.parts] for node in sub_circuits(circuit) if node.kind is not Kind.not_}
    columns = _columns(wires)
    heights = _heights(columns, wires)
    figure = Figure(layout="constrained") if axes is None else None
    axes = figure.add_subplot() if figure else axes
    assert axes is not None

    left = 0.0
    for number, (here, ahead) in enumerate(pairwise([*heights, {}])):
        right = left + (GATE_WIDTH if number else 0)  # the first column is that of the inputs, which have no width
        for value, y in here.items():
            if columns[value] < number:  # a wire from an earlier column that only passes through this one
                axes.plot([left, right], [y, y], color=INK, lw=1, zorder=1)
            elif value.kind is Kind.input:
                axes.text(left - 0.12, y, f"$x_{{{value.index}}}$", ha="right", va="center", fontsize=12)
            else:
                _draw_gate(axes, value, wires[value], left, y)
        if ahead:
            left = _draw_wires(axes, here, ahead, {v: wires[v] for v in ahead if columns[v] == number + 1}, right)
    y = heights[-1][output.source]
    axes.plot([right, right + 0.5], [y, y], color=INK, lw=1, zorder=1)
    if output.negated:
        _draw_bubble(axes, right + BUBBLE, y)
    axes.text(right + 0.6, y, "$y$", ha="left", va="center", fontsize=12)
    axes.set(aspect="equal", xlim=(-0.7, right + 1))
    axes.set_axis_off()
    if figure:
        (bottom, top), (start, end) = axes.get_ylim(), axes.get_xlim()
        figure.set_size_inches(0.55 * (end - start), 0.55 * (top - bottom) + 0.2)
    return axes


def _wire(part: Circuit) -> _Wire:
    """What is negated, for a NOT; else the part itself."""
    return _Wire(part.parts[0], True) if part.kind is Kind.not_ else _Wire(part, False)


def _columns(wires: dict[Circuit, list[_Wire]]) -> dict[Circuit, int]:
    """Inputs 0, a gate one more than the last of its sources."""
    columns: dict[Circuit, int] = {}
    for value, its_wires in wires.items():
        columns[value] = 0 if value.kind is Kind.input else 1 + max((columns[w.source] for w in its_wires), default=0)
    return columns


def _heights(columns: dict[Circuit, int], wires: dict[Circuit, list[_Wire]]) -> list[dict[Circuit, float]]:
    """For each column, how high its gates lie and the wires that pass: near the mean of their sources, well apart."""
    last_use = dict(columns)
    for value, its_wires in wires.items():
        for wire in its_wires:
            last_use[wire.source] = max(last_use[wire.source], columns[value] - 1)
    members = [
        [value for value in wires if columns[value] <= number <= last_use[value]]
        for number in range(max(columns.values()) + 1)
    ]
    members[0].sort(key=lambda value: value.index)

    def room(value: Circuit, number: int) -> float:
        """What a gate, an input or a wire that passes takes in a column."""
        return _size(wires[value]) if columns[value] == number else PASSING

    tallest = max(sum(room(value, number) for value in column) for number, column in enumerate(members))
    heights = [{v: -tallest * (i + 0.5) / len(members[0]) for i, v in enumerate(members[0])}]
    for number in range(1, len(members)):
        before, wanted = heights[-1], dict[Circuit, float]()
        for value in members[number]:
            sources = [wire.source for wire in wires[value]] if columns[value] == number else [value]
            wanted[value] = float(np.mean([before[source] for source in sources] or [-tallest / 2]))
        order = sorted(members[number], key=lambda v: -wanted[v])
        placed = _apart([-wanted[v] for v in order], [room(v, number) for v in order])
        heights.append({v: -y for v, y in zip(order, placed, strict=True)})
    return heights


def _size(wires: list[_Wire]) -> float:
    """The height of a gate of so many inputs, with the gap to the next."""
    return max(1.0, PIN_DISTANCE * len(wires) + 0.25)


def _apart(wanted: list[float], sizes: list[float]) -> list[float]:
    """The places nearest to those wanted (least squares), in the same order, that leave each its size."""
    centres = np.cumsum(sizes) - np.array(sizes) / 2
    # All are first stacked without gaps, with these centres, and then shifted. They stay in order and do not overlap if
    # the shifts never fall. Where the wanted ones do, neighbours become a group that has no gaps and one shift, the
    # mean of those wanted in it (pool adjacent violators). A group is this mean and the number of its members.
    groups: list[list[float]] = []
    for shift in np.array(wanted) - centres:
        groups.append([float(shift), 1])
        while len(groups) > 1 and groups[-2][0] >= groups[-1][0]:
            shift, many = groups.pop()
            groups[-1] = [(groups[-1][0] * groups[-1][1] + shift * many) / (groups[-1][1] + many), groups[-1][1] + many]
    shifts = np.repeat([shift for shift, _ in groups], [int(many) for _, many in groups])
    return [float(place) for place in shifts + centres]


def _pins(wires: list[_Wire], y: float) -> list[float]:
    """How high the inputs of a gate lie, from the top down."""
    return [y + PIN_DISTANCE * ((len(wires) - 1) / 2 - i) for i in range(len(wires))]


def _draw_wires(
    axes: Axes,
    here: dict[Circuit, float],
    ahead: dict[Circuit, float],
    gates: dict[Circuit, list[_Wire]],
    right: float,
) -> float:
    """The wires from one column to the next, each source with an upright of its own; where the next column begins."""
    ends: dict[Circuit, list[float]] = {
        value: [ahead[value]] for value in here if value in ahead and value not in gates
    }
    for gate, its_wires in gates.items():
        for wire, y in zip(its_wires, _pins(its_wires, ahead[gate]), strict=True):
            ends.setdefault(wire.source, []).append(y)
    # A track is a place between the columns for upright wires; several share it if they do not meet. For each track,
    # the stretches from low to high that are taken.
    tracks: list[list[tuple[float, float]]] = []
    track_of = {}
    for value, ys in ends.items():
        low, high = min([*ys, here[value]]) - 0.1, max([*ys, here[value]]) + 0.1
        free = (i for i, taken in enumerate(tracks) if all(high < a or b < low for a, b in taken))
        track_of[value] = next(free, len(tracks))
        if track_of[value] == len(tracks):
            tracks.append([])
        tracks[track_of[value]].append((low, high))
    left = right + 0.35 + TRACK_DISTANCE * len(tracks)
    for value, ys in ends.items():
        x = right + 0.2 + TRACK_DISTANCE * track_of[value]
        corners = sorted([*ys, here[value]])
        axes.plot([right, x], [here[value]] * 2, color=INK, lw=1, zorder=1)
        axes.plot([x, x], [corners[0], corners[-1]], color=INK, lw=1, zorder=1)
        for y in ys:
            axes.plot([x, left + BACK], [y, y], color=INK, lw=1, zorder=1)
        # A dot goes where more than two wires meet: one from the source, one to a gate, and the upright, which leaves
        # its ends in one direction and the heights between them in two.
        inner = {y for y in corners if corners[0] < y < corners[-1]}
        branches = [
            y for y in set(corners) if (y in inner) + (y == here[value]) + (y in ys) + (len(set(corners)) > 1) > 2
        ]
        axes.plot([x] * len(branches), branches, "o", color=INK, ms=3, zorder=2)
    return left


def _draw_gate(axes: Axes, gate: Circuit, wires: list[_Wire], left: float, y: float) -> None:
    """One gate's symbol, and circles at the inputs that it takes negated."""
    half = (_size(wires) - 0.25) / 2
    low, high, right = y - half, y + half, left + GATE_WIDTH
    curve, line = Path.CURVE3, Path.LINETO
    back = [(Path.MOVETO, (left, low)), (curve, (left + 2 * BACK, y)), (curve, (left, high))]
    if gate.kind is Kind.and_:
        middle = left + 0.4 * GATE_WIDTH
        round_front = [
            (Path.CURVE4, (right + 0.19, high)),
            (Path.CURVE4, (right + 0.19, low)),
            (Path.CURVE4, (middle, low)),
        ]
        steps = [(Path.MOVETO, (left, low)), (line, (left, high)), (line, (middle, high)), *round_front]
    else:
        middle = left + 0.6 * GATE_WIDTH
        front = [(curve, (middle, high)), (curve, (right, y)), (curve, (middle, low)), (curve, (left, low))]
        steps = [*back, *front]
    codes, points = zip(*steps, (Path.CLOSEPOLY, (left, low)), strict=True)
    axes.add_patch(PathPatch(Path(points, codes), facecolor=FILLS[gate.kind], edgecolor=INK, lw=1.2, zorder=3))
    if gate.kind is Kind.xor:
        second = Path([(x - 0.1, height) for _, (x, height) in back], [code for code, _ in back])
        axes.add_patch(PathPatch(second, facecolor="none", edgecolor=INK, lw=1.2, zorder=3))
    label = str(gate.kind) if wires else str(int(gate.kind is Kind.and_))
    axes.text(left + 0.5 * GATE_WIDTH, y, label, ha="center", va="center", fontsize=11, color=INK, zorder=4)
    for wire, height in zip(wires, _pins(wires, y), strict=True):
        if wire.negated:
            along = (height - low) / (high - low)
            bent = 0 if gate.kind is Kind.and_ else 4 * BACK * along * (1 - along)
            _draw_bubble(axes, left + bent - BUBBLE - (0.1 if gate.kind is Kind.xor else 0), height)


def _draw_bubble(axes: Axes, x: float, y: float) -> None:
    """A NOT."""
    axes.add_patch(Circle((x, y), BUBBLE, facecolor="white", edgecolor=INK, lw=1.2, zorder=4))
