"""What is written of a finished run: its result, and its pictures."""

import time

from dlcourse.jobs.config import RunConfig
from dlcourse.jobs.stack import Trained
from dlcourse.networks import num_parameters
from dlcourse.recording import Result, TaskFacts, last_values
from dlcourse.recording.pictures import NUM_PICTURES, Stage, pictures
from dlcourse.recording.provenance import provenance


def facts_of(config: RunConfig) -> TaskFacts:
    """What a result says of its task."""
    task = config.task
    domain = task.pieces_domain if config.pieces_are_counted else None
    sizes = task.in_features, task.out_features
    return TaskFacts(task.metric, tuple(task.higher_is_better), *sizes, task.num_pieces, task.solved, domain)


def result_of(config: RunConfig, trained: Trained, facts: TaskFacts, started: float) -> Result:
    """The last point of every curve, when the task was solved, and the number of parameters."""
    metrics = {
        tag.removeprefix("metric/").removeprefix("pieces/"): value
        for tag, value in last_values(trained.history).items()
    }
    if facts.solved is not None:
        metrics["steps_until_solved"] = facts.steps_until_solved(trained.history[f"metric/{facts.metric}"])
    metrics["num_parameters"] = num_parameters(trained.network)
    made_with = provenance(started, time.time(), config.torch_device)
    settings, diverged_at = config.settings(), trained.diverged_at
    return Result(config.run_name, settings, metrics, diverged_at, trained.seconds, facts, made_with)


def hparams_of(config: RunConfig) -> dict[str, bool | int | float | str]:
    """The run's row in TensorBoard's HPARAMS tab, but for the number of parameters."""
    return {
        "task": config.task.name,
        "depth": "" if config.model.depth is None else config.model.depth,
        "width": config.model.width or str(config.model.layer_widths),
        **config.model.hparams,
        "optimizer": config.optimizer.name,
        "rate": config.optimizer.rate,
        "seed": config.seed,
    }


def pictures_of(config: RunConfig, trained: Trained) -> dict[str, list[tuple[int, bytes]]]:
    """What the network has learnt at some steps, as pictures; none if it has diverged, or no picture is wanted."""
    if trained.data is None or trained.diverged_at is not None:
        return {}
    metric = config.task.metric
    curve, weights = dict(trained.history[f"metric/{metric}"]), trained.weights.some(NUM_PICTURES)
    stages = [
        Stage(step, network, {metric: curve[step]})
        for step, network in zip(weights.steps, weights.networks(trained.network), strict=True)
    ]
    return pictures(config.task, stages, trained.data, title=config.label, count_pieces=config.model.has_pieces)
