import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from reports import Report
from sweeps import FACTS, ramps, result, sweep, write_networks, write_run, write_sweep

from dlcourse.recording import Result, TaskFacts, write_result
from dlcourse.recording.failures import Failed, write_failure
from dlcourse.report import tables
from dlcourse.report.document import document, runs_in


def report(folder: Path) -> Report:
    content = document(runs_in(folder))
    assert str(folder) not in content, "the path of the folder is nobody else's business"
    assert len(content.encode()) < 6_000_000
    return Report(content)


def test_a_sweep_is_answered(tmp_path: Path) -> None:
    write_sweep(tmp_path / "depth_vs_width", sweep())
    found = report(tmp_path / "depth_vs_width")
    assert found.texts["title"] == found.texts["h1"] == ["depth vs width"]
    (answer,) = found.texts["p.answer"]
    assert answer.startswith(
        "3 layers of 8 units (169 parameters) solve it in 3 of 4 seeds at rate 0.01; no single layer"
    )
    of_networks, of_the_best = ["metric", "size", "solved", "pieces", "map"], ["losses", "pieces_in_training"]
    assert list(found.figures) == [*of_networks, *of_the_best]
    names = {trace.get("name") for trace in found.figures["metric"]["data"]}
    assert names == {"width 4", "width 8"}
    # Each network is judged at the rate that both halves of its seeds choose: see ERRORS.
    networks, best, came_to, varied, _, _ = found.tables
    assert networks[0][:3] == ["depth", "width", "parameters"]
    assert [row[:3] + row[-1:] for row in networks[1:]] == [
        ["1", "4", "13", "0.01"],
        ["3", "4", "53", "0.01"],
        ["1", "8", "25", "0.1"],
        ["3", "8", "169", "0.01"],
    ]
    assert networks[4][4].startswith("3 of 4")
    # The least errors of ERRORS: 0.0005, 0.001 with 25 parameters before 0.001 with 169, 0.002 with 53, with 169.
    column = best[0].index("mean squared error")
    assert [row[column] for row in best[1:6]] == ["0.0005", "0.001", "0.001", "0.002", "0.002"]
    assert [row[best[0].index("parameters")] for row in best[1:6]] == ["169", "25", "169", "53", "169"]
    assert len(best) == 1 + 10
    assert ["mean squared error", "0.0005"] in came_to
    assert varied == [
        ["model.depth", "1, 3"], ["model.width", "4, 8"], ["optimizer.rate", "0.01, 0.1"], ["seed", "0, 1, 2, 3"],
    ]  # fmt: skip
    best_command, all_of_it = found.texts["pre"]
    assert " model.depth=3 model.width=8 " in best_command and best_command.endswith(" seed=2")
    assert " model.depth=1,3 model.width=4,8 " in all_of_it and all_of_it.endswith(" seed=0,1,2,3")


def test_the_file_asks_for_nothing(tmp_path: Path) -> None:
    write_sweep(tmp_path, sweep()[:8])
    found = report(tmp_path)
    asking = [
        (tag, name, value) for tag, name, value in found.attributes if name in ("href", "src", "srcset", "action")
    ]
    assert asking == []
    policies = [value for tag, name, value in found.attributes if (tag, name) == ("meta", "content")]
    assert any(str(policy).startswith("default-src 'none'; ") for policy in policies)
    assert "url(" not in found.texts["style"][0] and "@import" not in found.texts["style"][0]
    assert document(runs_in(tmp_path)) == document(runs_in(tmp_path)), "the same bytes each time"


def test_failed_diverged_and_unfinished_runs_are_named(tmp_path: Path) -> None:
    lost = [result(2, 4, seed, math.nan, diverged_at=10 + seed) for seed in range(45)]
    write_sweep(tmp_path, [*sweep(), *lost])
    write_run(tmp_path / "zigzag-depth=9-seed=0-0123456789", {"seed": 0})
    reason = "OSError: [Errno 28] No space left on device: '/home/somebody/lab/outputs/a/model.pt'"
    write_failure(tmp_path / "worse", Failed("worse", reason, "dlcourse name=a seed=7"))
    found = report(tmp_path)
    assert "32 runs" not in found.texts["p.facts"][0]
    assert found.texts["p.facts"][0].startswith("77 runs finished, 1 not finished, 1 failed · ")
    assert {"Failed: 1", "Diverged: 45 of 77"} <= set(found.texts["h2"])
    assert "worse: OSError: [Errno 28] No space left on device: '.../model.pt'" in found.texts["p"]
    assert "dlcourse name=a seed=7" in found.texts["pre"]
    assert sum(": by step " in line for line in found.texts["li"]) == 40
    assert "and 5 more" in found.texts["p.facts"]
    assert "on_their_way" in found.figures


def test_nothing_but_failures_or_runs_on_their_way(tmp_path: Path) -> None:
    write_failure(tmp_path / "failed" / "one", Failed("one", "ArithmeticError: no", "dlcourse seed=7"))
    found = report(tmp_path / "failed")
    assert found.texts["p.answer"] == ["No run is finished: 1 has failed."]
    assert found.figures == {}
    write_run(tmp_path / "begun" / "zigzag-seed=0-0123456789", {"seed": 0})
    found = report(tmp_path / "begun")
    assert found.texts["p.answer"] == ["No run is finished yet."]
    assert list(found.figures) == ["on_their_way"]


def test_names_are_escaped(tmp_path: Path) -> None:
    words = "<b>\"bold\"</b> & 'more'</script><!--"
    runs = [
        result(depth, 4, 0, 0.5, model__activation=activation) for depth in (1, 2) for activation in (words, "relu")
    ]
    write_sweep(tmp_path / "a<i>&b", runs[:1])
    write_sweep(tmp_path / "a<i>&b", [replace(run, run=f"{index}-0123456789") for index, run in enumerate(runs)])
    write_failure(tmp_path / "a<i>&b" / "c<u>", Failed("c<u>", f"ValueError: {words}", "dlcourse 'x=<s>'"))
    found = report(tmp_path / "a<i>&b")
    assert found.texts["h1"] == ["a<i>&b"]
    assert not {"b", "i", "u", "s"} & {tag.partition(".")[0] for tag in found.texts}
    assert f"c<u>: ValueError: {words}" in found.texts["p"]
    assert any(words in entry for table in found.tables for row in table for entry in row)


@pytest.mark.parametrize("is_of_the_run", [False, True])
def test_a_single_run_is_shown_whole(tmp_path: Path, is_of_the_run: bool) -> None:
    run = replace(result(3, 8, 0, 0.001), provenance={"torch": "2.9", "processor": "a <fast> one", "started": "2026"})
    write_sweep(tmp_path, [run])
    found = report(tmp_path / run.run if is_of_the_run else tmp_path)
    assert found.texts["p.answer"] == ["3 layers of 8 units (169 parameters) solve it with the only seed."]
    assert list(found.figures) == ["losses", "pieces_in_training"]
    assert found.figures["losses"]["data"][0]["y"] == [1.5, 0.75, 0.3]
    assert len(found.texts["pre"]) == 1
    assert ["torch", "2.9"] in found.tables[-1] and ["processor", "a <fast> one"] in found.tables[-1]
    assert ["number of parameters", "169"] in found.tables[0]


@pytest.mark.slow
def test_what_the_best_run_has_learnt_is_the_last_picture_of_its_film(tmp_path: Path) -> None:
    runs = [result(1, 2, seed, error, task__num_folds=1) for seed, error in enumerate([0.5, 0.001])]
    write_sweep(tmp_path, runs)
    write_networks(tmp_path / runs[0].run, {100: ramps(0.0, 0.0)})
    write_networks(tmp_path / runs[1].run, {0: ramps(0.0, 0.0), 100: ramps(1.0, -2.0)})
    found = report(tmp_path)
    assert list(found.figures)[-2:] == ["fit", "network"]
    # The tent of slopes 1 and -1, and its corner at 1.
    change = found.figures["fit"]["change"]
    assert (change["data"], change["traces"]) == ({"x": [[0, 1, 2], [1]], "y": [[0, 1, 0], [1]]}, [2, 3])
    assert any(line.startswith("step 100 · 2 linear pieces · ") for line in found.texts["p.facts"])
    assert found.figures["losses"]["change"] is None


def test_accuracy_more_inputs_and_no_pieces(tmp_path: Path) -> None:
    facts = TaskFacts("accuracy", ("accuracy",), 8, 2, None, 0.99, None)
    runs = [
        result(depth, 4, seed, 0.9 + 0.05 * depth, facts=facts, model__activation="sigmoid")
        for depth in (1, 2)
        for seed in (0, 1)
    ]
    runs = [replace(run, metrics={key: run.metrics[key] for key in ("accuracy", "num_parameters")}) for run in runs]
    write_sweep(tmp_path, runs)
    found = report(tmp_path)
    assert found.texts["p.answer"][0].startswith("2 layers of 4 units (33 parameters) solve it in 2 of 2 seeds; ")
    assert "pieces" not in found.tables[0][0] and "pieces" not in found.tables[1][0]
    assert [row[found.tables[1][0].index("accuracy")] for row in found.tables[1][1:]] == ["1", "1", "0.95", "0.95"]
    assert not any(name == "pieces" for name in found.figures)


def test_several_tasks(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(1, 4, 0, 0.5), result(2, 4, 0, 0.25), result(2, 4, 1, 0.001, task__name="tents")])
    found = report(tmp_path)
    assert {"task zigzag", "task tents"} <= set(found.texts["h2"])
    assert len(found.texts["p.answer"]) == 2


def test_measurements_are_a_table(tmp_path: Path) -> None:
    for bits in (4, 10):
        measured = Result(
            f"gates-{bits}-0123456789", {"num_bits": bits}, {"num_gates": 2 * bits, "blocks": "(1 <3)"}, None, 0.1
        )
        (tmp_path / measured.run).mkdir()
        write_result(tmp_path / measured.run, measured)
    found = report(tmp_path)
    assert found.texts["p.answer"] == ["2 measurements: no networks were trained here."]
    assert found.tables[0] == [
        ["num_bits", "gates", "blocks", "seconds", "name ends with"],
        ["4", "8", "(1 <3)", "0.1", "0123456789"],
        ["10", "20", "(1 <3)", "0.1", "0123456789"],
    ]
    assert found.figures == {}
    assert len(document(runs_in(tmp_path))) < 20_000, "plotly's script is not needed"


def test_runs_that_make_no_comparison(tmp_path: Path) -> None:
    write_sweep(tmp_path, [result(2, 4, seed, 0.5, model__width=None, model__widths=[4, 8]) for seed in range(2)])
    found = report(tmp_path)
    assert found.texts["p.answer"][0].startswith("These runs make no comparison")
    assert "Best runs" in found.texts["h2"] and "Networks" not in found.texts["h2"]


def test_folders_without_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        runs_in(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        runs_in(tmp_path / "file")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "metrics.json").write_text("{}")
    with pytest.raises(ValueError, match=r"no runs of dlcourse here$"):
        runs_in(tmp_path / "foreign")
    write_sweep(tmp_path / "outputs" / "swept", sweep()[:1])
    with pytest.raises(ValueError, match=r"no runs of dlcourse here; there are some in its swept$"):
        runs_in(tmp_path / "outputs")


def test_a_report_is_of_one_moment(tmp_path: Path) -> None:
    write_sweep(tmp_path, sweep())
    runs = runs_in(tmp_path)
    before = document(runs)
    for path in list(tmp_path.glob("*seed=3*/metrics.json")):
        os.remove(path)
    assert Report(document(runs)).texts["p.facts"][0] == Report(before).texts["p.facts"][0]


def test_only_the_last_part_of_a_path_is_told() -> None:
    for reason, expected in (
        ("cannot write '/home/me/a/model.pt': full", "cannot write '.../model.pt': full"),
        ("a rate of 1/2 in outputs/a/b", "a rate of 1/2 in outputs/a/b"),
        ("see https://pytorch.org/docs/stable", "see https://pytorch.org/docs/stable"),
        ("/tmp/x", ".../x"),
    ):
        assert tables.without_folders(reason) == expected


def test_what_runs_were_made_with() -> None:
    made = [{"torch": "2.9", "started": "2026-01-02", "ended": "2026-01-03"}] * 2 + [
        {"torch": "2.8", "started": "2026-01-01"}
    ]
    runs = [replace(result(1, 4, seed, 0.5), provenance=each) for seed, each in enumerate(made)]
    assert tables.made_with(runs) == [
        ["torch", "2.9 (2 runs), 2.8 (1 run)"],
        ["first started", "2026-01-01"],
        ["last ended", "2026-01-03"],
        ["seconds, all runs together", "4.5"],  # 1.5 each
    ]


def test_many_values_are_not_all_written() -> None:
    runs = [result(1, 4, seed, 0.5) for seed in range(40)]
    swept, same = tables.settings(runs)
    assert swept == [["seed", "0, 1, ..., 39 (40 values)"]]
    assert ["model.widths", "null"] in same and ["model.activation", "relu"] in same


def test_more_is_better_where_the_task_says_so() -> None:
    facts = replace(FACTS, metric="accuracy", higher_is_better=("accuracy",))
    runs = [result(1, width, 0, value, facts=facts) for width, value in ((8, 0.9), (4, 0.9), (2, 0.95), (1, math.nan))]
    ordered = tables.best_first([*runs, result(1, 3, 0, 1.0, facts=facts, diverged_at=5)], "accuracy")
    assert [run.config["model.width"] for run in ordered] == [2, 4, 8]
