"""Whether one hidden layer of few units can compute the parity of d bits: decided in rationals, for very few bits.

A unit v max(0, w . x + b) is told by its sign, that of v, and by where on the inputs it is on: a threshold function.
Once both are fixed for all units, parity is a matter of linear equations (in v w and v b, one for each input) and
inequalities (on where it shall be on, off elsewhere). There are finitely many such cases, and each is decided exactly:
a solution in rationals, or a sum of equations and inequalities that reads 0 > 0 (Farkas). Floating point only proposes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations, product

import numpy as np
from jaxtyping import Bool, Int

from dlcourse.checks import check_whole

OnSets = Bool[np.ndarray, "units inputs"]
LARGEST_DENOMINATOR = 10_000  # of what a linear program proposes; more than its corners have here


def bits(num_bits: int) -> Int[np.ndarray, "inputs num_bits"]:
    """All inputs, in the order of counting: the last bit changes fastest."""
    return np.array(list(product((0, 1), repeat=num_bits)))


def threshold_functions(num_bits: int) -> Bool[np.ndarray, "functions inputs"]:
    """Every set of inputs that a hyperplane cuts off from the others, none and all included.

    Integer weights of at most 3 in size give all of them for up to 4 bits.

    Args:
        num_bits: d, 1 to 4.

    Returns:
        A row for each, in the order of `bits`: 4, 14, 104 and 1882 for d = 1, 2, 3 and 4.

    Raises:
        ValueError: If d is out of range.

    Source: Muroga 1971, Threshold logic and its applications; the numbers are OEIS A000609.
    """
    check_whole("num_bits", num_bits, 1, 4)
    largest = max(1, num_bits - 1)
    weights = np.array(list(product(range(-largest, largest + 1), repeat=num_bits)))
    sums = weights @ bits(num_bits).T
    cuts = [sums > cut for cut in range(-largest * num_bits - 1, largest * num_bits + 1)]
    return np.unique(np.concatenate(cuts), axis=0)


def up_to_symmetry(functions: Bool[np.ndarray, "functions inputs"]) -> Bool[np.ndarray, "some inputs"]:
    """One of every class of functions that become each other where bits are renumbered or negated.

    Args:
        functions: All of them, in the order of `bits`.

    Returns:
        The first of each class in the order of their truth tables.
    """
    num_bits = functions.shape[1].bit_length() - 1
    inputs = bits(num_bits)
    place = 2 ** np.arange(num_bits)[::-1]
    moved = [
        (inputs[:, order] ^ np.array(negated)) @ place
        for order in map(list, permutations(range(num_bits)))
        for negated in product((0, 1), repeat=num_bits)
    ]
    first = [all(function.tobytes() <= function[move].tobytes() for move in moved) for function in functions]
    some: Bool[np.ndarray, "some inputs"] = functions[np.array(first)]
    return some


@dataclass(frozen=True)
class Decided:
    """What became of all cases.

    Attributes:
        num_functions: Threshold functions, the choices of each unit.
        num_classes: Those up to symmetry, the choices of the first unit.
        num_cases: Choices of on-sets and signs for all units.
        num_by_faces: Refuted since some four inputs x, x + e_i, x + e_j, x + e_i + e_j are in one affine piece: an
            affine function has f(00) + f(11) = f(01) + f(10), the parity has not.
        num_by_equations: Refuted since the equations alone, without the inequalities, have no solution: by elimination.
        num_by_certificates: Refuted by a sum that reads 0 > 0, checked in rationals.
        num_possible: Solved in rationals.
    """

    num_functions: int
    num_classes: int
    num_cases: int
    num_by_faces: int
    num_by_equations: int
    num_by_certificates: int
    num_possible: int


def decide(num_bits: int, num_units: int) -> Decided:
    """Decides for every choice of on-sets and signs whether one hidden layer of few units is the parity of d bits.

    The first unit's on-set is chosen up to symmetry: renumbering and negating bits turns the parity into itself or its
    negation, 1 - y, and all signs are tried.

    Args:
        num_bits: d, 1 to 4.
        num_units: At least 1. For 4 bits more than 2 take very long.

    Returns:
        How many cases fell to what; there is a network if and only if `num_possible` is not 0.

    Raises:
        ValueError: If a number is out of range.

    Cost: two units take 780 linear programs for 3 bits and 24 for 4, of some 5 ms each; for 4 bits 1,754 eliminations
    besides.
    """
    check_whole("num_units", num_units, 1)
    functions = threshold_functions(num_bits)
    first = up_to_symmetry(functions)
    signs = list(product((1, -1), repeat=num_units))
    num_left = num_consistent = num_possible = 0
    for on in _without_affine_faces(first, functions, num_units):
        num_left += len(signs)
        if _has_solution(on):
            num_consistent += len(signs)
            num_possible += sum(isinstance(solve(on, sign), Solution) for sign in signs)
    num_cases = len(first) * len(functions) ** (num_units - 1) * len(signs)
    return Decided(
        num_functions=len(functions),
        num_classes=len(first),
        num_cases=num_cases,
        num_by_faces=num_cases - num_left,
        num_by_equations=num_left - num_consistent,
        num_by_certificates=num_consistent - num_possible,
        num_possible=num_possible,
    )


@dataclass(frozen=True, repr=False)
class Solution:
    """A network that is the parity: y = constant + sum of the units' sign * max(0, sign * (weights . x + bias)).

    Attributes:
        constant: What is added.
        units: For each unit v w and v b in one row: d weights and the bias.
    """

    constant: Fraction
    units: list[list[Fraction]]

    def __repr__(self) -> str:
        return f"Solution(units: {len(self.units)} of {len(self.units[0]) - 1} inputs, constant={self.constant})"


def solve(on: OnSets, signs: tuple[int, ...]) -> Solution | None:
    """A network with these on-sets and signs that is the parity of d bits, or None: then there is a proof of that.

    Either answer has been checked in rationals.

    Args:
        on: For each unit, the inputs on which it is on, in the order of `bits`.
        signs: The signs of the units' weights in the output, 1 or -1.

    Raises:
        ArithmeticError: If what floating point proposes is neither a solution nor a proof.
    """
    if not _has_solution(on):
        return None
    equations, inequalities = _system(on, signs)
    parity = bits(on.shape[1].bit_length() - 1).sum(axis=1) % 2
    certificate = _propose_certificate(equations, inequalities, parity)
    if certificate is not None and _refutes(*certificate, equations, inequalities, parity):
        return None
    found = _propose_solution(equations, inequalities, parity)
    if found is None or not _solves(found, equations, inequalities, parity):
        raise ArithmeticError(f"neither solved nor refuted: units that are on at {on.astype(int).tolist()}, {signs}")
    size = (len(found) - 1) // len(on)
    return Solution(found[0], [found[1 + unit * size : 1 + (unit + 1) * size] for unit in range(len(on))])


def _without_affine_faces(
    first: Bool[np.ndarray, "some inputs"], functions: Bool[np.ndarray, "functions inputs"], num_units: int
) -> Iterator[OnSets]:
    """The choices of on-sets for which no four inputs of a face of two dimensions are in one affine piece."""
    faces = _faces(first.shape[1].bit_length() - 1)
    alike = np.asarray(functions[:, faces].all(axis=2) | ~functions[:, faces].any(axis=2))
    for chosen in first:
        in_one_piece = chosen[faces].all(axis=1) | ~chosen[faces].any(axis=1)
        if num_units == 1 and not in_one_piece.any():
            yield np.stack([chosen])
        # The last unit's choices all at once; the ones between the first and the last, if there are any, one by one.
        for others in product(range(len(functions)), repeat=max(0, num_units - 2)) if num_units > 1 else ():
            left = alike & in_one_piece & alike[list(others)].all(axis=0)
            for last in np.flatnonzero(~left.any(axis=1)).tolist():
                yield np.stack([chosen, *functions[[*others, last]]])


def _faces(num_bits: int) -> Int[np.ndarray, "faces 4"]:
    """The inputs of every face of two dimensions, by their numbers."""
    place = 2 ** np.arange(num_bits)[::-1]
    faces = [
        [number, number + one, number + two, number + one + two]
        for one, two in combinations(place.tolist(), 2)
        for number in range(2**num_bits)
        if not number & one and not number & two
    ]
    return np.array(faces, dtype=np.int64).reshape(-1, 4)


def _system(on: OnSets, signs: tuple[int, ...]) -> tuple[Int[np.ndarray, "_ _"], Int[np.ndarray, "_ _"]]:
    """The equations' and inequalities' coefficients of (constant, v w and v b of each unit): A u = parity, G u >= 0."""
    inputs = bits(on.shape[1].bit_length() - 1)
    affine = np.append(inputs, np.ones((len(inputs), 1), dtype=int), axis=1)
    equations = np.concatenate(
        [np.ones((len(inputs), 1), dtype=int), *(where[:, None] * affine for where in on)], axis=1
    )
    inequalities = np.zeros((on.size, equations.shape[1]), dtype=int)
    size = affine.shape[1]
    for unit, (where, sign) in enumerate(zip(on, signs, strict=True)):
        rows = slice(unit * len(inputs), (unit + 1) * len(inputs))
        inequalities[rows, 1 + unit * size : 1 + (unit + 1) * size] = np.where(where, sign, -sign)[:, None] * affine
    return equations, inequalities


def _has_solution(on: OnSets) -> bool:
    """Whether the equations have a solution, whatever the signs: by elimination, in integers."""
    equations, _ = _system(on, (1,) * len(on))
    parity = bits(on.shape[1].bit_length() - 1).sum(axis=1) % 2
    rows = np.append(equations, parity[:, None], axis=1).astype(object)  # integers of any length
    last_pivot = 1
    for column in range(equations.shape[1]):
        with_it = np.flatnonzero(rows[:, column])
        if len(with_it):
            pivot = rows[with_it[0]]
            others = np.delete(rows, with_it[0], axis=0)
            # Every entry is a minor of the matrix, so that the division leaves no rest (Bareiss 1968).
            rows = (others * pivot[column] - np.multiply.outer(others[:, column], pivot)) // last_pivot
            last_pivot = pivot[column]
    return not rows[:, -1].any()  # what is left reads 0 = that


def _propose_certificate(
    equations: Int[np.ndarray, "_ _"], inequalities: Int[np.ndarray, "_ _"], parity: Int[np.ndarray, " _"]
) -> tuple[list[Fraction], list[Fraction]] | None:
    """Factors y of the equations and z >= 0 of the inequalities: y A + z G = 0 and y . parity > 0, to be checked."""
    from scipy.optimize import linprog  # scipy.optimize is loaded only for those who need it

    num = len(parity)
    found = linprog(
        np.concatenate([-parity, np.zeros(len(inequalities))]),
        A_eq=np.concatenate([equations, inequalities]).T,
        b_eq=np.zeros(equations.shape[1]),
        bounds=[(-1, 1)] * num + [(0, None)] * len(inequalities),
    )
    if found.status != 0:
        return None
    factors = _rational(found.x)
    return factors[:num], factors[num:]


def _refutes(
    y: list[Fraction],
    z: list[Fraction],
    equations: Int[np.ndarray, "_ _"],
    inequalities: Int[np.ndarray, "_ _"],
    parity: Int[np.ndarray, " _"],
) -> bool:
    """Whether no u has A u = parity and G u >= 0: then 0 = (y A + z G) u >= y . parity > 0. In rationals."""
    sums = _products(equations.T, y), _products(inequalities.T, z)
    return (
        all(a + b == 0 for a, b in zip(*sums, strict=True))
        and min(z) >= 0
        and sum(factor * int(value) for factor, value in zip(y, parity, strict=True)) > 0
    )


def _propose_solution(
    equations: Int[np.ndarray, "_ _"], inequalities: Int[np.ndarray, "_ _"], parity: Int[np.ndarray, " _"]
) -> list[Fraction] | None:
    """A corner of the set of solutions, to be checked."""
    from scipy.optimize import linprog

    found = linprog(
        np.zeros(equations.shape[1]),
        A_ub=-inequalities,
        b_ub=np.zeros(len(inequalities)),
        A_eq=equations,
        b_eq=parity,
        bounds=(None, None),
    )
    return _rational(found.x) if found.status == 0 else None


def _solves(
    u: list[Fraction],
    equations: Int[np.ndarray, "_ _"],
    inequalities: Int[np.ndarray, "_ _"],
    parity: Int[np.ndarray, " _"],
) -> bool:
    """Whether A u = parity and G u >= 0, in rationals."""
    return _products(equations, u) == parity.tolist() and min(_products(inequalities, u)) >= 0


def _products(matrix: Int[np.ndarray, "rows columns"], vector: list[Fraction]) -> list[Fraction]:
    """A matrix of integers times a vector."""
    rows = matrix.tolist()
    return [sum((n * x for n, x in zip(row, vector, strict=True) if n), Fraction(0)) for row in rows]


def _rational(values: np.ndarray) -> list[Fraction]:
    """The nearest fractions of small denominators."""
    return [Fraction(value).limit_denominator(LARGEST_DENOMINATOR) for value in values.tolist()]
