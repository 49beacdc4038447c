"""Can one hidden layer of fewer than d - 1 units be the parity of d bits? Decided for 3 and 4, searched for 5 and 6.

    dlcourse -m experiment=parity_by_one_layer
    dlcourse -m experiment=parity_starts
    python experiments/parity_by_one_layer/report.py

Run from the root of the repository.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dlcourse.circuits import best_blocks, num_block_gates, parity_by_tents, smallest_parity_of_sum
from dlcourse.networks import MLP
from experiments.shared import Colour, Row, fill, finish, measured, read_csv, save, table, write_csv

FOLDER = Path(__file__).parent
BITS = range(2, 13)
Records = Sequence[dict[str, str]]


def main() -> None:
    """Tables, the figure and the numbers of the page."""
    write_csv(FOLDER / "cases.csv", cases())
    write_csv(FOLDER / "starts.csv", starts())
    write_csv(FOLDER / "sizes.csv", sizes())
    save(figure(read_csv(FOLDER / "sizes.csv")), FOLDER / "sizes.png")
    fill(FOLDER / "README.md", numbers())


def cases() -> list[Row]:
    """What became of the choices of on-sets and signs."""
    return [
        {
            "bits": result.config["num_bits"],
            "units": result.config["num_units"],
            "threshold_functions": result.metrics["num_functions"],
            "up_to_symmetry": result.metrics["num_classes"],
            "cases": result.metrics["num_cases"],
            "refuted_by_faces": result.metrics["num_by_faces"],
            "refuted_by_equations": result.metrics["num_by_equations"],
            "refuted_by_certificates": result.metrics["num_by_certificates"],
            "possible": result.metrics["num_possible"],
        }
        for result in measured("parity_by_one_layer", "num_bits", "num_units")
    ]


def starts() -> list[Row]:
    """What training found."""
    return [
        {
            "bits": result.config["num_bits"],
            "units": result.config["num_units"],
            "starts": result.config["num_starts"],
            "least_error": f"{result.metrics['least_error']:.2g}",
            "median_error": f"{result.metrics['median_error']:.2g}",
            "solved": result.metrics["num_solved"],
            "kinds": result.metrics["num_kinds"],
            "exact_kinds": result.metrics["num_exact_kinds"],
        }
        for result in measured("parity_starts", "num_bits", "num_units")
    ]


def sizes() -> list[Row]:
    """Circuits beside networks."""
    return [
        {
            "bits": d,
            "gates_depth_2": num_block_gates(best_blocks(d, 2)),
            "gates_any_depth": num_block_gates(best_blocks(d, 10)),
            "units_one_layer": _units(smallest_parity_of_sum(d)),
            "units_tents": _units(parity_by_tents(d)),
        }
        for d in BITS
    ]


def _units(network: MLP) -> int:
    return sum(len(bias) for name, bias in network.hidden.named_parameters() if name.endswith("bias"))


def numbers() -> dict[str, str]:
    """What stands between the markers of the page."""
    decided, trained = read_csv(FOLDER / "cases.csv"), read_csv(FOLDER / "starts.csv")
    case = {(int(row["bits"]), int(row["units"])): row for row in decided}
    found = {(int(row["bits"]), int(row["units"])): row for row in trained}
    fewer = [row for (d, m), row in found.items() if m < d - 1]
    return {
        "cases": table([_case_line(row) for row in decided]),
        "starts": table([_start_line(row) for row in trained]),
        "sizes": table([_size_line(row) for row in read_csv(FOLDER / "sizes.csv")]),
        "cases_3": f"{int(case[3, 2]['cases']):,}",
        "cases_4": f"{int(case[4, 2]['cases']):,}",
        "certificates_3": case[3, 2]["refuted_by_certificates"],
        "certificates_4": case[4, 2]["refuted_by_certificates"],
        "possible_3_and_4": str(int(case[3, 2]["possible"]) + int(case[4, 2]["possible"])),
        "fewer_starts": f"{sum(int(row['starts']) for row in fewer):,}",
        "fewer_kinds": f"{sum(int(row['kinds']) for row in fewer):,}",
        "fewer_exact": f"{sum(int(row['exact_kinds']) for row in fewer)}",
        "fewer_least": min((row["least_error"] for row in fewer), key=float),
        **{f"control_{d}": f"{found[d, d - 1]['solved']} of {found[d, d - 1]['starts']}" for d in (4, 5, 6)},
        **{f"control_exact_{d}": found[d, d - 1]["exact_kinds"] for d in (4, 5, 6)},
    }


def _case_line(row: dict[str, str]) -> Row:
    numbers = [f"{int(row[key]):,}" for key in list(row)[2:]]
    names = ("on-sets", "up to symmetry", "cases", "by faces", "by equations", "by certificates", "possible")
    return {"bits": row["bits"], "units": row["units"], **dict(zip(names, numbers, strict=True))}


def _start_line(row: dict[str, str]) -> Row:
    known = {"fewer": "fewer than d - 1", "enough": "d - 1", "more": "more"}
    units, needed = int(row["units"]), int(row["bits"]) - 1
    return {
        "bits": row["bits"],
        "units": row["units"],
        "which is": known["fewer" if units < needed else "enough" if units == needed else "more"],
        "least error": row["least_error"],
        "median error": row["median_error"],
        "solved": f"{row['solved']} of {row['starts']}",
        "exact kinds": f"{row['exact_kinds']} of {row['kinds']}",
    }


def _size_line(row: dict[str, str]) -> Row:
    names = ("bits", "gates, depth 2", "gates, any depth", "units, one layer", "units, tents")
    return dict(zip(names, (f"{int(value):,}" for value in row.values()), strict=True))


def figure(rows: Records) -> Figure:
    """Sizes against bits."""
    figure = Figure(figsize=(7, 4.4), layout="constrained")
    axes = figure.add_subplot()
    bits = [int(row["bits"]) for row in rows]
    for key, colour, style, label in (
        ("gates_depth_2", Colour.RED, "o-", "AND and OR gates, depth 2"),
        ("gates_any_depth", Colour.ORANGE, "s-", "AND and OR gates, any depth: best blocks"),
        ("units_one_layer", Colour.BLUE, "^-", "ReLU units, one hidden layer: d - 1"),
        ("units_tents", Colour.CYAN, "v-", "ReLU units, tents"),
    ):
        axes.plot(bits, [int(row[key]) for row in rows], style, ms=4, color=colour, label=label)
    axes.set(yscale="log", xlabel="bits d", ylabel="gates or units")
    finish(axes)
    axes.legend(frameon=False, fontsize=9)
    return figure


if __name__ == "__main__":
    main()
