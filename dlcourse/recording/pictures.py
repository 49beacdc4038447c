"""The picture of what a network of one or two inputs has learnt."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlcourse import pieces
from dlcourse.tasks import Curve, Data, Planar, Task


def picture(
    task: Task, network: nn.Module, data: Data, *, title: str, metrics: Mapping[str, float], count_pieces: bool
) -> tuple[str, bytes] | None:
    """The fit with its breakpoints (regression of a curve), or the decision regions (classes in the plane).

    Args:
        task: What was to be learnt.
        network: What has learnt it.
        data: What it was trained and tested on, in float64.
        title: The picture's title.
        metrics: Numbers to print below it.
        count_pieces: Whether the network has linear pieces to show.

    Returns:
        The picture's tag and PNG, or None for a task without a picture.
    """
    if not isinstance(task, Curve | Planar):
        return None
    # matplotlib takes half a second to import, which runs without a picture need not pay
    from dlcourse.recording import figures

    dtype = next(network.parameters()).dtype

    def values(inputs: Tensor) -> Tensor:
        with torch.no_grad():
            return network(inputs.to(dtype))  # type: ignore[no-any-return]

    if isinstance(task, Curve):
        found = pieces.on_line(network, task.low, task.high) if count_pieces else None
        figure = figures.fit(
            values,
            target=task.target,
            train_inputs=data.train_inputs,
            train_targets=data.train_targets,
            start=task.low,
            end=task.high,
            title=title,
            breakpoints=() if found is None else found.points(found.breakpoints)[:, 0],
            num_pieces=None if found is None else found.num_pieces,
            metrics=metrics,
        )
        return "fit", figures.to_png(figure)
    low, high = data.train_inputs.amin(0), data.train_inputs.amax(0)
    margin = 0.1 * (high - low)
    figure = figures.decision_regions(
        values,
        inputs=data.test_inputs,
        classes=data.test_targets.argmax(1),
        low=tuple((low - margin).tolist()),
        high=tuple((high + margin).tolist()),
        title=title,
        metrics=metrics,
    )
    return "decision_regions", figures.to_png(figure)
