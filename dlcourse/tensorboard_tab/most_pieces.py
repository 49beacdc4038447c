"""How many linear pieces a run's network could have at most."""

import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import dlcourse
from dlcourse.recording import Result


def most_pieces(result: Result) -> int | None:
    """The most linear pieces of a network of this run's layers, where its pieces are counted.

    Of one input, or along segments, `most_on_line`, with skip connections as well: a layer still cuts an interval on
    which its input is affine once for each unit. On a rectangle of the plane, Serra's bound, which does not hold with
    skip connections, because they hand on what the units that are off do not.

    Args:
        result: A finished run.

    Returns:
        The bound; None where the run has no pieces, or is of a network whose layers are not known here, or of one
        that the bound does not hold for.
    """
    config, task = result.config, result.task
    if "num_pieces" not in result.metrics or "model.name" in config or task is None:
        return None
    depth, width, widths = (config.get(f"model.{key}") for key in ("depth", "width", "widths"))
    if widths is None and isinstance(depth, int) and isinstance(width, int):
        widths = [width] * depth
    if not isinstance(widths, list) or not all(isinstance(units, int) and units > 0 for units in widths):
        return None
    if not widths:
        return 1  # without hidden layers it is affine
    if " x " not in (task.pieces_domain or ""):
        found: int = _bounds().most_on_line(widths)
        return found
    if config.get("model.skip"):
        return None
    found = _bounds().serra_upper(2, widths)
    return found


@cache
def _bounds() -> ModuleType:
    """`dlcourse.pieces.bounds` without its package, which imports torch for seconds: the formulas need none."""
    name = "dlcourse.pieces.bounds"
    if name not in sys.modules:
        path = Path(dlcourse.__file__).parent.joinpath("pieces", "bounds.py")
        spec = spec_from_file_location("dlcourse_bounds", path)
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    return sys.modules[name]
