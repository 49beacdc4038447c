"""Random circuits for hypothesis, and their values worked out one input at a time."""

from dataclasses import dataclass

from hypothesis import strategies as st

from dlcourse.circuits import Circuit, Kind, and_, inputs, not_, or_, xor


@dataclass(frozen=True)
class Plan:
    """What a circuit is built from; built in the test, because the checks of shapes must not run inside a strategy."""

    num_bits: int
    gates: list[tuple[str, list[int]]]

    def build(self) -> Circuit:
        """Each gate takes any of the inputs and gates before it, none of them or one twice included."""
        available = inputs(self.num_bits)
        for kind, places in self.gates:
            parts = [available[place % len(available)] for place in places]
            if kind == "not":
                available.append(not_(parts[0] if parts else available[-1]))
            else:
                available.append({"and": and_, "or": or_, "xor": xor}[kind](*parts))
        return available[-1]


def plans(num_bits: int, max_gates: int = 12) -> st.SearchStrategy[Plan]:
    """Plans for circuits of x_1 .. x_d with up to so many gates and NOTs."""
    gate = st.tuples(st.sampled_from(["and", "or", "xor", "not"]), st.lists(st.integers(0, 99), max_size=4))
    return st.builds(Plan, st.just(num_bits), st.lists(gate, max_size=max_gates))


def value(circuit: Circuit, bits: tuple[int, ...]) -> bool:
    """The circuit's value on one input, straight from the meaning of the gates."""
    parts = [value(part, bits) for part in circuit.parts]
    match circuit.kind:
        case Kind.input:
            return bool(bits[circuit.index - 1])
        case Kind.not_:
            return not parts[0]
        case Kind.and_:
            return all(parts)
        case Kind.or_:
            return any(parts)
        case Kind.xor:
            return sum(parts) % 2 == 1
