"""The parts into which points divide lines, be these edges or chords."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt64


class Parts(NamedTuple):
    """Parts of lines, in order along each line, one line after another."""

    line: Int[np.ndarray, " parts"]
    first: Int[np.ndarray, " lines"]  # each line's first part
    last: Int[np.ndarray, " lines"]
    after: Int[np.ndarray, " points"]  # the part after each point; the one before it is one less

    def ends(
        self,
        start: Int[np.ndarray, " lines"],
        end: Int[np.ndarray, " lines"],
        points: Int[np.ndarray, " points"],
    ) -> Int[np.ndarray, "parts 2"]:
        """The vertices where each part starts and ends, given those of the lines and those between parts."""
        ends = np.empty((len(self.line), 2), dtype=np.int64)
        ends[self.first, 0], ends[self.last, 1] = start, end
        ends[self.after, 0] = ends[self.after - 1, 1] = points
        return ends

    def patterns(
        self,
        start: UInt64[np.ndarray, "lines words"],
        end: UInt64[np.ndarray, "lines words"],
        changed: UInt64[np.ndarray, "points words"],
    ) -> UInt64[np.ndarray, "parts words"]:
        """Which units are positive on each part.

        Args:
            start: Which units are positive on each line's first part.
            end: And on its last.
            changed: Which units change their signs at each point between two parts.
        """
        # Each row says what changes from the part before, the first of a line against the last of the line before.
        changes = start.copy()
        changes[1:] ^= end[:-1]
        pattern = np.empty((len(self.line), start.shape[1]), dtype=np.uint64)
        pattern[self.first] = changes
        pattern[self.after] = changed
        np.bitwise_xor.accumulate(pattern, axis=0, out=pattern)
        return pattern

    def at_points(self, pattern: UInt64[np.ndarray, "parts words"]) -> UInt64[np.ndarray, "points words"]:
        """Which units are positive at the points: those that are so on both sides."""
        both = pattern.take(self.after, axis=0)
        both &= pattern.take(self.after - 1, axis=0)
        return both


def parts_between(line: Int[np.ndarray, " points"], num_lines: int) -> Parts:
    """The parts between points, given the line of each point, ascending."""
    per_line = np.bincount(line, minlength=num_lines)
    first = np.arange(num_lines) + np.cumsum(per_line) - per_line
    after = np.arange(len(line)) + line + 1
    return Parts(np.repeat(np.arange(num_lines), per_line + 1), first, first + per_line, after)
