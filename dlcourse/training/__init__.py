"""A stack of members in, trained members out."""

from dlcourse.training.batches import Batches as Batches
from dlcourse.training.batches import Drawn as Drawn
from dlcourse.training.loop import Snapshot as Snapshot
from dlcourse.training.loop import train as train
from dlcourse.training.optimizers import SGD as SGD
from dlcourse.training.optimizers import Adam as Adam
from dlcourse.training.optimizers import Optimizer as Optimizer
from dlcourse.training.optimizers import Schedule as Schedule
