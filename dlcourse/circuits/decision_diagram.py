"""Circuits of many inputs as binary decision diagrams: what is true of a function, without going through its table."""

from collections.abc import Generator, Iterator
from typing import Any

from dlcourse.circuits.circuit import Circuit, Kind, sub_circuits

MAX_STEPS = 2**20
"""Steps that a diagram may take: ten seconds and 400 MB."""

Term = dict[int, int]
"""A product of literals: the bit that it wants of each input x_i, by its index i."""


class Cover:
    """Products of literals, however many: iterating over it makes one at a time.

    Terms that end alike share that end, so that the 2^(d-1) terms of parity are 2d - 1 small objects.

    Attributes:
        index: The input x_i that is looked at first, 0 if none is left.
        parts: The ends of the terms that want it 0, of those that want it 1, and of those in which it does not occur.
        num_terms: The number of terms.
        num_literals: Literals of all terms together.
    """

    __slots__ = ("index", "num_literals", "num_terms", "parts")
    num_terms: int
    num_literals: int

    def __init__(self, index: int, parts: "tuple[Cover, ...]") -> None:
        self.index, self.parts = index, parts
        self.num_terms = sum(part.num_terms for part in parts)
        self.num_literals = sum(part.num_literals for part in parts) + sum(part.num_terms for part in parts[:2])

    def __repr__(self) -> str:
        return f"<cover of {self.num_terms} terms, {self.num_literals} literals>"

    def __iter__(self) -> Iterator[Term]:
        waiting: list[tuple[Cover, Any]] = [(self, None)]
        while waiting:
            # The literals on the way here are a linked list, which ways with the same beginning share: a pair of the
            # last literal and the list of those before it.
            cover, literals = waiting.pop()
            if cover is ONLY_THE_EMPTY_TERM:
                term = {}
                while literals:
                    (index, bit), literals = literals
                    term[index] = bit
                yield dict(sorted(term.items()))
            for bit, part in reversed(list(enumerate(cover.parts))):
                if part.num_terms:
                    waiting.append((part, literals if bit == 2 else ((cover.index, bit), literals)))

    def literals(self) -> set[tuple[int, int]]:
        """Every literal that occurs in a term: the index of its input, and the bit wanted."""
        occurring = set[tuple[int, int]]()
        waiting, seen = [self], {self}
        while waiting:
            cover = waiting.pop()
            occurring |= {(cover.index, bit) for bit, part in enumerate(cover.parts[:2]) if part.num_terms}
            waiting += {*cover.parts} - seen
            seen.update(cover.parts)
        return occurring


NO_TERMS = Cover(0, ())
ONLY_THE_EMPTY_TERM = Cover(0, ())
ONLY_THE_EMPTY_TERM.num_terms = 1


class DecisionDiagram:
    """A circuit's function as a reduced ordered binary decision diagram.

    A node asks for one input and goes on to one of two nodes; on every way the inputs come in the same order; no two
    nodes are alike, and none goes on to the same node twice. So equal functions are the same node, and a function is
    constant if it is node 0 or node 1. Parity of d inputs has 2d - 1 nodes. Some functions need exponentially many,
    for example the middle bit of a product.

    Args:
        circuit: Any circuit.
        max_steps: When to give up.

    Attributes:
        order: The indices i of the inputs x_i in the order in which they are asked for.
        root: The circuit's function; 0 and 1 are the constants.

    Raises:
        ValueError: If it takes more steps.

    Source: Bryant 1986, Graph-Based Algorithms for Boolean Function Manipulation. Cost: for two functions of n and m
    nodes n m steps; most take far fewer.
    """

    def __init__(self, circuit: Circuit, max_steps: int = MAX_STEPS) -> None:
        self.order = _order(circuit)
        self._max_steps, self._num_steps = max_steps, 0
        # For each node, where in the order the input stands that it asks for, and the two nodes that it goes on to.
        # Nodes 0 and 1, the constants, ask for nothing: they stand after all inputs, and go on to themselves.
        self._places = [len(self.order)] * 2
        self._children = [(0, 0), (1, 1)]
        self._nodes: dict[tuple[int, int, int], int] = {}
        self._choices: dict[tuple[int, int, int], int] = {}
        self._inputs = {index: self._node(place, 0, 1) for place, index in enumerate(self.order)}
        functions: dict[Circuit, int] = {}
        parts = list(sub_circuits(circuit))
        for number, part in enumerate(parts, 1):
            self._at = f"part {number} of {len(parts)}"
            functions[part] = self._function(part, [functions[inner] for inner in part.parts])
        self.root = functions[circuit]

    def __repr__(self) -> str:
        return f"<decision diagram of {self.num_nodes} nodes, {len(self.order)} inputs>"

    @property
    def num_nodes(self) -> int:
        """The nodes on the ways from the root, without the constants."""
        seen, waiting = {0, 1}, [self.root]
        while waiting:
            node = waiting.pop()
            if node not in seen:
                seen.add(node)
                waiting += self._children[node]
        return len(seen) - 2

    def first_one(self) -> Term | None:
        """The first input on which the function is 1, x_1's bit counting most; None if there is none."""
        if self.root == 0:
            return None
        term, rest = Term(), self.root
        for index in sorted(self.order):
            # The bit is 0 if there is still a 1 with it. If not, it is 1 wherever the rest is, which needs no change.
            with_0 = self._choose(self._inputs[index], 0, rest)
            term[index] = int(with_0 == 0)
            rest = with_0 or rest
        return term

    def irredundant_cover(self) -> Cover:
        """Terms whose OR is the function, of which none can be left out, and no literal of any.

        Raises:
            ValueError: If it takes more steps than the diagram may.

        Source: Minato 1993, Fast Generation of Prime-Irredundant Covers from Binary Decision Diagrams; Morreale 1970,
        Recursive Operators for Prime Implicant and Irredundant Normal Form Determination.
        """
        self._at = "the terms"
        covers: dict[tuple[int, int], tuple[Cover, int]] = {}

        def cover(least: int, most: int) -> Generator[Any, Any, tuple[Cover, int]]:
            """Terms, and their OR, which is 1 wherever `least` is and 0 wherever `most` is."""
            if least == 0:
                return NO_TERMS, 0
            if most == 1:
                return ONLY_THE_EMPTY_TERM, 1
            if (least, most) not in covers:
                self._step()
                place = min(self._places[least], self._places[most])
                (least_0, least_1), (most_0, most_1) = self._at_both(least, place), self._at_both(most, place)
                # Where `least` is 1 and `most` would be 0 if the input were 1, only terms that want the input 0 can
                # cover it; likewise with 0 and 1 exchanged. Terms without the input cover what these leave.
                terms_0, union_0 = yield cover(self._choose(most_1, 0, least_0), most_0)
                terms_1, union_1 = yield cover(self._choose(most_0, 0, least_1), most_1)
                left = self._choose(self._choose(union_0, 0, least_0), 1, self._choose(union_1, 0, least_1))
                terms, union_without = yield cover(left, self._choose(most_0, most_1, 0))
                input_ = self._inputs[self.order[place]]
                union = self._choose(union_without, 1, self._choose(input_, union_1, union_0))
                covers[least, most] = Cover(self.order[place], (terms_0, terms_1, terms)), union
            return covers[least, most]

        terms: Cover
        terms, union = _result(cover(self.root, self.root))
        assert union == self.root
        return terms

    def _function(self, gate: Circuit, parts: list[int]) -> int:
        """The gate's function, from those of its parts."""
        match gate.kind:
            case Kind.input:
                return self._inputs[gate.index]
            case Kind.not_:
                return self._choose(parts[0], 0, 1)
        # Neighbours are joined in pairs, then the pairs, and so on. One after another, every part would be joined to
        # all that came before it, and so a large function be made for each.
        while len(parts) > 1:
            pairs = [self._of_two(gate.kind, *parts[i : i + 2]) for i in range(0, len(parts) - 1, 2)]
            parts = pairs + parts[2 * len(pairs) :]
        return parts[0] if parts else int(gate.kind is Kind.and_)

    def _of_two(self, kind: Kind, one: int, other: int) -> int:
        """AND, OR or XOR of two functions."""
        if kind is Kind.and_:
            return self._choose(one, other, 0)
        return self._choose(one, 1 if kind is Kind.or_ else self._choose(other, 0, 1), other)

    def _choose(self, condition: int, yes: int, no: int) -> int:
        """The function that is `yes` where the condition is 1, and `no` elsewhere."""
        return int(_result(self._choosing(condition, yes, no)))

    def _choosing(self, condition: int, yes: int, no: int) -> Generator[Any, Any, int]:
        """The same as a generator that yields its recursive calls instead of making them; `_result` runs it."""
        if condition == 1 or yes == no:
            return yes
        if condition == 0:
            return no
        if (yes, no) == (1, 0):
            return condition
        if (condition, yes, no) not in self._choices:
            self._step()
            place = min(self._places[condition], self._places[yes], self._places[no])
            at_0, at_1 = zip(*(self._at_both(function, place) for function in (condition, yes, no)), strict=True)
            low, high = (yield self._choosing(*at_0)), (yield self._choosing(*at_1))
            self._choices[condition, yes, no] = self._node(place, low, high)
        return self._choices[condition, yes, no]

    def _at_both(self, node: int, place: int) -> tuple[int, int]:
        """The function with 0, and with 1, for the input at this place, which is its first or comes before that."""
        return self._children[node] if self._places[node] == place else (node, node)

    def _node(self, place: int, low: int, high: int) -> int:
        """The node that asks for this input and goes on to these: the one there is already, or a new one."""
        if low == high:
            return low
        node = self._nodes.setdefault((place, low, high), len(self._children))
        if node == len(self._children):
            self._places.append(place)
            self._children.append((low, high))
        return node

    def _step(self) -> None:
        """Counts; raises if it is one too many."""
        self._num_steps += 1
        if self._num_steps > self._max_steps:
            raise ValueError(
                f"circuit must have a decision diagram of at most {self._max_steps:,} steps, got no further than "
                f"{self._at}, with {len(self._children):,} nodes"
            )


def _order(circuit: Circuit) -> list[int]:
    """The indices of a circuit's inputs in the order in which a diagram shall ask for them.

    It is the order of their first occurrence on a walk from the output that visits the shallower parts of every gate
    first. In a chain, where each gate joins one input x_k to all the gates before it, the diagram then asks first for
    the input that is nearest to the output, and every gate adds only one or two nodes to those there are.
    """
    heights: dict[Circuit, int] = {}
    for node in sub_circuits(circuit):
        heights[node] = 1 + max((heights[part] for part in node.parts), default=0)
    order: list[int] = []
    seen: set[Circuit] = set()
    waiting = [circuit]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            order += [node.index] if node.kind is Kind.input else []
            waiting += reversed(sorted(node.parts, key=lambda part: heights[part]))
    return order


def _result(computation: Generator[Any, Any, Any]) -> Any:
    """Runs a generator that yields its recursive calls: they wait in a list, so no recursion is too deep for Python."""
    waiting, result = [computation], None
    while waiting:
        try:
            waiting.append(waiting[-1].send(result))
            result = None
        except StopIteration as stop:
            waiting.pop()
            result = stop.value
    return result
