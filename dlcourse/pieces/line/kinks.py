"""Which vertices the outputs have a kink at: what floats leave open, patterns, remainders and integers tell."""

import numpy as np
from jaxtyping import Bool, Float, Int

from dlcourse.pieces.arithmetic.remainders import MOST_INPUTS, differ, reduced, remainders, slopes_through
from dlcourse.pieces.arithmetic.rounding import SLACK
from dlcourse.pieces.line.changes import may_reach_outputs
from dlcourse.pieces.line.intervals import Intervals
from dlcourse.pieces.line.zeros import support_of_members

_PART = 1024  # intervals that are taken at once


def find_kinks(
    intervals: Intervals,
    slopes: Float[np.ndarray, "out_features vertices"],
    shared: float,
    error: Float[np.ndarray, " vertices_or_1"],
) -> tuple[Bool[np.ndarray, " vertices"], Int[np.ndarray, " settled"]]:
    """Whether some output has different slopes on the two sides of a vertex, and where integers had to tell that.

    Args:
        intervals: The intervals.
        slopes: The outputs' slopes on them.
        shared: If positive, the slopes are exact.
        error: Else how far off those of each interval may be, in the 2-norm.
    """
    inner = np.ones(slopes.shape[1], dtype=bool)
    inner[intervals.first], inner[intervals.last] = False, False
    jump = np.abs(np.diff(slopes, axis=1)).max(axis=0)
    none = np.zeros(0, dtype=np.int64)
    if shared > 0:
        inner[1:] &= jump > 0
        return inner, none
    error = error[1:] + error[:-1]
    kinks = inner.copy()
    kinks[1:] &= jump > SLACK * error
    open_ = 1 + np.flatnonzero(inner[1:] & ~kinks[1:] & (error != 0))
    if len(open_) == 0:
        return kinks, none
    if any(layer.is_sparse for layer in intervals.layers):
        open_ = open_[may_reach_outputs(intervals, open_)]
    else:
        open_ = open_[_might_be_kinks(intervals, open_)]
    sure = _are_surely_kinks(intervals, open_)
    kinks[open_[sure]] = True
    open_ = open_[~sure]
    if len(open_):
        kinks[open_] = _are_kinks(intervals, open_)
    return kinks, open_


def _might_be_kinks(intervals: Intervals, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
    """Whether a change of slope at some vertices may reach the outputs; else it meets only units that are off."""
    left, right = iter(intervals.patterns(vertices - 1)), iter(intervals.patterns(vertices))
    edges = np.searchsorted(vertices, intervals.edges()).tolist()
    changes = np.zeros((intervals.starts.shape[1], len(vertices)), dtype=bool)
    for layer in intervals.layers:
        changes = support_of_members(layer, changes, edges)
        if layer.bends:
            before, after = next(left), next(right)
            leaks = np.repeat(layer.slope.T != 0, np.diff(edges), axis=1)
            changes = (before != after) | (changes & (before | leaks))
    return np.asarray(changes.any(axis=0))


def _are_surely_kinks(intervals: Intervals, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
    """Whether remainders prove that the outputs' slopes differ on the two sides of some vertices."""
    if len(vertices) == 0 or max(layer.in_features for layer in intervals.layers) > MOST_INPUTS:
        return np.zeros(len(vertices), dtype=bool)
    beside = np.union1d(vertices - 1, vertices)
    slopes = np.empty((intervals.layers[-1].bias.shape[1], len(beside)))
    for part, member in intervals.parts(beside, _PART):
        lines, steps, columns = intervals.descent(beside[part])
        along = reduced(remainders(intervals.ends[lines].T) - remainders(intervals.starts[lines].T))
        slopes[:, part] = slopes_through(intervals.layers, along, steps, member=member)[:, columns[-1]]
    right = np.searchsorted(beside, vertices)
    return np.asarray(differ(slopes[:, right], slopes[:, right - 1]).any(axis=0))


def _are_kinks(intervals: Intervals, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
    """Whether the outputs' slopes differ on the two sides of some vertices."""
    before, after = intervals.patterns(vertices - 1), intervals.patterns(vertices)
    on = [left | right for left, right in zip(before, after, strict=True)]
    sources = _sources(intervals, vertices)
    num_sources = np.add.reduce([source.sum(axis=0) for source in sources])
    member = intervals.member(vertices).tolist()
    kinks = np.zeros(len(vertices), dtype=bool)
    # One unit alone bends at nearly every vertex: then it is enough to follow its change to the outputs. On its way
    # it keeps its size in units that are 0 on one side, and in all others the sign is the same on both.
    for cut, source in zip(intervals.cuts, sources, strict=True):
        for unit, column in np.argwhere(source & (num_sources == 1)).tolist():
            pattern = [active[:, column] for active in on]
            kinks[column] = intervals.exact.reaches_outputs(cut.layer, unit, pattern, member=member[column])
    several = np.flatnonzero(num_sources > 1)
    if len(several):
        kinks[several] = _slopes_differ(intervals, vertices[several])
    return kinks


def _sources(intervals: Intervals, vertices: Int[np.ndarray, " some"]) -> list[Bool[np.ndarray, "units some"]]:
    """Which units may bend at some vertices even if no unit of an earlier layer does, for each layer that bends.

    These are those that turn on or off there, but for those that are 0 all along the interval where they are off:
    no unit that they depend on is on there.
    """
    sources = []
    left, right = iter(intervals.patterns(vertices - 1)), iter(intervals.patterns(vertices))
    edges = np.searchsorted(vertices, intervals.edges()).tolist()
    before = after = np.ones((intervals.starts.shape[1], len(vertices)), dtype=bool)  # whether a slope may not be 0
    for layer in intervals.layers:
        before, after = support_of_members(layer, before, edges), support_of_members(layer, after, edges)
        if layer.bends:
            on_before, on_after = next(left), next(right)
            sources.append((on_before & ~on_after & after) | (on_after & ~on_before & before))
            leaks = np.repeat(layer.slope.T != 0, np.diff(edges), axis=1)
            before, after = before & (on_before | leaks), after & (on_after | leaks)
    return sources


def _slopes_differ(intervals: Intervals, vertices: Int[np.ndarray, " some"]) -> Bool[np.ndarray, " some"]:
    """The same, of the slopes themselves."""
    beside = np.union1d(vertices - 1, vertices)
    slopes = np.empty((intervals.layers[-1].bias.shape[1], len(beside)), dtype=object)
    for part, functions in intervals.exactly(beside):
        *_, function = functions
        slopes[:, part] = function.slope  # of one member, hence with one denominator
    right = np.searchsorted(beside, vertices)
    differ: Bool[np.ndarray, " some"] = (slopes[:, right] != slopes[:, right - 1]).any(axis=0)
    return differ
