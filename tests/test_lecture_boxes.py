import re
from itertools import pairwise

import pytest
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Annotation
from torch import nn

from dlcourse.lecture import draw_any_layer, draw_derivatives, draw_gradient, draw_layers
from dlcourse.networks import MLP, SoftmaxClassifier

THREE = MLP(2, 1, width=4, depth=3)


def said(axes: Axes) -> list[str]:
    """What stands in the picture from the bottom up, in plain text: d(h1)/d(theta1)."""
    texts = [text for text in axes.texts if text.get_text() and not isinstance(text, Annotation)]
    return [plain(text.get_text()) for text in sorted(texts, key=lambda text: text.get_position()[::-1])]


def plain(formula: str) -> str:
    """A formula without what only concerns its looks."""
    formula = re.sub(r"\\(mathbf|boldsymbol|tilde)\{(.*?)\}", r"\2", formula.strip("$"))
    formula = re.sub(r"\\(mathbf|boldsymbol|tilde)\{(.*?)\}", r"\2", formula).replace(r"\vartheta", "theta")
    formula = re.sub(r"\^\{\[(.*?)\]\}", r"\1", formula).replace(r"\partial ", "d")
    formula = re.sub(r"\\dfrac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", formula)
    return re.sub(r"\\q?quad|\\[,! ]|\s", "", formula)


def boxes(axes: Axes) -> list[FancyBboxPatch]:
    return [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]


def test_layers_by_hand() -> None:
    axes = draw_layers(THREE)
    assert said(axes) == [
        "x",
        "h1(x,theta1)", "h1:=g(W1x+b1)",
        "h2(h1,theta2)", "h2:=g(W2h1+b2)",
        "h3(h2,theta3)", "h3:=g(W3h2+b3)",
        "y(h3,thetay)", r"y:=w\cdoth3+b",
        "L(y,y)=(y-y)^2",
    ]  # fmt: skip
    assert len(boxes(axes)) == 5


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_a_box_for_each_layer_and_one_for_the_loss(depth: int) -> None:
    network = MLP(2, 3, width=4, depth=depth)
    for axes in (draw_layers(network), draw_derivatives(network), draw_gradient(network, depth + 1)):
        found = boxes(axes)
        assert len(found) == depth + 2
        heights = sorted(box.get_bbox().y0 for box in found)
        gaps = [above - below for below, above in pairwise(heights)]
        assert min(gaps) > found[0].get_bbox().height  # they do not overlap


def test_each_layer_has_its_two_derivatives() -> None:
    beside = said(draw_derivatives(THREE))[2::2]
    # The first layer's derivative by x is nobody's need.
    assert beside == [
        "dh1/dtheta1", "dh2/dtheta2,dh2/dh1", "dh3/dtheta3,dh3/dh2", "dy/dthetay,dy/dh3", "dL/dy=2(y-y)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        # The slides' three, with theta[y~] where one of them writes theta[3].
        (4, ["dy/dthetay", "dL/dthetay=2(y-y)dy/dthetay"]),
        (3, ["dh3/dtheta3", "dy/dtheta3=dy/dh3dh3/dtheta3", "dL/dtheta3=2(y-y)dy/dtheta3"]),
        (2, ["dh2/dtheta2", "dh3/dtheta2=dh3/dh2dh2/dtheta2", "dy/dtheta2=dy/dh3dh3/dtheta2",
             "dL/dtheta2=2(y-y)dy/dtheta2"]),
    ],
)  # fmt: skip
def test_gradients_by_hand(layer: int, expected: list[str]) -> None:
    formulas = [text for text in said(draw_gradient(THREE, layer)) if "/" in text]
    assert formulas == expected


def test_any_layer_by_hand() -> None:
    formulas = [text for text in said(draw_any_layer()) if "/" in text or "(" in text]
    assert formulas == ["dhi/dthetaj=dhi/dhi-1dhi-1/dthetaj(j<i)", "hi(hi-1,thetai)", "dhi/dthetaj=dhi/dthetai(j=i)"]


def test_a_classifier_ends_in_its_softmax() -> None:
    classifier = SoftmaxClassifier(2, 3, width=4, depth=1)
    softmax = r"p:=\exp(W_Sh1+b_S)/\sum\exp(W_Sh1+b_S)"
    assert said(draw_layers(classifier))[3:] == ["p(h1,thetaS)", softmax, r"L(p,y)=-y\cdot\logp"]
    assert said(draw_derivatives(classifier))[4::2] == [r"d\logp/dthetaS,d\logp/dh1", r"dL/d\logp=-y^{\mathsf{T}}"]


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="layer must be between 1 and 4, got 5"):
        draw_gradient(THREE, 5)
    with pytest.raises(TypeError, match="got Sequential"):
        draw_layers(nn.Sequential(nn.Linear(2, 1)))


def test_a_layer_that_adds_its_input_says_so() -> None:
    formulas = said(draw_layers(MLP(2, 1, width=[2, 3], skip=True)))
    assert formulas[2] == "h1:=x+g(W1x+b1)" and formulas[4] == "h2:=g(W2h1+b2)"
