"""Many measurements, from configuration to folder."""

from pathlib import Path
from typing import Any

import pytest

from dlcourse.job import Failure, FolderTakenError
from dlcourse.jobs.measure import measure_all
from dlcourse.jobs.workers import Workers
from dlcourse.measurements import ParityThreshold, RandomNetworks
from dlcourse.recording import read_result, read_results


@pytest.fixture
def threshold(tmp_path: Path) -> Any:
    return lambda **values: ParityThreshold(**{"outputs": str(tmp_path), **values})


def test_a_measurement_leaves_its_settings_and_its_row(threshold: Any) -> None:
    each = threshold(power_of_ten=9)
    (result,) = measure_all([each])
    assert read_result(each.folder) == result
    assert result.config == {"measurement": "parity_threshold", "power_of_ten": 9}
    assert result.metrics == each.measure()
    written = (each.folder / "config.yaml").read_text().splitlines()
    command = "# dlcourse name=parity_threshold experiment=parity_threshold power_of_ten=9"
    assert written[0] == f"{command} outputs={each.outputs}"
    assert written[1:] == ['measurement: "parity_threshold"', "power_of_ten: 9"]


def test_folders_are_functions_of_what_bears_on_the_result(threshold: Any) -> None:
    names = [threshold(**values).run_name for values in ({}, {"force": True}, {"name": "other"}, {"outputs": "."})]
    assert len(set(names)) == 1
    assert threshold(power_of_ten=4).run_name not in names
    assert RandomNetworks(widths=[4, 6]).run_name.startswith("random_networks-widths=4,6-")


def test_finished_ones_are_skipped_and_force_does_them_again(threshold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measure_all([threshold(power_of_ten=3), threshold(power_of_ten=4)])
    measured: list[int] = []

    def spy(each: ParityThreshold) -> dict[str, int]:
        measured.append(each.power_of_ten)
        return {"spied": 1}

    monkeypatch.setattr(ParityThreshold, "measure", spy)
    again = measure_all([threshold(power_of_ten=n) for n in (3, 4, 5, 5)])
    assert measured == [5]
    assert again[:2] == first
    assert again[2] == again[3]
    (forced,) = measure_all([threshold(power_of_ten=3, force=True)])
    assert measured == [5, 3]
    assert forced.metrics == {"spied": 1}


def test_a_failure_leaves_the_others_alone(threshold: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = ParityThreshold.measure

    def fail_at_four(each: ParityThreshold) -> Any:
        if each.power_of_ten == 4:
            raise ArithmeticError("not this one")
        return genuine(each)

    monkeypatch.setattr(ParityThreshold, "measure", fail_at_four)
    _, failed, _ = measure_all([threshold(power_of_ten=n) for n in (3, 4, 5)])
    assert failed == Failure(threshold(power_of_ten=4), "ArithmeticError: not this one")
    assert [result.config["power_of_ten"] for result in read_results(tmp_path / "parity_threshold")] == [3, 5]
    assert [path.name for path in threshold(power_of_ten=4).folder.iterdir()] == ["failure.json"]
    monkeypatch.undo()
    measure_all([threshold(power_of_ten=4)])
    assert not (threshold(power_of_ten=4).folder / "failure.json").exists()


def test_a_folder_of_another_configuration_is_not_taken(threshold: Any) -> None:
    measure_all([threshold()])
    path = threshold().folder / "metrics.json"
    path.write_text(path.read_text().replace('"power_of_ten": 3', '"power_of_ten": 4'))
    with pytest.raises(FolderTakenError, match="another configuration"):
        measure_all([threshold()])


@pytest.mark.slow
def test_worker_processes_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def draws(outputs: str) -> list[RandomNetworks]:
        return [RandomNetworks(widths=[4] * depth, num_draws=20, outputs=outputs) for depth in (1, 2, 3)]

    here, there = measure_all(draws("here")), measure_all(draws("there"), workers=Workers(num=2))
    assert [result.metrics for result in here] == [result.metrics for result in there]
    assert len(list(tmp_path.glob("there/random_networks/*/metrics.json"))) == 3
