"""The lecture's parity circuits: of XORs, of AND, OR and NOT, and shallow."""

from functools import reduce

from dlcourse.circuits.circuit import Circuit, Kind, inputs, sub_circuits, xor
from dlcourse.circuits.normal_forms import to_cnf, to_dnf


def parity_tree(num_bits: int) -> Circuit:
    """A balanced tree of d - 1 XOR gates of two inputs: (x₁ ⊕ x₂) ⊕ (x₃ ⊕ x₄), depth ceil(log2 d).

    Args:
        num_bits: Number d of inputs.

    Source: slide "Parity Circuits", "an implementation using XOR components".
    """
    layer = inputs(num_bits)
    while len(layer) > 1:
        joined = [left ^ right for left, right in zip(layer[::2], layer[1::2], strict=False)]
        layer = joined + layer[2 * len(joined) :]
    return layer[0]


def parity_chain(num_bits: int) -> Circuit:
    """The same number d - 1 of XOR gates one after the other: ((x₁ ⊕ x₂) ⊕ x₃) ⊕ x₄, depth d - 1.

    Args:
        num_bits: Number d of inputs.
    """
    return reduce(xor, inputs(num_bits))


def without_xor(circuit: Circuit, *, one_not: bool = False) -> Circuit:
    """The same function of AND, OR and NOT: each XOR of two becomes three gates of depth 2.

    a ⊕ b = (a ∧ ¬b) ∨ (¬a ∧ b), which makes of `parity_tree(4)` the lecture's formula: 9 gates, depth 4.

    Args:
        circuit: Any circuit; an XOR of more than two is first made a chain.
        one_not: a ⊕ b = (a ∨ b) ∧ ¬(a ∧ b) instead, with one NOT in place of two.

    Of gates with two inputs, 3 (d - 1) are the fewest for parity if NOTs are free (Schnorr 1974), and 4 (d - 1) if they
    count (Red'kin 1973); `one_not` attains both. Gates of more inputs need fewer: see `bounds.any_depth_lower_bound`.

    Source: slide "Parity Circuits", "An implementation of the same parity circuit using AND, OR and NOT".
    """

    def two(a: Circuit, b: Circuit) -> Circuit:
        return (a | b) & ~(a & b) if one_not else (a & ~b) | (~a & b)

    rebuilt: dict[Circuit, Circuit] = {}
    for node in sub_circuits(circuit):
        parts = tuple(rebuilt[part] for part in node.parts)
        rebuilt[node] = reduce(two, parts) if node.kind is Kind.xor else Circuit(node.kind, parts, node.index)
    return rebuilt[circuit]


def parity_dnf(num_bits: int) -> Circuit:
    """The shallow parity circuit: an OR of 2^(d-1) ANDs, depth 2; the lecture's eight terms for 4 bits.

    No disjunctive normal form of parity has fewer terms: two inputs that differ in one bit are never both 1, so that no
    term can do without a literal, and each term is 1 on one input only.

    Args:
        num_bits: Number d of inputs; `to_dnf` refuses more than 21.

    Source: slide "Parity Circuits", "Disjunctive Normal Form (DNF)".
    """
    return to_dnf(xor(*inputs(num_bits)))


def parity_cnf(num_bits: int) -> Circuit:
    """The other shallow parity circuit: an AND of 2^(d-1) ORs, depth 2.

    Args:
        num_bits: Number d of inputs; `to_dnf` refuses more than 21.
    """
    return to_cnf(xor(*inputs(num_bits)))
