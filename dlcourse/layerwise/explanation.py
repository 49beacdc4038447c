"""Layerwise differentiation of a small network with every number written out, as plain text and as LaTeX."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from jaxtyping import Float
from torch import Tensor, nn

from dlcourse.layerwise.layer import Layer, layer_names, layers, upwards
from dlcourse.layerwise.softmax import LogSoftmax
from dlcourse.losses import Hinge, Loss, SoftmaxCrossEntropy, SquaredError, cross_entropy
from dlcourse.networks import Activation, SoftmaxClassifier


@dataclass(frozen=True, repr=False)
class Equation:
    """A formula, "h[1] = relu(W[1] x + b[1])", and what it comes to.

    Attributes:
        formula: In plain text.
        value: The number `[]`, vector `[n]` or matrix `[m, n]`.
        groups: How many columns of a matrix stand together, where not all do.
    """

    formula: str
    value: Tensor
    groups: Sequence[int] = ()

    def __repr__(self) -> str:
        return f"Equation({self.formula!r}, value of shape {list(self.value.shape)})"


@dataclass(frozen=True, repr=False)
class Section:
    """What is to be said of one layer, or of the loss.

    Attributes:
        title: Which one it is.
        equations: Its function and derivatives.
    """

    title: str
    equations: list[Equation]

    def __repr__(self) -> str:
        return f"Section({self.title!r}, {len(self.equations)} equations)"


@dataclass(frozen=True, repr=False)
class Explanation:
    """Every number of the layerwise computation of a gradient; `str` writes it as plain text, `latex` as LaTeX.

    Numbers are written with four significant digits; the attributes hold them in full.

    Attributes:
        sections: The data item, the layers from first to last, the loss.
        loss: L.
        gradients: dL/dtheta, for each parameter by its name in the `state_dict`, in its shape.
    """

    sections: list[Section]
    loss: float
    gradients: dict[str, Tensor]

    def __repr__(self) -> str:
        size = sum(gradient.numel() for gradient in self.gradients.values())
        return f"Explanation(loss={self.loss:.4g}, {len(self.sections)} sections, {size} derivatives; print it)"

    def __str__(self) -> str:
        blocks = []
        for section in self.sections:
            blocks.append("\n".join([section.title, *(f"  {_text(equation)}" for equation in section.equations)]))
        return "\n\n".join(blocks)

    def latex(self) -> str:
        """A displayed formula a section, between double dollar signs; for LaTeX with amsmath, MathJax or KaTeX."""
        blocks = []
        for section in self.sections:
            lines = [rf"&\textbf{{{section.title}}}", *map(_latex, section.equations)]
            blocks.append("$$\n\\begin{aligned}\n" + " \\\\[4pt]\n".join(lines) + "\n\\end{aligned}\n$$")
        return "\n\n".join(blocks)

    def _repr_latex_(self) -> str:
        """What a notebook shows."""
        return self.latex()


def explain(
    network: nn.Module,
    x: Float[Tensor, " in_features"],
    y: Float[Tensor, " out_features"],
    *,
    loss: Loss | None = None,
) -> Explanation:
    """Differentiates the loss of one data item layer by layer, upwards as on the slides, and keeps all that is met.

    For every layer i: its function, its two derivatives dh[i]/dh[i-1] and dh[i]/dtheta[i], and the products
    dh[i]/dtheta[j] = dh[i]/dh[i-1] dh[i-1]/dtheta[j]. A layer that adds its input to its output has the identity I in
    dh[i]/dh[i-1]. At the top dL/dtheta[j]: for an `MLP` 2 (y~ - y) dy~/dtheta[j], or with the hinge loss -y
    dy~/dtheta[j] without the outputs for which y y~ is at least 1; for a `SoftmaxClassifier` -y . d log p/dtheta[j],
    and beside it the form that the slides do not come to, p - y.

    Args:
        network: An MLP or a SoftmaxClassifier on hidden layers; a small one, since all matrices are written out.
        x: One input.
        y: Its value; its class in the 'one hot' representation, or a probability for each class; -1 or +1 for hinge.
        loss: `SquaredError` (None) or `Hinge` for an MLP, `SoftmaxCrossEntropy` (None) for a SoftmaxClassifier.

    Returns:
        The explanation: `print(explain(network, x, y))`, or `explain(network, x, y).latex()`.

    Raises:
        TypeError: If the network has no layers to tell apart, or the loss is none for it.
        ValueError: If x or y do not have the network's sizes, or an entry of y is neither -1 nor +1 for hinge.

    Source: slides "Computing gradient (layerwise)" and "Gradient of Softmax (layerwise)". The last layer's parameters
    are theta[y~] throughout (one slide writes theta[3] twice), and theta[S] where it is a softmax layer. At the kink
    of max(0, x), g' is 0 as in torch; so it is at the kink of the hinge.
    """
    affine = layers(network)
    for name, vector, size in (("x", x, affine[0].weight.shape[1]), ("y", y, len(affine[-1].bias))):
        if len(vector) != size:
            raise ValueError(f"{name} must have {size} entries for this network, got {len(vector)}")
    classifies = isinstance(network, SoftmaxClassifier)
    loss = loss or (SoftmaxCrossEntropy() if classifies else SquaredError())
    if not isinstance(loss, SoftmaxCrossEntropy if classifies else SquaredError | Hinge):
        fitting = "SoftmaxCrossEntropy" if classifies else "SquaredError or Hinge"
        raise TypeError(f"loss must be {fitting} for {type(network).__name__}, got {type(loss).__name__}")
    if isinstance(loss, Hinge) and not bool((y.abs() == 1).all()):
        raise ValueError(f"y must have entries -1 and +1 for the hinge loss, got {y.tolist()}")
    functions: Sequence[Layer | LogSoftmax] = [*affine[:-1], LogSoftmax(affine[-1])] if classifies else affine
    last = functions[-1]
    indices = [*map(str, range(1, len(affine))), "S" if isinstance(last, LogSoftmax) else "y~"]
    titles = [f"Layer {index}" for index in indices[:-1]]
    titles.append("Softmax layer" if isinstance(last, LogSoftmax) else "Output layer")

    title = "Data item (and, below, theta[i] is W[i] row by row, then b[i])"
    sections = [Section(title, [Equation("x", x), Equation("y", y)])]
    symbols, outputs = ["x"], [x]
    for i, (function, (output, derivatives)) in enumerate(zip(functions, upwards(functions, x), strict=True)):
        below = symbols[-1]
        symbol, equations = _layer(function, indices[i], below, outputs[-1])
        for j in reversed(range(i)):
            product = f"d{symbol}/dtheta[{indices[j]}] = d{symbol}/d{below} d{below}/dtheta[{indices[j]}]"
            equations.append(Equation(product, derivatives[j], _groups(affine[j])))
        sections.append(Section(titles[i], equations))
        symbols.append(symbol)
        outputs.append(output)

    assert isinstance(loss, SquaredError | SoftmaxCrossEntropy | Hinge)  # all others have been refused
    value, by_output, factor, equations = _loss(loss, output, y)
    gradients: dict[str, Tensor] = {}
    for name, index, layer, derivative in zip(layer_names(network)[0], indices, affine, derivatives, strict=True):
        gradient = by_output @ derivative
        formula = f"dL/dtheta[{index}] = {factor} d{symbol}/dtheta[{index}]"
        equations.append(Equation(formula, gradient[None], _groups(layer)))
        by_weight, by_bias = gradient.split([layer.weight.numel(), len(layer.bias)])
        gradients |= {f"{name}.weight": by_weight.view_as(layer.weight), f"{name}.bias": by_bias}
    sections.append(Section("Loss", equations))
    if isinstance(last, LogSoftmax):
        sections.append(_put_together(last, symbols[-2], outputs[-2], y))
    return Explanation(sections, value.item(), gradients)


def _layer(function: Layer | LogSoftmax, index: str, below: str, h: Tensor) -> tuple[str, list[Equation]]:
    """The symbol of the layer's output; its parameters, its function and its two derivatives."""
    affine = function.logits if isinstance(function, LogSoftmax) else function
    logits, output = f"W[{index}] {below} + b[{index}]", function.output(h)
    by_input, by_parameters = f"W[{index}]", f"(I (x) {below}^T, I)"
    match function:
        case LogSoftmax():
            symbol = "log p"
            by_input += " - ones sum_l p_l w_l^T"
            by_parameters += f" - ones (p^T (x) {below}^T, p^T)"
            equations = [
                Equation(logits, affine.output(h)),
                Equation(f"p = softmax({logits})", function.probabilities(h)),
                Equation("log p", output),
                Equation("sum_l p_l w_l^T", function.log_sum_by_input(h)[None]),
                Equation(f"(p^T (x) {below}^T, p^T)", function.log_sum_by_parameters(h)[None], _groups(affine)),
            ]
        case Layer(activation=None):
            symbol = "y~"
            equations = [Equation(f"y~ = {logits}", output)]
        case Layer(activation=Activation() as activation):
            symbol = f"h[{index}]"
            by_input, by_parameters = f"diag(g'[{index}]) {by_input}", f"diag(g'[{index}]) {by_parameters}"
            by_input, added = (f"I + {by_input}", f"{below} + ") if function.skip else (by_input, "")
            equations = [
                Equation(f"{symbol} = {added}{activation}({logits})", output),
                Equation(f"g'[{index}] = {activation}'({logits})", function.slope(h)),
            ]
    return symbol, [
        Equation(f"W[{index}]", affine.weight),
        Equation(f"b[{index}]", affine.bias),
        *equations,
        Equation(f"d{symbol}/d{below} = {by_input}", function.by_input(h)),
        Equation(f"d{symbol}/dtheta[{index}] = {by_parameters}", function.by_parameters(h), _groups(affine)),
    ]


def _loss(
    loss: SquaredError | SoftmaxCrossEntropy | Hinge, output: Tensor, y: Tensor
) -> tuple[Tensor, Tensor, str, list[Equation]]:
    """L; its derivative by the last layer's output, y~ or log p, as numbers and as a formula; what is to be said."""
    match loss:
        case SoftmaxCrossEntropy():
            value = cross_entropy(y, output)
            return value, -y, "-y^T", [Equation("L = -y . log p", value)]
        case SquaredError():
            factor = "2 (y~ - y)^T"
            equations = [Equation("L = |y~ - y|^2", loss(output, y))]
        case Hinge():
            factor = "-y^T diag(relu'(m))"
            missing = 1 - y * output
            equations = [
                Equation("m = ones - diag(y) y~", missing),
                Equation("L = ones . relu(m)", loss(output, y)),
                Equation("relu'(m)", (missing > 0).to(missing)),
            ]
    by_output = loss.derivative(output, y)
    return loss(output, y), by_output, factor, [*equations, Equation(f"dL/dy~ = {factor}", by_output[None])]


def _put_together(softmax: LogSoftmax, below: str, h: Tensor, y: Tensor) -> Section:
    """The gradient at the softmax layer in its closed form."""
    gradient = softmax.gradient(h, y)
    equations = [
        Equation("dL/db[S] = p - y", gradient.by_bias),
        Equation(f"dL/dW[S] = (p - y) {below}^T", gradient.by_weight),
        Equation(f"dL/d{below} = (p - y)^T W[S]", gradient.by_input[None]),
    ]
    return Section("The same at the softmax layer, put together", equations)


def _groups(layer: Layer) -> list[int]:
    """The columns of theta that stand together: each row of W, and b."""
    return [layer.weight.shape[1]] * len(layer.bias) + [len(layer.bias)]


def _text(equation: Equation) -> str:
    """The equation in plain text: a matrix of several rows stands below its formula."""
    value = equation.value
    if value.ndim == 0:
        return f"{equation.formula} = {_number(value.item())}"
    if value.ndim == 1:
        return f"{equation.formula} = ({', '.join(map(_number, value.tolist()))})"
    rows = [list(map(_number, row)) for row in value.tolist()]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    firsts = set(accumulate(equation.groups))
    bars = [" |" if column in firsts else "" for column in range(len(sizes))]
    lines = []
    for row in rows:
        entries = [f"{bar}  {number:>{size}}" for bar, number, size in zip(bars, row, sizes, strict=True)]
        lines.append(f"[{''.join(entries)}  ]")
    return f"{equation.formula} = {lines[0]}" if len(lines) == 1 else "\n      ".join([f"{equation.formula} =", *lines])


def _latex(equation: Equation) -> str:
    """The equation in LaTeX, aligned at its first equals sign; vectors are columns."""
    value = equation.value
    left, *right = map(_formula_in_latex, equation.formula.split(" = "))
    if value.ndim == 0:
        right.append(_number_in_latex(value.item()))
    else:
        rows = (value[:, None] if value.ndim == 1 else value).tolist()
        columns = "|".join("r" * size for size in equation.groups or [len(rows[0])])
        entries = r" \\ ".join(" & ".join(map(_number_in_latex, row)) for row in rows)
        right.append(rf"\left[\begin{{array}}{{{columns}}}{entries}\end{{array}}\right]")
    return f"{left} &= {' = '.join(right)}"


def _number(value: float) -> str:
    """Four significant digits; no number is -0."""
    return f"{value + 0.0:.4g}"


def _number_in_latex(value: float) -> str:
    """1.2e-05 as 1.2 times a power of ten."""
    return re.sub(r"e([+-]\d+)", lambda match: rf" \cdot 10^{{{int(match[1])}}}", _number(value))


_IN_LATEX = {
    **{letter: rf"\mathbf{{{letter}}}" for letter in ("W", "b", "h", "x", "y", "p", "m", "I")},
    **{name: rf"\mathrm{{{name}}}" for name in ("diag", "softmax")},
    **{str(activation): activation.definition.latex for activation in Activation},
    **{f"{activation}'": f"{activation.definition.latex}'" for activation in Activation},
    **{name: name for name in ("L", "g'", "S", "p_l")},
    **{"y~": r"\tilde{\mathbf{y}}", "theta": r"\boldsymbol{\vartheta}", "w_l": r"\mathbf{w}_l", "ones": r"\mathbf{1}"},
    **{"log": r"\log", "sum_l": r"\sum_l", "(x)": r"\otimes", ".": r"\cdot", "^T": r"^{\mathsf{T}}"},
}
# "d", what is differentiated, "/d", and by what: "dh[2]/dtheta[1]", "dlog p/dh[1]".
_DERIVATIVE = re.compile(r"(?<!\S)d(log p|\S+?)/d(\S+)")
# A name with an index and perhaps transposed, "h[1]^T"; a name alone, "g'"; the Kronecker product "(x)"; the "^T" of a
# name without an index; the "." between two factors.
_SYMBOL = re.compile(r"([A-Za-z]\w*~?'?)\[(\S+?)\](\^T)?|[A-Za-z]\w*~?'?|\(x\)|\^T|(?<= )\.(?= )")


def _formula_in_latex(formula: str) -> str:
    """The formula in LaTeX: derivatives become fractions, h[1] has its layer as superscript."""
    fraction = _DERIVATIVE.search(formula)
    if fraction:
        of, by = map(_formula_in_latex, fraction.groups())
        before, after = formula[: fraction.start()], formula[fraction.end() :]
        return rf"{_formula_in_latex(before)}\frac{{\partial {of}}}{{\partial {by}}}{_formula_in_latex(after)}"
    return _SYMBOL.sub(_symbol_in_latex, formula)


def _symbol_in_latex(symbol: re.Match[str]) -> str:
    """A symbol in LaTeX, with its index and the T of a transposed vector in one superscript: TeX refuses two."""
    name, index, transposed = symbol.groups()
    if name is None:
        return _IN_LATEX[symbol[0]]
    superscript = f"[{_formula_in_latex(index)}]" + (r"\mathsf{T}" if transposed else "")
    return f"{_IN_LATEX[name]}^{{{superscript}}}"
