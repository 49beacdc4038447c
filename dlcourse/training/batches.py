"""Which data items each member sees at each step.

A member's batches are a pure function of its own seed and data and of the step, drawn on the CPU: they depend neither
on its companions in the stack nor on the device, and can be taken up in the middle of a run.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from dlcourse.streams import stream

# Steps whose random numbers are drawn at once: opening a stream costs as much as drawing some hundred numbers.
BLOCK = 64

Draw = Callable[[int, torch.Generator], tuple[Tensor, Tensor]]

MOST_BYTES = 2**25  # 10 seeds and 5,000 steps of 64 items with one input take 26 MB


class Drawn:
    """What stacks of one task have drawn, kept for those that come after them: up to `MOST_BYTES`.

    Most stacks of a sweep have the same seeds, and each would draw the same once more.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Tensor, ...]] = {}
        self._room = MOST_BYTES

    def once(self, key: Hashable, draw: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """What was drawn under this key, or else is drawn now; nobody may change it."""
        if key in self._kept:
            return self._kept[key]
        drawn = draw()
        size = sum(values.nbytes for values in drawn)
        if size <= self._room:
            self._kept[key] = drawn
            self._room -= size
        return drawn


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
        drawn: What other stacks have drawn by the same `draw`; None to keep nothing for others.

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
    drawn: Drawn | None = field(default=None, repr=False)
    _block: int = field(default=-1, init=False, repr=False)
    _batches: list[tuple[Tensor, Tensor]] = field(init=False, repr=False)  # of the block's steps
    _drawing: list[int] = field(init=False, repr=False)  # members for which items are drawn
    _places: Tensor = field(init=False, repr=False)  # for each member, where among them the one is that sees the same

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
            self._batches = [(self.inputs.to(self.device), self.targets.to(self.device))]
            return
        # For members that see the same items, as those of one seed at several rates, they are drawn once.
        self._drawing = []
        self._places = torch.tensor([self._place(member) for member in range(len(self.seeds))])

    @property
    def num_items(self) -> int:
        """Items per member and step."""
        return self.inputs.shape[1] if self.batch_size is None else self.batch_size

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of the update from `step` to `step` + 1, valid until the next call."""
        if self.batch_size is None:
            return self._batches[0]
        block, row = divmod(step, BLOCK)
        if block != self._block:
            self._fill(block)
        return self._batches[row]

    def _place(self, member: int) -> int:
        """Where among `_drawing` the one is that sees what this member sees; the member itself, if there is none."""
        for place, other in enumerate(self._drawing):
            if self.seeds[other] == self.seeds[member] and self._same_data(other, member):
                return place
        self._drawing.append(member)
        return len(self._drawing) - 1

    def _same_data(self, one: int, other: int) -> bool:
        """Whether the items that two members could see are the same, or come fresh."""
        return self.draw is not None or all(data[one].equal(data[other]) for data in (self.inputs, self.targets))

    # The caller may be in inference mode, but autograd may need these tensors, and can use none that are made in it.
    @torch.inference_mode(False)
    def _fill(self, block: int) -> None:
        """Draws the batches of steps BLOCK * block ... BLOCK * (block + 1) - 1."""
        drawn = zip(*(self._drawn(member, block) for member in self._drawing), strict=True)
        inputs, targets = (torch.stack(values, dim=1) for values in drawn)
        if len(self._drawing) == 1:
            inputs, targets = (values.expand(-1, len(self.seeds), -1, -1) for values in (inputs, targets))
        elif len(self._drawing) < len(self.seeds):
            inputs, targets = (values.index_select(1, self._places) for values in (inputs, targets))
        # All views at once, which is faster than making two at each step.
        self._batches = list(zip(inputs.to(self.device).unbind(), targets.to(self.device).unbind(), strict=True))
        self._block = block

    def _drawn(self, member: int, block: int) -> tuple[Tensor, Tensor]:
        """One member's inputs and targets, `[BLOCK, batch, features]`."""
        assert self.batch_size is not None
        num, seed = BLOCK * self.batch_size, self.seeds[member]

        def draw() -> tuple[Tensor, ...]:
            return self._draw(num, stream(seed, "batch", block))

        key = (seed, block, num, self.inputs.shape[1] if self.draw is None else self.dtype)
        drawn = draw() if self.drawn is None else self.drawn.once(key, draw)
        if self.draw is None:
            # Where an item has many numbers, `[items]` takes ten times as long; where it has one, a vector is faster.
            data = (self.inputs[member], self.targets[member])
            drawn = tuple(values.squeeze(1).index_select(0, *drawn) for values in data)
        inputs, targets = drawn
        shape = (BLOCK, self.batch_size, -1)
        return inputs.view(shape), targets.view(shape)

    def _draw(self, num: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Inputs and targets that are fresh, or else the places of items in the data."""
        if self.draw is None:
            return (torch.randint(self.inputs.shape[1], (num,), generator=generator),)
        inputs, targets = self.draw(num, generator)
        return inputs.to(self.dtype), targets.to(self.dtype)
