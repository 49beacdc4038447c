"""Components and holes of decision regions against depth: random networks, trained ones, and one by construction.

    dlcourse -m experiment=random_topology
    dlcourse -m experiment=islands_by_depth
    dlcourse -m experiment=topology_rings
    dlcourse -m experiment=topology_spirals
    python experiments/topology/report.py

Run from the root of the repository.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from dlcourse import pieces
from dlcourse.networks import SoftmaxClassifier
from dlcourse.networks.model import widths_of_size
from dlcourse.palette import CLASS_COLORS
from dlcourse.recording import Cell, Result, cells, row, wilson
from experiments.shared import (
    Colour,
    Row,
    chosen,
    fill,
    finish,
    measured,
    read_csv,
    save,
    save_in_256_colours,
    table,
    trained,
    write_csv,
)

FOLDER = Path(__file__).parent
LOW, HIGH = -1.2, 1.2  # the square around the data on which trained networks are looked at
# What a classifier has that is right along the curves and no more than that: components and holes, class by class.
TASKS = {"rings": ([1, 1, 1, 1], [0, 1, 1, 1]), "spirals": ([1, 1, 1], [0, 0, 0])}
STARTS = {"torch": Colour.BLUE, "he": Colour.RED}
DRAWN = 400  # parameters of the networks in the pictures

Read = Mapping[str, str]
Found = tuple[list[int], list[int]]


def main() -> None:
    """The tables and the figures into this folder, and numbers into its page."""
    write_csv(FOLDER / "islands.csv", [islands_row(result) for result in measured("islands_by_depth", "depth")])
    random = measured("random_topology", "max_parameters", "initialization", "depth")
    write_csv(FOLDER / "random.csv", [random_row(result) for result in random])
    rows, pictures = [], {}
    for task in TASKS:
        for cell in cells(measured(f"topology_{task}")):
            found = [topology_of(task, result) for result in cell.results]
            rows.append(trained_row(task, cell, found))
            if cell.max_parameters == DRAWN:
                pictures[task, cell.depth] = middle_one(cell.results, found)
    write_csv(FOLDER / "trained.csv", rows, digits=4)
    save(
        draw(*(read_csv(FOLDER / f"{name}.csv") for name in ("islands", "random", "trained"))), FOLDER / "topology.png"
    )
    save_in_256_colours(draw_regions(pictures), FOLDER / "regions.png", dpi=80)
    fill(FOLDER / "README.md", numbers())


def islands_row(result: Result) -> Row:
    """One depth of the network by construction."""
    names = (
        "num_parameters", "num_regions", "components", "holes", "expected", "shallow_width", "shallow_parameters",
        "shallow_upper_bound",
    )  # fmt: skip
    return {"depth": result.config["depth"], **{name: result.metrics[name] for name in names}}


def random_row(result: Result) -> Row:
    """One architecture and initialisation of random networks."""
    config, metrics = result.config, result.metrics
    found: Row = {
        "depth": config["depth"],
        "max_parameters": config["max_parameters"],
        "initialization": config["initialization"],
        "parameters": metrics["num_parameters"],
        "draws": config["num_draws"],
    }
    for name in ("components", "holes", "sum"):
        found[name] = round(metrics[f"{name}/mean"], 3)
        found[f"{name}_error"] = round(metrics[f"{name}/standard_deviation"] / config["num_draws"] ** 0.5, 3)
        found[f"most_{name}"] = metrics[f"{name}/most"]
    return found


def classifier_of(task: str, result: Result) -> SoftmaxClassifier:
    """The trained network of a run."""
    config = result.config
    num_classes = config["task.num_classes"]
    widths = widths_of_size(config["model.max_parameters"], config["model.depth"], 2, num_classes)
    return trained(SoftmaxClassifier(2, num_classes, width=widths), f"topology_{task}", result)


def topology_of(task: str, result: Result) -> Found:
    """Components and holes of each class of a trained network."""
    found = pieces.on_plane(classifier_of(task, result), LOW, HIGH).decision_topology()
    return found.num_components.tolist(), found.num_holes.tolist()


def trained_row(task: str, cell: Cell, found: Sequence[Found]) -> Row:
    """One architecture, judged by the runs at the settings that were chosen for it on the other seeds."""
    judged = row(cell, "accuracy")
    num_right = sum(each == TASKS[task] for each in found)
    low, high = wilson(num_right, len(found))
    components, holes = ([sum(each[index]) for each in found] for index in (0, 1))
    both = [sum(pair) for pair in zip(components, holes, strict=True)]
    return {
        "task": task,
        "depth": cell.depth,
        "max_parameters": cell.max_parameters,
        "parameters": round(judged["parameters"]),
        "chosen": judged["chosen"],
        "at_an_end": judged["at_an_end"],
        "seeds": len(found),
        "accuracy": judged["accuracy"],
        "right": num_right,
        "right_low": low,
        "right_high": high,
        "components": statistics.median(components),
        "most_components": max(components),
        "holes": statistics.median(holes),
        "most_holes": max(holes),
        "sum": statistics.median(both),
        "least_sum": min(both),
        "most_sum": max(both),
    }


def middle_one(results: Sequence[Result], found: Sequence[Found]) -> tuple[Result, Found]:
    """The run whose sum of components and holes is the median."""
    order = sorted(range(len(results)), key=lambda index: sum(map(sum, found[index])))
    middle = order[(len(order) - 1) // 2]
    return results[middle], found[middle]


def numbers() -> dict[str, str]:
    """What the page says, from the tables beside it."""
    islands, random, after = (read_csv(FOLDER / f"{name}.csv") for name in ("islands", "random", "trained"))
    beyond = [each for each in islands if int(each["components"]) > int(each["shallow_upper_bound"])]
    deep = [each for each in random if each["depth"] != "1"]
    rising = [each for each in random if (each["initialization"], each["max_parameters"]) == ("he", "400")]
    said = {
        "islands": table([shown_islands(each) for each in islands]),
        "random": table([shown_random(random, depth) for depth in dict.fromkeys(each["depth"] for each in random)]),
        "as-proved": str(sum(each["components"] == each["holes"] == each["expected"] for each in islands)),
        "first-beyond": beyond[0]["depth"],
        "beyond-components": f"{int(beyond[0]['components']):,}",
        "beyond-parameters": beyond[0]["num_parameters"],
        "beyond-bound": f"{int(beyond[0]['shallow_upper_bound']):,}",
        "random-most": str(max(int(each["most_sum"]) for each in random)),
        "random-one": to([float(each["sum"]) for each in random if each["depth"] == "1"], ".2f"),
        "random-rising": ", ".join(f"{float(each['sum']):.2f}" for each in rising),
        "random-deep": to([float(each["sum"]) for each in deep], ".2f"),
    }
    for task in TASKS:
        of_task = [each for each in after if each["task"] == task]
        said[task] = table([shown_trained(each) for each in of_task])
        said[f"{task}-accuracy"] = to([float(each["accuracy"]) for each in of_task], ".3f")
        for size in dict.fromkeys(each["max_parameters"] for each in of_task):
            of_size = [each for each in of_task if each["max_parameters"] == size]
            said[f"{task}-right-{size}"] = ", ".join(each["right"] for each in of_size)
        said[f"{task}-sum"] = to([float(each["sum"]) for each in of_task], "g")
        said[f"{task}-most"] = max(of_task, key=lambda each: int(each["most_sum"]))["most_sum"]
    return said


def to(values: Sequence[float], form: str) -> str:
    """From the least to the most: "1.2 to 3.4", or "7" if all are the same."""
    return " to ".join(dict.fromkeys(f"{end:{form}}" for end in (min(values), max(values))))


def right(each: Read) -> str:
    """How many seeds have the task's own topology: "4 of 10 (20-67%)"."""
    low, high = (100 * float(each[f"right_{end}"]) for end in ("low", "high"))
    return f"{each['right']} of {each['seeds']} ({low:.0f}-{high:.0f}%)"


def shown_islands(each: Read) -> Row:
    """One depth, as the page has it."""
    return {
        "depth": each["depth"],
        "parameters": each["num_parameters"],
        "components of class 1": f"{int(each['components']):,}",
        "holes of class 0": f"{int(each['holes']):,}",
        "4^(depth - 1)": f"{int(each['expected']):,}",
        "one layer of as many parameters": f"{each['shallow_width']} units",
        "has at most": f"{int(each['shallow_upper_bound']):,}",
    }


def shown_random(rows: Sequence[Read], depth: str) -> Row:
    """One depth of random networks, as the page has it: components + holes, and the most of their sum."""
    shown: Row = {"depth": depth}
    for each in rows:
        if each["depth"] == depth:
            name = f"{each['initialization']}, at most {each['max_parameters']}"
            both = f"{float(each['components']):.2f} + {float(each['holes']):.2f}"
            shown[name] = f"{both} (± {float(each['sum_error']):.2f}, most {each['most_sum']})"
    return shown


def shown_trained(each: Read) -> Row:
    """One architecture, as the page has it."""
    return {
        "at most": each["max_parameters"],
        "depth": each["depth"],
        "parameters": each["parameters"],
        "accuracy": f"{float(each['accuracy']):.3f}",
        "the task's own topology": right(each),
        "components": f"{float(each['components']):g} (most {each['most_components']})",
        "holes": f"{float(each['holes']):g} (most {each['most_holes']})",
        "rate and initialisation": chosen(each),
    }


def draw(islands: Sequence[Read], random: Sequence[Read], after: Sequence[Read]) -> Figure:
    """Against depth: the construction beside the bound for one layer; random networks; trained ones."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    built, drawn, learnt = figure.subplots(1, 3)
    depths = [int(each["depth"]) for each in islands]
    built.plot(depths, [int(each["components"]) for each in islands], "o-", color=Colour.RED, label="by construction")
    bounds = [int(each["shallow_upper_bound"]) for each in islands]
    built.plot(depths, bounds, "k--", label="the most of one layer of this size")
    built.set(yscale="log", xlabel="depth", xticks=depths, title="components of class 1")
    for start, colour in STARTS.items():
        for size, style in (("100", "o--"), ("400", "s-")):
            some = [each for each in random if (each["initialization"], each["max_parameters"]) == (start, size)]
            drawn.errorbar(
                [int(each["depth"]) for each in some],
                [float(each["sum"]) for each in some],
                yerr=[2 * float(each["sum_error"]) for each in some],
                fmt=style,
                color=colour,
                capsize=3,
                label=f"{start}, {size} parameters",
            )
    drawn.set(xlabel="depth", xticks=(1, 2, 3, 4, 6), ylim=(0, None), title="random networks: components + holes")
    for (task, own), colour in zip(TASKS.items(), (Colour.ORANGE, Colour.VIOLET), strict=True):
        for size, style in (("100", "o--"), ("400", "s-")):
            some = [each for each in after if (each["task"], each["max_parameters"]) == (task, size)]
            if some:
                draw_trained(learnt, some, style, colour, f"{task}, {size} parameters")
        learnt.axhline(sum(map(sum, own)), color=colour, lw=1, ls=":", zorder=0, label=f"{task} themselves")
    learnt.set(xlabel="depth", xticks=(1, 2, 3, 4), ylim=(0, 11.5), title="trained networks: components + holes")
    for axes in (built, drawn, learnt):
        axes.legend(fontsize=8, loc="upper left", ncols=2 if axes is learnt else 1)
        finish(axes)
    return figure


def draw_trained(axes: Axes, rows: Sequence[Read], style: str, colour: str, label: str) -> None:
    """Medians, with bars from the least to the most of the seeds."""
    median, least, most = (np.array([float(each[name]) for each in rows]) for name in ("sum", "least_sum", "most_sum"))
    shift = -0.06 if "100" in label else 0.06
    depths = [int(each["depth"]) + shift for each in rows]
    axes.errorbar(depths, median, yerr=[median - least, most - median], fmt=style, color=colour, capsize=3, label=label)


def draw_regions(pictures: Mapping[tuple[str, int], tuple[Result, Found]]) -> Figure:
    """The decision regions of the run in the middle, by task and depth."""
    depths = sorted({depth for _, depth in pictures})
    figure = Figure(figsize=(2.9 * len(depths), 3.1 * len(TASKS)), layout="constrained")
    panels = figure.subplots(len(TASKS), len(depths))
    ticks = torch.linspace(LOW, HIGH, 400)
    for (task, depth), (result, (components, holes)) in pictures.items():
        axes = panels[list(TASKS).index(task), depths.index(depth)]
        network = classifier_of(task, result)
        with torch.no_grad():
            classes = network(torch.cartesian_prod(ticks, ticks).flip(1)).argmax(dim=1).view(400, 400).numpy()
        colours = ListedColormap(CLASS_COLORS[: len(components)])
        extent = (LOW, HIGH, LOW, HIGH)
        limits = {"vmin": -0.5, "vmax": len(components) - 0.5}
        axes.imshow(classes, origin="lower", extent=extent, cmap=colours, alpha=0.55, interpolation="nearest", **limits)
        boundary = pieces.on_plane(network, LOW, HIGH).decision_boundary()
        axes.add_collection(LineCollection(list(boundary), colors=Colour.BLACK, linewidths=0.8))
        layers = f"{depth} hidden layer{'s' * (depth > 1)}"
        axes.set_title(f"{task}, {layers}\n{sum(components)} components, {sum(holes)} holes", fontsize=10)
        axes.set_axis_off()
    return figure


if __name__ == "__main__":
    main()
