"""Any circuit as a shallow one of depth 2: an OR of ANDs, or an AND of ORs, of inputs and their negations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from dlcourse.circuits.circuit import Circuit, Kind, and_, input_indices, not_, or_
from dlcourse.circuits.decision_diagram import Cover, DecisionDiagram, Term
from dlcourse.circuits.evaluation import truth_table

MAX_TERMS = 2**20
"""A normal form can have 2^d terms; these many are a million, and take half a GB if they have 20 literals each."""

MAX_TABLE_BITS = 20
"""Up to so many inputs, a normal form has a term for each input on which the circuit is 1."""

MAX_SMALLEST_BITS = 10
"""Up to so many inputs, a smallest form is searched: there are 3^d products of literals to go through."""

MAX_STEPS = 20_000
"""Choices that the search for the smallest cover makes before it gives up and keeps the best found."""


@dataclass(frozen=True, repr=False)
class Minimised:
    """The terms of a minimised normal form.

    Attributes:
        terms: Products whose OR is the function; none can be left out, and no literal of any.
        is_smallest: Whether it is proved that no fewer terms do, and no fewer literals in as many terms.
    """

    terms: list[Term]
    is_smallest: bool

    def __repr__(self) -> str:
        return f"Minimised({len(self.terms)} terms, is_smallest={self.is_smallest})"


def to_dnf(circuit: Circuit, *, minimised: bool = False, max_terms: int = MAX_TERMS) -> Circuit:
    """The disjunctive normal form: an OR of ANDs of the inputs and their negations, of depth at most 2.

    It has a term of all d literals for each input on which the circuit is 1, as on the slide, if at most
    `MAX_TABLE_BITS` inputs occur. With more, and if minimised, it has the terms of `minimise`.

    Args:
        circuit: Any circuit.
        minimised: Few terms of few literals. The 2^(d-1) terms of parity cannot be fewer.
        max_terms: More terms are not built.

    Raises:
        ValueError: If there are more terms, the number of which the message says, or if the circuit's function has no
            decision diagram that can be built, see `DecisionDiagram`.

    Source: slide "Parity Circuits", "Any logical formula can be expressed as an OR of ANDs of the inputs and their
    negations" and "Any logical circuit can be re-implemented in shallow mode (i.e. with depth 2)".
    """
    literals = _literals(circuit)
    terms = _terms(circuit, minimised, max_terms)
    return or_(*(and_(*(literals[index, bit] for index, bit in term.items())) for term in terms))


def to_cnf(circuit: Circuit, *, minimised: bool = False, max_terms: int = MAX_TERMS) -> Circuit:
    """The conjunctive normal form: an AND of ORs of the inputs and their negations, of depth at most 2.

    It is the negation of the disjunctive normal form of the negation.

    Args:
        circuit: Any circuit.
        minimised: As in `to_dnf`.
        max_terms: As in `to_dnf`, of the ORs.

    Raises:
        ValueError: As in `to_dnf`.
    """
    literals = _literals(circuit)
    terms = _terms(not_(circuit), minimised, max_terms)
    return and_(*(or_(*(literals[index, 1 - bit] for index, bit in term.items())) for term in terms))


def minimise(circuit: Circuit, *, max_terms: int = MAX_TERMS) -> Minimised:
    """Few terms of few literals whose OR is the circuit's function.

    Of up to `MAX_SMALLEST_BITS` inputs, the fewest terms, and among these the fewest literals: first all prime
    implicants (Quine and McCluskey), then a smallest choice of them that covers every 1 of the truth table. It is the
    smallest where the search for it ends within `MAX_STEPS`. Of more inputs, the terms of
    `DecisionDiagram.irredundant_cover`, which are the smallest choice in the cases that `is_only_cover` tells.

    Args:
        circuit: Any circuit.
        max_terms: More terms are not built. `DecisionDiagram(circuit).irredundant_cover()` counts any number of them,
            and makes them one at a time.

    Raises:
        ValueError: As in `to_dnf`.

    Source: Quine 1952, The Problem of Simplifying Truth Functions; McCluskey 1956.
    Cost: 3^d for the prime implicants; the cover is a search whose cost cannot be told in advance, hence its end. With
    more inputs see `DecisionDiagram`.
    """
    indices = input_indices(circuit)
    if len(indices) > MAX_SMALLEST_BITS:
        cover = DecisionDiagram(circuit).irredundant_cover()
        _check_num_terms(cover.num_terms, max_terms)
        return Minimised(list(cover), is_only_cover(cover))
    table = truth_table(circuit, indices)
    primes = np.argwhere(prime_implicants(table))
    rows = np.flatnonzero(table)
    bits = rows[:, None] >> np.arange(len(indices))[::-1] & 1
    covers = ((primes[:, None] == bits) | (primes[:, None] == 2)).all(-1)
    num_literals = (primes != 2).sum(-1)
    chosen, is_smallest = smallest_cover(covers, num_literals.tolist())
    _check_num_terms(len(chosen), max_terms)
    terms = [{i: bit for i, bit in zip(indices, primes[p].tolist(), strict=True) if bit != 2} for p in chosen]
    return Minimised(terms, is_smallest)


def is_only_cover(cover: Cover) -> bool:
    """Whether irredundant prime terms are seen to be the only ones there are, and so the fewest; False can be wrong.

    - No input occurs both as x_i and as not x_i. Then prime implicants have no other literals than these. Each of them
      is needed, because of the row of the truth table where its own literals are 1 and all other ones are 0: another
      term that is 1 there could only have some of the same literals, and then this one would not be prime.
    - Every term has a literal of every input that occurs. Then each is 1 on a single row, and as it is prime, the
      function is 0 on every row that differs from it in one bit. No other prime implicant is 1 on the row: it would
      lack a literal, and so be 1 on one of those as well.

    Source: Quine 1952 for the first case; the lecture's parity for the second.
    """
    literals = cover.literals()
    inputs = {index for index, _ in literals}
    return len(literals) == len(inputs) or cover.num_literals == cover.num_terms * len(inputs)


def _terms(circuit: Circuit, minimised: bool, max_terms: int) -> Iterable[Term]:
    """The terms of the disjunctive normal form, each when it is asked for where they can be many."""
    num_bits = len(input_indices(circuit))
    if not minimised and num_bits <= MAX_TABLE_BITS:
        return _all_terms(circuit, max_terms)
    if num_bits <= MAX_SMALLEST_BITS:
        return minimise(circuit, max_terms=max_terms).terms
    cover = DecisionDiagram(circuit).irredundant_cover()
    _check_num_terms(cover.num_terms, max_terms)
    return cover


def _all_terms(circuit: Circuit, max_terms: int) -> Iterator[Term]:
    """One term of all literals for each input on which the circuit is 1, counting up in binary."""
    indices = input_indices(circuit)
    rows = np.flatnonzero(truth_table(circuit, indices))
    _check_num_terms(len(rows), max_terms)
    for row in rows.tolist():
        yield {index: row >> place & 1 for index, place in zip(indices, reversed(range(len(indices))), strict=True)}


def _check_num_terms(num_terms: int, max_terms: int) -> None:
    """Raises if a normal form has too many terms."""
    if num_terms > max_terms:
        raise ValueError(f"max_terms must be at least {num_terms:,} for this circuit's normal form, got {max_terms:,}")


def prime_implicants(table: Bool[np.ndarray, " rows"]) -> Bool[np.ndarray, "..."]:
    """Which products of literals imply the function, while no shorter part of them does.

    Args:
        table: The function's values, as from `truth_table`.

    Returns:
        An array of d axes of length 3: along each, the input is wanted 0, wanted 1, or does not occur.
    """
    num_bits = len(table).bit_length() - 1
    implies = table.reshape((2,) * num_bits)
    # A product without this input implies the function if the products with it, 0 and 1, both do.
    for axis in range(num_bits):
        implies = np.concatenate([implies, implies.all(axis, keepdims=True)], axis)
    prime = implies.copy()
    # A product is not prime if it still implies the function without its literal of this input.
    for axis in range(num_bits):
        wanted = np.moveaxis(prime, axis, 0)[:2]
        wanted &= ~np.moveaxis(implies, axis, 0)[2]
    return prime


def smallest_cover(
    covers: Bool[np.ndarray, "sets items"], costs: list[int], max_steps: int = MAX_STEPS
) -> tuple[list[int], bool]:
    """The fewest sets, and among these choices the cheapest, that together have every item (branch and bound).

    Args:
        covers: Which set has which item; every item must be in one.
        costs: What each set adds, at least 0, where as many sets do.
        max_steps: After so many choices the best cover found so far has to do.

    Returns:
        The sets, rising, and whether it is proved that there is no better choice. None of them can be left out.
    """
    num_sets, num_items = covers.shape
    # The fixed part of each weight is more than the costs of a whole cover, which needs at most one set for each item.
    # So the lightest cover is one of the fewest sets, and the cheapest of these.
    weights = [1 + num_items * max(costs, default=0) + cost for cost in costs]
    items_of = [_mask(row) for row in covers]
    sets_of = [_mask(column) for column in covers.T]
    order = sorted(range(num_items), key=lambda item: sets_of[item].bit_count())
    best = _greedy_cover(items_of, weights, (1 << num_items) - 1)
    best_weight = sum(weights[candidate] for candidate in best)
    steps = 0

    def search(chosen: list[int], weight: int, uncovered: int, banned: int) -> None:
        """All covers that have the chosen sets and none that is banned, unless they cannot be better than the best."""
        nonlocal best, best_weight, steps
        if not uncovered:
            if weight < best_weight:
                best, best_weight = chosen, weight
            return
        # What the uncovered items weigh at least: those of which no set has two need a set each. On the way, the item
        # with the fewest sets to choose from is found, which the search branches on.
        bound, counted, narrowest, fewest = weight, 0, 0, num_sets + 1
        for item in order:
            if uncovered >> item & 1:
                able = sets_of[item] & ~banned
                if not able:
                    return
                if able.bit_count() < fewest:
                    narrowest, fewest = able, able.bit_count()
                if not able & counted:
                    counted |= able
                    bound += min(weights[candidate] for candidate in _members(able))
        if bound >= best_weight:
            return
        by_gain = sorted(_members(narrowest), key=lambda candidate: -(items_of[candidate] & uncovered).bit_count())
        for candidate in by_gain:
            steps += 1
            if steps > max_steps:
                return
            search([*chosen, candidate], weight + weights[candidate], uncovered & ~items_of[candidate], banned)
            # All covers with this set have been searched now.
            banned |= 1 << candidate

    search([], 0, (1 << num_items) - 1, 0)
    return sorted(best), steps <= max_steps


def _greedy_cover(items_of: list[int], weights: list[int], uncovered: int) -> list[int]:
    """A cover: always the set with most of the items that are still uncovered, and at last without superfluous sets."""
    chosen: list[int] = []
    while uncovered:
        chosen.append(max(range(len(items_of)), key=lambda i: ((items_of[i] & uncovered).bit_count(), -weights[i])))
        uncovered &= ~items_of[chosen[-1]]
    for candidate in list(chosen):
        others = 0
        for other in chosen:
            others |= items_of[other] if other != candidate else 0
        if not items_of[candidate] & ~others:
            chosen.remove(candidate)
    return chosen


def _mask(members: Bool[np.ndarray, " n"]) -> int:
    """A set as the bits of an integer."""
    return int.from_bytes(np.packbits(members, bitorder="little").tobytes(), "little")


def _members(mask: int) -> list[int]:
    """The set of which this is the mask."""
    return [i for i in range(mask.bit_length()) if mask >> i & 1]


def _literals(circuit: Circuit) -> dict[tuple[int, int], Circuit]:
    """For each input x_i of a circuit and each bit: x_i for 1, its negation for 0."""
    inputs = {index: Circuit(Kind.input, (), index) for index in input_indices(circuit)}
    return {(index, bit): x if bit else not_(x) for index, x in inputs.items() for bit in (0, 1)}
