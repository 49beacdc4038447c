"""Evaluation of circuits on every input at once, 64 inputs to a word, and proofs that two are equal."""

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Integer, UInt64

from dlcourse.circuits.circuit import Circuit, Kind, input_indices, sub_circuits, xor
from dlcourse.circuits.decision_diagram import DecisionDiagram

MAX_BITS = 32
"""More inputs than this have too many rows to go through: 2^32 rows are 2^26 words a gate, minutes for a circuit."""

MAX_QUICK_BITS = 24
"""So many inputs are gone through in a second or two; with more, two circuits are first compared by a diagram."""

MAX_BYTES = 2**24
"""Memory for the values of a circuit's gates; beyond it the rows are gone through in chunks."""

OPERATIONS = {Kind.not_: np.invert, Kind.and_: np.bitwise_and, Kind.or_: np.bitwise_or, Kind.xor: np.bitwise_xor}
ALL_ONES = np.uint64(2**64 - 1)
# The values of the six inputs that change within a word, lowest first: bit r of word p, which belongs to row r, is bit
# p of the number r.
WITHIN_A_WORD = np.array([sum(1 << row for row in range(64) if row >> p & 1) for p in range(6)], dtype=np.uint64)


def truth_table(circuit: Circuit, indices: Sequence[int] | None = None) -> Bool[np.ndarray, " rows"]:
    """The circuit's value on every input.

    Args:
        circuit: Any circuit.
        indices: The d inputs that span the table; must include those of the circuit. None: x_1 to the highest that
            occurs.

    Returns:
        2^d values, rows counting up in binary, the first index's bit highest: for x_1 and x_2 on 00, 01, 10, 11.

    Raises:
        ValueError: If an input of the circuit is missing, or there are more than `MAX_BITS`.

    Cost: one operation a gate and input wire for 64 rows; the gates' values take at most `MAX_BYTES` at a time (and one
    word each), because the rows are gone through in chunks and a value is dropped after its last use.
    """
    if indices is None:
        indices = range(1, max(input_indices(circuit), default=0) + 1)
    words = np.concatenate([chunk.copy() for chunk in _chunks(circuit, indices)])
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=2 ** len(indices), bitorder="little")
    return bits.view(np.bool_)


def evaluate(
    circuit: Circuit, bits: Bool[np.ndarray, "rows bits"] | Integer[np.ndarray, "rows bits"]
) -> Bool[np.ndarray, " rows"]:
    """The circuit's value on the inputs given.

    Args:
        circuit: Any circuit.
        bits: One input a row, 0s and 1s; column 0 is x_1.

    Raises:
        ValueError: If a value is neither 0 nor 1, or there are fewer columns than inputs.
    """
    if not np.isin(bits, (0, 1)).all():
        raise ValueError(f"bits must be 0 or 1, got {np.setdiff1d(bits, [0, 1])[0]}")
    program = _Program.of(circuit, range(1, bits.shape[1] + 1))
    values = np.zeros((program.num_registers, len(bits)), dtype=np.bool_)
    values[: bits.shape[1]] = bits.T
    return program.run(values).copy()


def equivalent(one: Circuit, other: Circuit) -> bool:
    """Whether two circuits agree on every input: proved as by `counterexample`.

    Raises:
        ValueError: As there.
    """
    return counterexample(one, other) is None


def counterexample(one: Circuit, other: Circuit) -> dict[int, int] | None:
    """The first input on which two circuits differ, counting up in binary with x_1's bit highest.

    Found by going through all 2^d inputs, or, if more than `MAX_QUICK_BITS` occur, by a decision diagram. Where that
    cannot be built, up to `MAX_BITS` inputs are gone through after all, for minutes.

    Returns:
        The bit of each input x_i that occurs in either, by its index i; None if there is no such input.

    Raises:
        ValueError: If there are more, see `DecisionDiagram`.
    """
    differ = xor(one, other)
    indices = input_indices(differ)
    if len(indices) > MAX_QUICK_BITS:
        try:
            return DecisionDiagram(differ).first_one()
        except ValueError:
            if len(indices) > MAX_BITS:
                raise
    first_word = 0
    for words in _chunks(differ, indices):
        if words.any():
            position = int(np.flatnonzero(words)[0])
            word = int(words[position])
            # word & -word keeps only the lowest bit that is set: the first row of this word on which they differ.
            row = 64 * (first_word + position) + (word & -word).bit_length() - 1
            return {index: row >> (len(indices) - 1 - i) & 1 for i, index in enumerate(indices)}
        first_word += len(words)
    return None


@dataclass(frozen=True)
class _Program:
    """A circuit as a list of steps on registers; the inputs lie in the first ones and stay there."""

    steps: list[tuple[np.ufunc, tuple[int, ...], int]]
    num_registers: int
    output: int

    def run(self, registers: np.ndarray) -> np.ndarray:
        """Goes through the steps; the register of the output."""
        for operation, sources, target in self.steps:
            operation(*(registers[source] for source in sources), out=registers[target])
        result: np.ndarray = registers[self.output]
        return result

    @staticmethod
    def of(circuit: Circuit, indices: Sequence[int]) -> "_Program":
        """Steps in an order in which few values wait: each is taken up by its gate as soon as it is there."""
        if absent := set(input_indices(circuit)) - set(indices):
            raise ValueError(f"indices must include {sorted(absent)}, which the circuit uses, got {list(indices)}")
        uses = Counter(part for gate in sub_circuits(circuit) for part in gate.parts)
        registers = {Circuit(Kind.input, (), index): place for place, index in enumerate(indices)}
        steps: list[tuple[np.ufunc, tuple[int, ...], int]] = []
        num_registers, free = len(indices), list[int]()

        def release(part: Circuit) -> None:
            uses[part] -= 1
            if not uses[part] and part.kind is not Kind.input:
                heapq.heappush(free, registers.pop(part))

        waiting = [] if circuit in registers else [circuit]
        num_parts_used = Counter[Circuit]()
        while waiting:
            gate = waiting[-1]
            # A gate does not wait until all of its parts are computed, which would keep a register for each. It begins
            # with the first two and then takes in the others one at a time.
            needed = gate.parts[num_parts_used[gate] : max(num_parts_used[gate] + 1, 2)]
            missing = next((part for part in needed if part not in registers), None)
            if missing is not None:
                waiting.append(missing)
                continue
            sources = [registers[part] for part in needed]
            for part in needed:
                release(part)
            if gate in registers:
                sources.insert(0, registers[gate])
            else:
                if not free:
                    free.append(num_registers)
                    num_registers += 1
                registers[gate] = heapq.heappop(free)
            target = registers[gate]
            if gate.parts:
                steps.append((OPERATIONS[gate.kind], tuple(sources), target))
            else:
                # A constant. x XOR x is 0, whatever the register holds; its negation is 1.
                steps.append((np.bitwise_xor, (target, target), target))
                if gate.kind is Kind.and_:
                    steps.append((np.invert, (target,), target))
            num_parts_used[gate] += len(needed)
            if num_parts_used[gate] == len(gate.parts):
                waiting.pop()
        return _Program(steps, num_registers, registers[circuit])


def _chunks(circuit: Circuit, indices: Sequence[int]) -> Iterator[UInt64[np.ndarray, " words"]]:
    """The circuit's values, 64 rows a word; the next chunk overwrites the one before."""
    num_bits = len(indices)
    if num_bits > MAX_BITS:
        raise ValueError(f"indices must be at most {MAX_BITS} inputs to go through all their values, got {num_bits}")
    program = _Program.of(circuit, indices)
    chunk_bits = max(0, min(num_bits - 6, (MAX_BYTES // (8 * max(1, program.num_registers))).bit_length() - 1))
    registers = np.zeros((program.num_registers, 2**chunk_bits), dtype=np.uint64)
    word = np.arange(2**chunk_bits)
    # The inputs with the six lowest bits of a row's number change within a word, the next from word to word; those with
    # the highest bits change only from one chunk to the next, and are set there.
    for place in range(num_bits):
        bit = num_bits - 1 - place
        if bit < 6:
            registers[place] = WITHIN_A_WORD[bit]
        elif bit < 6 + chunk_bits:
            registers[place] = (word >> (bit - 6) & 1).astype(np.uint64) * ALL_ONES
    num_top = max(0, num_bits - 6 - chunk_bits)
    for chunk in range(2**num_top):
        for place in range(num_top):
            registers[place] = ALL_ONES if chunk >> (num_top - 1 - place) & 1 else 0
        yield program.run(registers)
