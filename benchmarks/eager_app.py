"""The peer of benchmarks/sweeps.py: what one would write in an afternoon, a Hydra application around an eager loop.

    python benchmarks/eager_app.py -m depth=1,2,3 width=4,8 seed='range(10)' [hydra/launcher=joblib]

One network a job on the zig-zag of 16 pieces: `nn.Sequential`, autograd, `torch.optim.Adam`; it logs nothing.
"""

from itertools import pairwise

import hydra
import torch
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from torch import nn

NUM_FOLDS, BATCH_SIZE = 4, 64

ConfigStore.instance().store(name="eager", node={"depth": 3, "width": 32, "seed": 0, "num_steps": 5000, "threads": 1})


def target(x: torch.Tensor) -> torch.Tensor:
    """The nested tents on [0, 2]."""
    y = torch.relu(x) - torch.relu(2 * (x - 1))
    for _ in range(NUM_FOLDS - 1):
        y = torch.relu(2 * y) - torch.relu(4 * (y - 0.5))
    return y


@hydra.main(version_base="1.3", config_path=None, config_name="eager")
def main(config: DictConfig) -> float:
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    sizes = [1, *[config.width] * config.depth]
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    network = nn.Sequential(*layers, nn.Linear(config.width, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    for _ in range(config.num_steps):
        x = 2 * torch.rand(BATCH_SIZE, 1)
        loss = nn.functional.mse_loss(network(x), target(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


if __name__ == "__main__":
    main()
