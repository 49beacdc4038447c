"""Boolean circuits: inputs, NOT, and AND, OR, XOR gates of any fan-in, in which sub-circuits can be shared."""

from collections.abc import Iterator
from enum import StrEnum
from weakref import WeakValueDictionary

from dlcourse.checks import check_whole

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Kind(StrEnum):
    """What the last gate of a circuit does; the values are the symbols that formulas are printed with."""

    input = "x"
    not_ = "¬"
    and_ = "∧"
    or_ = "∨"
    xor = "⊕"


class Circuit:
    """A gate with everything that feeds it: `x[1] & ~x[2] | ~x[1] & x[2]`.

    Circuits never change, and two that are built alike are one object: what occurs twice in a formula is one gate of
    the circuit, used twice. They are made by `inputs`, the functions `and_`, `or_`, `xor`, `not_`, and by the operators
    `&`, `|`, `^`, `~` for gates of two inputs and one. `str` writes the formula.

    Attributes:
        kind: What the last gate does.
        parts: The circuits that feed it; none for an input, or for the constants 1 (an AND of nothing) and 0 (an OR).
        index: i for the input x_i, counted from 1 as in the lecture; 0 for gates.

    Source: slides "Parity Circuits".
    """

    __slots__ = ("__weakref__", "index", "kind", "parts")
    kind: Kind
    parts: "tuple[Circuit, ...]"
    index: int

    def __new__(cls, kind: Kind, parts: "tuple[Circuit, ...]" = (), index: int = 0) -> "Circuit":
        """The circuit with this last gate: the one there is already, or a new one."""
        circuit = _all_circuits.get((kind, parts, index))
        if circuit is None:
            circuit = super().__new__(cls)
            object.__setattr__(circuit, "kind", kind)
            object.__setattr__(circuit, "parts", parts)
            object.__setattr__(circuit, "index", index)
            _all_circuits[kind, parts, index] = circuit
        return circuit

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a circuit never changes: cannot set {name}")

    def __reduce__(self) -> "tuple[type[Circuit], tuple[Kind, tuple[Circuit, ...], int]]":
        return Circuit, (self.kind, self.parts, self.index)

    def __deepcopy__(self, memo: object) -> "Circuit":
        return self

    def __and__(self, other: "Circuit") -> "Circuit":
        return and_(self, other)

    def __or__(self, other: "Circuit") -> "Circuit":
        return or_(self, other)

    def __xor__(self, other: "Circuit") -> "Circuit":
        return xor(self, other)

    def __invert__(self) -> "Circuit":
        return not_(self)

    def __str__(self) -> str:
        return formula(self)

    def __repr__(self) -> str:
        return f"<circuit of {num_gates(self)} gates, depth {depth(self)}, {len(input_indices(self))} inputs>"


_all_circuits: "WeakValueDictionary[tuple[Kind, tuple[Circuit, ...], int], Circuit]" = WeakValueDictionary()


def inputs(num_bits: int) -> list[Circuit]:
    """The inputs x_1 .. x_d.

    Args:
        num_bits: Their number d.

    Raises:
        ValueError: If it is below 1.
    """
    check_whole("num_bits", num_bits, 1)
    return [Circuit(Kind.input, (), index) for index in range(1, num_bits + 1)]


def and_(*parts: Circuit) -> Circuit:
    """Their AND, one gate of any fan-in; one part alone is itself, a wire, no gate; none at all is the constant 1."""
    return parts[0] if len(parts) == 1 else Circuit(Kind.and_, parts)


def or_(*parts: Circuit) -> Circuit:
    """Their OR, one gate of any fan-in; one part alone is itself, a wire, no gate; none at all is the constant 0."""
    return parts[0] if len(parts) == 1 else Circuit(Kind.or_, parts)


def xor(*parts: Circuit) -> Circuit:
    """Their XOR, 1 if an odd number of them is; one part alone is itself; none at all is the constant 0."""
    return Circuit(Kind.xor, parts) if len(parts) > 1 else or_(*parts)


def not_(part: Circuit) -> Circuit:
    """Its negation; a negation of a negation is what it was."""
    return part.parts[0] if part.kind is Kind.not_ else Circuit(Kind.not_, (part,))


def sub_circuits(circuit: Circuit) -> Iterator[Circuit]:
    """Every gate and input of a circuit, each once, parts before what they feed; the last is the circuit itself."""
    seen: set[Circuit] = set()
    waiting = [circuit]
    # A list instead of recursion, for which Python would refuse a chain of a thousand gates.
    while waiting:
        here = waiting[-1]
        missing = [part for part in reversed(here.parts) if part not in seen]
        if missing:
            waiting.extend(missing)
            continue
        waiting.pop()
        if here not in seen:
            seen.add(here)
            yield here


def input_indices(circuit: Circuit) -> list[int]:
    """The indices i of the inputs x_i that occur, rising."""
    return sorted(node.index for node in sub_circuits(circuit) if node.kind is Kind.input)


def num_gates(circuit: Circuit, *, count_nots: bool = False, shared: bool = True) -> int:
    """The number of gates: AND, OR, XOR and constants.

    Args:
        circuit: Any circuit.
        count_nots: Count NOTs as well.
        shared: Count a gate once however many others it feeds; False counts the gates of the formula that `str` writes.

    Source: slide "Parity Circuits" (AND, OR, NOT): 9 gates shared, and 15 in its formula.
    """
    if shared:
        return sum(_is_gate(node, count_nots) for node in sub_circuits(circuit))
    gates: dict[Circuit, int] = {}
    for node in sub_circuits(circuit):
        gates[node] = _is_gate(node, count_nots) + sum(gates[part] for part in node.parts)
    return gates[circuit]


def num_leaves(circuit: Circuit) -> int:
    """The number of times that inputs occur in the formula that `str` writes: the usual size of a formula."""
    leaves: dict[Circuit, int] = {}
    for node in sub_circuits(circuit):
        leaves[node] = (node.kind is Kind.input) + sum(leaves[part] for part in node.parts)
    return leaves[circuit]


def depth(circuit: Circuit, *, count_nots: bool = False) -> int:
    """The most gates on a way from an input to the output.

    Args:
        circuit: Any circuit.
        count_nots: Count NOTs as well.

    Source: slides "Parity Circuits": "discounting NOTs, the depth of this circuit is 4"; its normal form has depth 2.
    """
    depths: dict[Circuit, int] = {}
    for node in sub_circuits(circuit):
        depths[node] = _is_gate(node, count_nots) + max((depths[part] for part in node.parts), default=0)
    return depths[circuit]


def formula(circuit: Circuit) -> str:
    """The circuit as a formula, in the lecture's signs: (x₁ ∧ ¬x₂) ∨ (¬x₁ ∧ x₂); constants are 0 and 1.

    A sub-circuit that is shared is written wherever it is used, so the formula can be exponentially longer than the
    circuit is large; `num_leaves` tells beforehand.

    Source: slides "Parity Circuits".
    """
    # Each part as it stands inside a larger formula: with brackets around it, if it needs some.
    written: dict[Circuit, str] = {}
    for node in sub_circuits(circuit):
        parts = [written[part] for part in node.parts]
        if node.kind is Kind.input:
            written[node] = f"x{node.index}".translate(SUBSCRIPTS)
        elif node.kind is Kind.not_:
            written[node] = f"¬{parts[0]}"
        elif not parts:
            written[node] = "1" if node.kind is Kind.and_ else "0"
        else:
            written[node] = "(" + f" {node.kind} ".join(parts) + ")"
    return written[circuit].removeprefix("(").removesuffix(")") if _has_brackets(circuit) else written[circuit]


def _has_brackets(circuit: Circuit) -> bool:
    """Whether it is written in brackets inside other formulas."""
    return circuit.kind in (Kind.and_, Kind.or_, Kind.xor) and bool(circuit.parts)


def _is_gate(circuit: Circuit, count_nots: bool) -> bool:
    """Whether the last gate counts as one."""
    return circuit.kind is not Kind.input and (count_nots or circuit.kind is not Kind.not_)
