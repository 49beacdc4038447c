"""Random circuits for hypothesis, and their values worked out one input at a time."""

from hypothesis import strategies as st

from dlcourse.circuits import Circuit, Kind, and_, inputs, not_, or_, xor


def circuits(num_bits: int, max_gates: int = 12) -> st.SearchStrategy[Circuit]:
    """Circuits in which each gate takes any of the inputs and gates before it, none of them or one twice included."""

    @st.composite
    def build(draw: st.DrawFn) -> Circuit:
        available = inputs(num_bits)
        for _ in range(draw(st.integers(0, max_gates))):
            gate = draw(st.sampled_from([and_, or_, xor, not_]))
            parts = st.sampled_from(available)
            num_parts = (1, 1) if gate is not_ else (0, 4)
            available.append(gate(*draw(st.lists(parts, min_size=num_parts[0], max_size=num_parts[1]))))
        return available[-1]

    return build()


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
