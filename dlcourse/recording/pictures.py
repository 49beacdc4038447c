"""The pictures of what a network of one or two inputs has learnt, step by step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.tasks import Curve, Data, Planar, Task

NUM_PICTURES = 5
"""A run has so many, at kept steps that are evenly apart: enough to see how it went, for little more time than one."""


@dataclass(frozen=True)
class Stage:
    """A network at some step of its training.

    Attributes:
        step: Updates done.
        network: The network as it was then.
        metrics: Numbers to print below its picture.
    """

    step: int
    network: nn.Module
    metrics: Mapping[str, float]


def pictures(
    task: Task, stages: list[Stage], data: Data, *, title: str, count_pieces: bool
) -> dict[str, list[tuple[int, bytes]]]:
    """The fits with their breakpoints (regression of a curve), or the decision regions (classes in the plane).

    Args:
        task: What was to be learnt.
        stages: What has learnt it, at least one.
        data: What it was trained and tested on, in float64.
        title: The pictures' title.
        count_pieces: Whether the network has linear pieces to show.

    Returns:
        The pictures' tag, and for each stage the step and a PNG; nothing for a task without pictures.

    Cost: about 0.2 s, and 0.05 s (a fit) or 0.1 s (decision regions) for each further picture.
    """
    if not isinstance(task, Curve | Planar):
        return {}
    # matplotlib takes half a second to import, which runs without a picture need not pay
    from dlcourse.recording import learnt

    if isinstance(task, Curve):
        tag = "fit"
        film = learnt.fits(
            [
                learnt.Shown(_function(stage.network), *_pieces(task, stage.network, count_pieces), stage.metrics)
                for stage in stages
            ],
            target=task.target,
            train_inputs=data.train_inputs,
            train_targets=data.train_targets,
            start=task.low,
            end=task.high,
            title=title,
        )
    else:
        tag = "decision_regions"
        low, high = data.train_inputs.amin(0), data.train_inputs.amax(0)
        margin = 0.1 * (high - low)
        film = learnt.decision_regions(
            [learnt.Shown(_function(stage.network), metrics=stage.metrics) for stage in stages],
            inputs=data.test_inputs,
            classes=data.test_targets.argmax(1),
            low=tuple((low - margin).tolist()),
            high=tuple((high + margin).tolist()),
            title=title,
        )
    return {tag: list(zip([stage.step for stage in stages], film.to_pngs(), strict=True))}


def _pieces(task: Curve, network: nn.Module, count_pieces: bool) -> tuple[list[float], int | None]:
    """A network's breakpoints, and how many pieces lie between them, if they are counted."""
    if not count_pieces:
        return [], None
    found = pieces.on_line(network, task.low, task.high)
    return found.points(found.breakpoints)[:, 0].tolist(), found.num_pieces


def _function(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """The network's function of inputs of any type."""
    dtype = next(network.parameters()).dtype

    def values(inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return network(inputs.to(dtype))  # type: ignore[no-any-return]

    return values
