"""Which data items each member sees at each step.

A member's batches are a pure function of its own seed and data and of the step, drawn on the CPU: they depend neither
on its companions in the stack nor on the device, and can be taken up in the middle of a run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.streams import stream

# Steps whose random numbers are drawn at once: opening a stream costs as much as drawing some hundred numbers.
BLOCK = 64

Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(repr=False)
class Batches:
    """`batches(step)` is every member's batch: inputs `[members, batch, in_features]` and their targets.

    One of three kinds:

    - the lecture's: `batch_size` items picked from the member's data with uniform probability, independently (so an
      item can come twice); with `batch_size` 1 it is the slide's step 2;
    - full batch: all items at every step, where `batch_size` is None;
    - fresh: items that never come again, made by `draw(num_items, generator)`, where that is given.

    Attributes:
        seeds: Each member's seed.
        inputs: Each member's data, `[members, items, in_features]`.
        targets: Each member's targets, `[members, items, out_features]`.
        batch_size: Items per step, or None.
        draw: Makes fresh items, or None.
        dtype: Of the batches.
        device: Where the batches are wanted.

    Raises:
        ValueError: If the numbers of seeds and of members' data differ, or fresh items are wanted without a batch size.
    """

    seeds: Sequence[int]
    inputs: Float[Tensor, "members items in_features"]
    targets: Float[Tensor, "members items out_features"]
    batch_size: int | None
    draw: Draw | None = None
    dtype: torch.dtype = torch.float32
    device: torch.device | str = "cpu"
    _block: int = field(default=-1, init=False, repr=False)
    _block_inputs: Tensor = field(init=False, repr=False)
    _block_targets: Tensor = field(init=False, repr=False)

    def __repr__(self) -> str:
        members, num_items, in_features = self.inputs.shape
        items = "fresh items" if self.draw is not None else f"{num_items} items"
        sizes = f"in_features={in_features}, out_features={self.targets.shape[2]}"
        return f"Batches({members} members, {items}, {sizes}, batch_size={self.batch_size})"

    def __post_init__(self) -> None:
        if not len(self.seeds) == len(self.inputs) == len(self.targets):
            raise ValueError(
                "there must be one seed and one data set a member, "
                f"got {len(self.seeds)} seeds, {len(self.inputs)} inputs, {len(self.targets)} targets"
            )
        if self.batch_size is None and self.draw is not None:
            raise ValueError("batch_size must be given where fresh items are drawn, got None")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1 or None (all items), got {self.batch_size}")
        self.inputs = self.inputs.to(self.dtype)
        self.targets = self.targets.to(self.dtype)
        if self.batch_size is None:
            self._block_inputs = self.inputs.to(self.device)
            self._block_targets = self.targets.to(self.device)

    @property
    def num_items(self) -> int:
        """Items per member and step."""
        return self.inputs.shape[1] if self.batch_size is None else self.batch_size

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of the update from `step` to `step` + 1, valid until the next call."""
        if self.batch_size is None:
            return self._block_inputs, self._block_targets
        block, row = divmod(step, BLOCK)
        if block != self._block:
            self._fill(block)
        return self._block_inputs[row], self._block_targets[row]

    # The caller may be in inference mode, but autograd may need these tensors, and can use none that are made in it.
    @torch.inference_mode(False)
    def _fill(self, block: int) -> None:
        """Draws the batches of steps BLOCK * block ... BLOCK * (block + 1) - 1."""
        assert self.batch_size is not None
        shape = (BLOCK, len(self.seeds), self.batch_size)
        inputs = torch.empty(*shape, self.inputs.shape[2], dtype=self.dtype)
        targets = torch.empty(*shape, self.targets.shape[2], dtype=self.dtype)
        for member, seed in enumerate(self.seeds):
            generator = stream(seed, "batch", block)
            if self.draw is not None:
                x, y = self.draw(BLOCK * self.batch_size, generator)
            else:
                items = torch.randint(self.inputs.shape[1], (BLOCK * self.batch_size,), generator=generator)
                x, y = self.inputs[member][items], self.targets[member][items]
            inputs[:, member] = x.view(BLOCK, self.batch_size, -1)
            targets[:, member] = y.view(BLOCK, self.batch_size, -1)
        self._block, self._block_inputs, self._block_targets = block, inputs.to(self.device), targets.to(self.device)
