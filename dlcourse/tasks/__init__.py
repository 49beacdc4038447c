"""Tasks: what networks are trained on, and where their pieces are counted."""

from dlcourse.tasks.alternating import Alternating as Alternating
from dlcourse.tasks.classification import MNIST as MNIST
from dlcourse.tasks.classification import Blobs as Blobs
from dlcourse.tasks.classification import BreastCancer as BreastCancer
from dlcourse.tasks.classification import Circles as Circles
from dlcourse.tasks.classification import Digits as Digits
from dlcourse.tasks.classification import Iris as Iris
from dlcourse.tasks.classification import Moons as Moons
from dlcourse.tasks.classification import Planar as Planar
from dlcourse.tasks.classification import Spirals as Spirals
from dlcourse.tasks.classification import Wine as Wine
from dlcourse.tasks.curve import Curve as Curve
from dlcourse.tasks.folded_tents import FoldedTents as FoldedTents
from dlcourse.tasks.parity import Encoding as Encoding
from dlcourse.tasks.parity import Parity as Parity
from dlcourse.tasks.parity import PosedAs as PosedAs
from dlcourse.tasks.smooth import Function as Function
from dlcourse.tasks.smooth import Smooth as Smooth
from dlcourse.tasks.task import Data as Data
from dlcourse.tasks.task import Task as Task
from dlcourse.tasks.task import one_hot_data as one_hot_data
from dlcourse.tasks.zigzag import ZigZag as ZigZag
