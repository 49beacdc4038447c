from pathlib import Path

import pytest
import torch
from sweeps import ramps, result, weights_of, write_networks, write_sweep

from dlcourse.recording.checkpoints import Checkpoint, write_checkpoint
from dlcourse.recording.weights import Weights
from dlcourse.tensorboard_tab.states import States, states

CONFIG = {"model.activation": "relu"}
NETWORKS = {0: ramps(1.0), 50: ramps(2.0), 100: ramps(4.0)}


def run(folder: Path) -> Path:
    """The folder of a finished run, without its networks."""
    write_sweep(folder, [result(1, 1, 0, 0.5)])
    return folder / result(1, 1, 0, 0.5).run


def slopes(found: States) -> list[float]:
    """What each network says at 1."""
    return [network(torch.ones(1, 1)).item() for network in found.networks]


def checkpoint(weights: Weights) -> Checkpoint:
    values = {name: value.clone() for name, value in ramps(8.0).state_dict().items()}
    return Checkpoint(60, values, [], {}, weights, None, 1.0)


def test_a_finished_run_has_those_that_it_has_kept(tmp_path: Path) -> None:
    folder = run(tmp_path)
    write_networks(folder, NETWORKS)
    found = states(folder, CONFIG, 100)
    assert (found.steps, slopes(found), found.note) == ([0, 50, 100], [1.0, 2.0, 4.0], "")
    assert not any(network.training for network in found.networks)


def test_without_weights_there_is_the_last_state_and_one_line(tmp_path: Path) -> None:
    folder = run(tmp_path)
    write_networks(folder, NETWORKS, keeps_weights=False)
    found = states(folder, CONFIG, 100)
    assert (found.steps, slopes(found)) == ([100], [4.0])
    assert found.note.startswith("This run has kept no weights (keep_weights=false)")


def test_damaged_weights_leave_the_last_state(tmp_path: Path) -> None:
    folder = run(tmp_path)
    write_networks(folder, NETWORKS)
    (folder / "weights.pt").write_bytes(b"nonsense")
    found = states(folder, CONFIG, 100)
    assert (found.steps, slopes(found)) == ([100], [4.0])
    assert "damaged" in found.note and "\n" not in found.note


def test_links_are_not_followed(tmp_path: Path) -> None:
    write_networks(tmp_path, NETWORKS)
    folder = run(tmp_path / "log")
    (folder / "model.pt").symlink_to(tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"no model\.pt"):
        states(folder, CONFIG, 100)
    (folder / "model.pt").unlink()
    write_networks(folder, NETWORKS, keeps_weights=False)
    (folder / "weights.pt").symlink_to(tmp_path / "weights.pt")
    assert states(folder, CONFIG, 100).steps == [100]


def test_a_damaged_network_is_one_line(tmp_path: Path) -> None:
    folder = run(tmp_path)
    (folder / "model.pt").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="cannot be read"):
        states(folder, CONFIG, 100)


def test_a_run_on_its_way_has_those_of_its_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint yet"):
        states(tmp_path, CONFIG, 50)
    write_checkpoint(tmp_path, checkpoint(weights_of({0: ramps(1.0), 50: ramps(2.0)})), run="whichever")
    found = states(tmp_path, CONFIG, 50)
    assert (found.steps, slopes(found)) == ([0, 50], [1.0, 2.0])
    assert found.note.startswith("Not finished")
    write_checkpoint(tmp_path, checkpoint(Weights()), run="whichever")
    found = states(tmp_path, CONFIG, 50)
    assert (found.steps, slopes(found)) == ([60], [8.0])
    assert "keeps no weights" in found.note
    (tmp_path / "checkpoint.pt").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="The checkpoint cannot be read: it is no checkpoint"):
        states(tmp_path, CONFIG, 50)
    with pytest.raises(ValueError, match="another package"):
        states(tmp_path, {"model.name": "lab"}, 50)
