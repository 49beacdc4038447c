import re
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser
from networks import hand_worked, with_values
from torch import Tensor, nn
from torch.func import jacrev
from torch.nn import functional as F

from dlcourse.layerwise import Explanation, explain
from dlcourse.losses import Hinge, Loss, SoftmaxCrossEntropy, SquaredError
from dlcourse.networks import MLP, Activation, SoftmaxClassifier

# In torch's words.
FUNCTIONS = {"relu": torch.relu, "leaky_relu": nn.LeakyReLU(0.01), "sigmoid": torch.sigmoid, "tanh": torch.tanh}

TOLERANCE = 1e-12  # of a tensor's norm, in float64
DOCUMENT = Path(__file__).parents[1] / "docs" / "layerwise.md"


def test_hand_worked() -> None:
    explanation = explain(*hand_worked())
    # dh[1]/dx = diag(1, 1, 0) W[1];  dy~/dtheta[1] = (3, -2, 5) dh[1]/dtheta[1];  2 (y~ - y) = 1/2 times all
    assert (
        str(explanation)
        == """\
Data item (and, below, theta[i] is W[i] row by row, then b[i])
  x = (1, 2)
  y = (0.5)

Layer 1
  W[1] =
      [    1  -0.5  ]
      [  0.5  0.25  ]
      [   -1     0  ]
  b[1] = (0.5, -0.5, 0.25)
  h[1] = relu(W[1] x + b[1]) = (0.5, 0.5, 0)
  g'[1] = relu'(W[1] x + b[1]) = (1, 1, 0)
  dh[1]/dx = diag(g'[1]) W[1] =
      [    1  -0.5  ]
      [  0.5  0.25  ]
      [    0     0  ]
  dh[1]/dtheta[1] = diag(g'[1]) (I (x) x^T, I) =
      [  1  2 |  0  0 |  0  0 |  1  0  0  ]
      [  0  0 |  1  2 |  0  0 |  0  1  0  ]
      [  0  0 |  0  0 |  0  0 |  0  0  0  ]

Output layer
  W[y~] = [  3  -2  5  ]
  b[y~] = (0.25)
  y~ = W[y~] h[1] + b[y~] = (0.75)
  dy~/dh[1] = W[y~] = [  3  -2  5  ]
  dy~/dtheta[y~] = (I (x) h[1]^T, I) = [  0.5  0.5  0 |  1  ]
  dy~/dtheta[1] = dy~/dh[1] dh[1]/dtheta[1] = [  3  6 |  -2  -4 |  0  0 |  3  -2  0  ]

Loss
  L = |y~ - y|^2 = 0.0625
  dL/dy~ = 2 (y~ - y)^T = [  0.5  ]
  dL/dtheta[1] = 2 (y~ - y)^T dy~/dtheta[1] = [  1.5  3 |  -1  -2 |  0  0 |  1.5  -1  0  ]
  dL/dtheta[y~] = 2 (y~ - y)^T dy~/dtheta[y~] = [  0.25  0.25  0 |  0.5  ]"""
    )
    assert explanation.loss == 0.0625
    assert {name: gradient.tolist() for name, gradient in explanation.gradients.items()} == {
        "hidden.layers.0.weight": [[3 / 2, 3], [-1, -2], [0, 0]],
        "hidden.layers.0.bias": [3 / 2, -1, 0],
        "output.weight": [[1 / 4, 1 / 4, 0]],
        "output.bias": [1 / 2],
    }


def test_skip_connections_show_the_identity() -> None:
    network = with_values(MLP(2, 1, width=2, depth=1, skip=True), [[1, 1], [0, -1]], [0, 0], [1, 2], [3])
    explanation = explain(network, torch.tensor([1.0, 2.0]).double(), torch.tensor([8.0]).double())
    # (1, 2) + max(0, (3, -2)) = (4, 2);  I + diag(1, 0) W = (2, 1; 0, 1);  y~ = 4 + 4 + 3
    layer = """\
  h[1] = x + relu(W[1] x + b[1]) = (4, 2)
  g'[1] = relu'(W[1] x + b[1]) = (1, 0)
  dh[1]/dx = I + diag(g'[1]) W[1] =
      [  2  1  ]
      [  0  1  ]
  dh[1]/dtheta[1] = diag(g'[1]) (I (x) x^T, I) =
      [  1  2 |  0  0 |  1  0  ]
      [  0  0 |  0  0 |  0  0  ]

Output layer"""
    assert layer in str(explanation)
    assert explanation.gradients["hidden.layers.0.weight"].tolist() == [[6, 12], [0, 0]]  # 2 (11 - 8) times (1, 2)
    assert (
        r"\mathbf{h}^{[1]} &= \mathbf{x} + \mathrm{relu}(\mathbf{W}^{[1]} \mathbf{x} + \mathbf{b}^{[1]}) = "
        r"\left[\begin{array}{r}4 \\ 2\end{array}\right]"
    ) in explanation.latex()
    assert (
        r"\frac{\partial \mathbf{h}^{[1]}}{\partial \mathbf{x}} &= "
        r"\mathbf{I} + \mathrm{diag}(g'^{[1]}) \mathbf{W}^{[1]} = "
        r"\left[\begin{array}{rr}2 & 1 \\ 0 & 1\end{array}\right]"
    ) in explanation.latex()


def test_latex_of_a_product() -> None:
    product = (
        r"\frac{\partial \tilde{\mathbf{y}}}{\partial \boldsymbol{\vartheta}^{[1]}} &= "
        r"\frac{\partial \tilde{\mathbf{y}}}{\partial \mathbf{h}^{[1]}} "
        r"\frac{\partial \mathbf{h}^{[1]}}{\partial \boldsymbol{\vartheta}^{[1]}} = "
        r"\left[\begin{array}{rr|rr|rr|rrr}3 & 6 & -2 & -4 & 0 & 0 & 3 & -2 & 0\end{array}\right]"
    )
    assert product in explain(*hand_worked()).latex()


networks = {
    "loss": st.sampled_from([SquaredError(), Hinge(), SoftmaxCrossEntropy()]),
    "activation": st.sampled_from(Activation),
    "widths": st.lists(st.integers(1, 4), max_size=2),
    "skip": st.booleans(),
    "n_in": st.integers(1, 3),
    "n_out": st.integers(2, 3),
}


def any_network(
    loss: Loss, activation: Activation, widths: list[int], skip: bool, n_in: int, n_out: int
) -> tuple[MLP | SoftmaxClassifier, Tensor, Tensor]:
    kind = SoftmaxClassifier if loss == SoftmaxCrossEntropy() else MLP
    network = kind(n_in, n_out, width=widths, activation=activation, skip=skip).double()
    match loss:
        case SquaredError():
            y = torch.randn(n_out)
        case Hinge():
            y = torch.randn(n_out).sign()
        case SoftmaxCrossEntropy():  # a class, or a probability for each
            y = torch.randn(n_out).softmax(0) if torch.rand(()) < 0.5 else F.one_hot(torch.tensor(1), n_out)
    return network, torch.randn(n_in).double(), y.double()


def any_explanation(**choices: object) -> Explanation:
    return explain(*any_network(**choices), loss=choices["loss"])  # type: ignore[arg-type]


@given(**networks)
def test_gradient_is_autograds(**choices: object) -> None:
    network, x, y = any_network(**choices)  # type: ignore[arg-type]
    outputs = network(x)
    match choices["loss"]:
        case SquaredError():
            loss = F.mse_loss(outputs, y, reduction="sum")
        case Hinge():
            loss = F.margin_ranking_loss(outputs, torch.zeros_like(y), y, margin=1, reduction="sum")
        case SoftmaxCrossEntropy():
            loss = F.cross_entropy(outputs, y)
    names = [name for name, _ in network.named_parameters()]
    explanation = explain(network, x, y, loss=choices["loss"])  # type: ignore[arg-type]
    assert abs(explanation.loss - loss.item()) <= TOLERANCE * max(1, loss.item())
    assert list(explanation.gradients) == names
    for name, expected in zip(names, torch.autograd.grad(loss, list(network.parameters())), strict=True):
        actual = explanation.gradients[name]
        assert actual.shape == expected.shape
        assert (actual - expected).norm() <= TOLERANCE * max(1, expected.norm())


def test_hinge_on_both_sides_of_its_kink_and_at_it() -> None:
    """h = (2, 3), y~ = (1/2, 1, 3, 1/2): misses 1/2, meets 1 exactly, exceeds it, and is on the wrong side."""
    output = [[1 / 4, 0], [1 / 2, 0], [0, 1], [-1 / 2, 1 / 2]]
    network = with_values(MLP(1, 4, width=2, depth=1), [[2], [3]], [0, 0], output, [0, 0, 0, 0])
    x, y = torch.tensor([1.0]).double(), torch.tensor([1.0, 1, 1, -1]).double()
    explanation = explain(network, x, y, loss=Hinge())
    expected = """\
Loss
  m = ones - diag(y) y~ = (0.5, 0, -2, 1.5)
  L = ones . relu(m) = 2
  relu'(m) = (1, 0, 0, 1)
  dL/dy~ = -y^T diag(relu'(m)) = [  -1  0  0  1  ]
  dL/dtheta[1] = -y^T diag(relu'(m)) dy~/dtheta[1] = [  -0.75 |  0.5 |  -0.75  0.5  ]
  dL/dtheta[y~] = -y^T diag(relu'(m)) dy~/dtheta[y~] = """
    rows = "[  -2  -3 |  0  0 |  0  0 |  2  3 |  -1  0  0  1  ]"
    assert str(explanation).endswith(expected + rows)
    assert explanation.loss == 2
    latex = (
        r"\frac{\partial L}{\partial \tilde{\mathbf{y}}} &= "
        r"-\mathbf{y}^{\mathsf{T}} \mathrm{diag}(\mathrm{relu}'(\mathbf{m})) = "
        r"\left[\begin{array}{rrrr}-1 & 0 & 0 & 1\end{array}\right]"
    )
    assert latex in explanation.latex()


@pytest.mark.slow
@given(**networks)
def test_every_derivative_is_autograds(**choices: object) -> None:
    """dh[i]/dtheta[j] and dh[i]/dh[i-1] of every pair of layers, by the name under which they are written."""
    network, x, y = any_network(**choices)  # type: ignore[arg-type]
    body = network.body if isinstance(network, SoftmaxClassifier) else network.hidden
    names = [*(f"body.layers.{i}" for i in range(len(body.layers)))]
    last = "softmax" if isinstance(network, SoftmaxClassifier) else "output"
    if last == "output":
        names = [*(f"hidden.layers.{i}" for i in range(len(body.layers)))]
    names.append(last)
    values = {name: value.detach() for name, value in network.named_parameters()}
    symbols = ["x", *(f"h[{i}]" for i in range(1, len(names))), "y~" if last == "output" else "log p"]
    indices = [*map(str, range(1, len(names))), "y~" if last == "output" else "S"]

    def layer(i: int, values: dict[str, Tensor], h: Tensor) -> Tensor:
        affine = values[f"{names[i]}.weight"] @ h + values[f"{names[i]}.bias"]
        if names[i] == last:
            return affine if last == "output" else affine.log_softmax(0)
        units = FUNCTIONS[body.activation](affine)
        return h + units if choices["skip"] and len(h) == len(units) else units

    def up_to(i: int, values: dict[str, Tensor]) -> Tensor:
        h = x
        for number in range(i + 1):
            h = layer(number, values, h)
        return h

    expected: dict[str, Tensor] = {}
    for i in range(len(names)):
        h = x if i == 0 else up_to(i - 1, values)
        expected[f"d{symbols[i + 1]}/d{symbols[i]}"] = jacrev(lambda h, i=i: layer(i, values, h))(h)
        each = jacrev(lambda values, i=i: up_to(i, values))(values)
        for j in range(i + 1):
            by_theta = [each[f"{names[j]}.{kind}"].flatten(1) for kind in ("weight", "bias")]
            expected[f"d{symbols[i + 1]}/dtheta[{indices[j]}]"] = torch.cat(by_theta, 1)
    written = {
        equation.formula.split(" = ")[0]: equation.value
        for section in explain(network, x, y, loss=choices["loss"]).sections  # type: ignore[arg-type]
        for equation in section.equations
    }
    for formula, derivative in expected.items():
        assert written[formula].shape == derivative.shape, formula
        assert (written[formula] - derivative).norm() <= TOLERANCE * max(1, derivative.norm()), formula


@settings(max_examples=30)
@given(**networks)
def test_numbers_are_written_to_four_digits(**choices: object) -> None:
    """What the two forms show, read back."""
    explanation = any_explanation(**choices)
    equations = [equation for section in explanation.sections for equation in section.equations]
    expected = torch.cat([equation.value.flatten() for equation in equations])
    text = re.sub(r"^\S.*$", "", str(explanation), flags=re.MULTILINE)  # titles
    text = re.sub(r"^ {2}\S.* =", "", text, flags=re.MULTILINE)  # formulas
    latex = re.sub(r"^.*&.* = |^.*&=|\{[r|]+\}|\[4pt\]|^&.*", "", explanation.latex(), flags=re.MULTILINE)
    latex = re.sub(r" \\cdot 10\^\{(-?\d+)\}", r"e\1", latex)
    for numbers in (re.findall(NUMBER, text), re.findall(NUMBER, latex)):
        assert "-0" not in numbers
        actual = torch.tensor(list(map(float, numbers)), dtype=torch.float64)
        torch.testing.assert_close(actual, expected, rtol=5.001e-4, atol=0)


NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"

COMMANDS = {
    *("begin", "end", "left", "right", "textbf", "mathbf", "mathrm", "mathsf", "boldsymbol", "tilde"),
    *("frac", "partial", "vartheta", "sum", "cdot", "otimes", "log", "tanh"),
}


@cache
def assert_math(formula: str) -> None:
    """Parses a formula as TeX does: no double superscripts, every argument there."""
    MathTextParser("path").parse(f"${formula}$")


def assert_latex(formula: str) -> None:
    """Commands that are known, braces and brackets that close, rows as long as their column specification."""
    assert set(re.findall(r"\\([A-Za-z]+)", formula)) <= COMMANDS
    assert set(re.findall(r"\\[^A-Za-z]", formula)) <= {"\\\\"}
    assert formula.count(r"\left[") == formula.count(r"\right]")
    open_ones: list[str] = []
    for token in re.findall(r"\\begin\{\w+\}|\\end\{\w+\}|[{}]", formula):
        if token == "{" or token.startswith(r"\begin"):
            open_ones.append(token.replace("begin", "end"))
        else:
            assert open_ones.pop() == ("{" if token == "}" else token)
    assert not open_ones
    for columns, body in re.findall(r"\\begin\{array\}\{([r|]+)\}(.*?)\\end\{array\}", formula):
        assert {row.count("&") + 1 for row in body.split(r"\\")} == {columns.count("r")}
    plain = re.sub(r"\\left\[\\begin\{array\}.*?\\end\{array\}\\right\]", "A", formula)
    for line in re.sub(r"\\(begin|end)\{aligned\}", "", plain).split(r"\\[4pt]"):
        assert line.count("&") == 1
        if r"\textbf" not in line:
            assert_math(line.replace("&", "").strip())


@pytest.mark.slow
@settings(max_examples=30)
@given(**networks)
def test_latex_is_valid(**choices: object) -> None:
    explanation = any_explanation(**choices)
    blocks = explanation.latex().split("$$")
    assert not "".join(blocks[::2]).strip() and len(blocks[1::2]) == len(explanation.sections)
    for block in blocks[1::2]:
        assert_latex(block)


def test_the_latex_test_can_fail() -> None:
    for wrong in (r"&h^{[1]}^{T}", r"&\frac{a}{b", r"&\unknown", r"&\left[\begin{array}{rr}1\end{array}\right]", "&&"):
        with pytest.raises((AssertionError, ValueError)):
            assert_latex(wrong)


def test_tiny_and_huge_numbers() -> None:
    network = with_values(MLP(1, 1, width=1, depth=0), [[-1.5e-7]], [2.25e20])
    explanation = explain(network, torch.zeros(1).double(), torch.zeros(1).double())
    assert "W[y~] = [  -1.5e-07  ]" in str(explanation)
    assert r"{r}-1.5 \cdot 10^{-7}\end" in explanation.latex() and r"{r}2.25 \cdot 10^{20}\end" in explanation.latex()
    for block in explanation.latex().split("$$")[1::2]:
        assert_latex(block)


def test_notebooks_show_latex() -> None:
    explanation = explain(*hand_worked())
    assert explanation._repr_latex_() == explanation.latex()


def test_network_is_left_alone() -> None:
    network, x, y = hand_worked()
    explanation = explain(network, x, y)
    assert not any(gradient.requires_grad for gradient in explanation.gradients.values())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_errors() -> None:
    network, x, y = hand_worked()
    with pytest.raises(ValueError, match="x must have 2 entries for this network, got 1"):
        explain(network, x[:1], y)
    with pytest.raises(ValueError, match="y must have 1 entries for this network, got 2"):
        explain(network, x, x)
    with pytest.raises(TypeError, match="got Linear"):
        explain(nn.Linear(2, 1), x, y)
    with pytest.raises(ValueError, match=r"y must have entries -1 and \+1 for the hinge loss, got \[0\.5\]"):
        explain(network, x, y, loss=Hinge())
    with pytest.raises(TypeError, match="loss must be SquaredError or Hinge for MLP, got SoftmaxCrossEntropy"):
        explain(network, x, y, loss=SoftmaxCrossEntropy())
    with pytest.raises(TypeError, match="loss must be SoftmaxCrossEntropy for SoftmaxClassifier, got Hinge"):
        explain(SoftmaxClassifier(2, 2, width=1, depth=0), torch.zeros(2), torch.ones(2), loss=Hinge())


def test_the_document_shows_what_comes_out() -> None:
    document = DOCUMENT.read_text()
    (code,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    names: dict[str, Explanation] = {}
    exec(compile(code, DOCUMENT.name, "exec"), names)
    explanation = names["explanation"]
    (text,) = re.findall(r"```text\n(.*?)\n```", document, re.DOTALL)
    assert text == str(explanation)
    formulas = re.findall(r"```math\n(.*?)\n```", document, re.DOTALL)
    assert formulas == [block.strip() for block in explanation.latex().split("$$")[1::2]]
