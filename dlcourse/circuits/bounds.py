"""How many gates parity needs: Håstad's lower bound, the upper bound that matches it, and the threshold depth.

Gates are AND and OR of any fan-in; NOTs are free and do not count for the depth.
"""

import math

from dlcourse.checks import check_whole


def depth_2_gates(num_bits: int) -> int:
    """2^(d-1) + 1, exactly: what the shallow circuit has, and no circuit of depth 2 has fewer.

    Args:
        num_bits: Number d of inputs, at least 2.

    The slide's Omega(exp(d^(1/(k-1)))) would claim more at k = 2, e^d; it should read exp(Omega(d^(1/(k-1)))).

    Source: slide "Lower Bound (Hastad, 1986)"; for the proof see `parity.parity_dnf`.
    """
    check_whole("num_bits", num_bits, 2)
    return int(2 ** (num_bits - 1) + 1)


def fan_in_2_gates(num_bits: int, *, count_nots: bool) -> int:
    """The fewest gates of two inputs, at any depth: 3 (d - 1) with NOTs free, 4 (d - 1) with NOTs counted, exactly.

    Args:
        num_bits: Number d of inputs.
        count_nots: Whether NOTs count. `parity.without_xor(..., one_not=True)` attains both numbers.

    Source: Schnorr 1974, Zwei lineare untere Schranken für die Komplexität Boolescher Funktionen; Red'kin 1973, Proof
    of minimality of circuits consisting of functional elements.
    """
    check_whole("num_bits", num_bits, 1)
    return (4 if count_nots else 3) * (num_bits - 1)


def any_depth_lower_bound(num_bits: int) -> int:
    """2d - 1: parity needs at least as many gates, at any depth and fan-in.

    For two bits three gates are needed, and some bit can be set so that two gates fall away while the rest computes the
    parity of one bit less, or its negation. `blocks.best_blocks` comes to floor(5d/2) - 2 gates.

    Args:
        num_bits: Number d of inputs, at least 2.

    Source: Jeřábek's answer in Theoretical Computer Science Stack Exchange 26026; Kombarov reports there that 3, 5, 8,
    10, 12 gates are the fewest for 2 to 6 bits, and 7d/3 plus a constant enough for d.
    """
    check_whole("num_bits", num_bits, 2)
    return 2 * num_bits - 1


def hastad_exponent(num_bits: int, depth: int) -> float:
    """The base-2 logarithm of Håstad's lower bound, (1/10)^(k/(k-1)) d^(1/(k-1)) = (d / 10^k)^(1/(k-1)).

    No parity circuit of depth k has as few as 2 to the power of this gates, *if* d > n_0^k for a constant n_0 that the
    theorem does not name. For d < 10^k it says nothing even so (less than two gates); see `hastad_is_vacuous`.

    Args:
        num_bits: Number d of inputs, at least 2 and of any size.
        depth: Depth k of the circuit, at least 2.

    Returns:
        The exponent, to about 1e-13 relative to it.

    Source: Håstad 1986, Almost Optimal Lower Bounds for Small Depth Circuits, the bound on parity; slide "Lower Bound
    (Hastad, 1986)", which leaves the constant out.
    """
    check_whole("num_bits", num_bits, 2)
    check_whole("depth", depth, 2)
    power = (math.log2(num_bits) - depth * math.log2(10)) / (depth - 1)
    return math.exp2(power)


def hastad_is_vacuous(num_bits: int, depth: int) -> bool:
    """Whether Håstad's bound asks for no more gates than any parity circuit has, `any_depth_lower_bound`.

    Args:
        num_bits: Number d of inputs, at least 2.
        depth: Depth k of the circuit, at least 2.
    """
    return hastad_exponent(num_bits, depth) <= math.log2(any_depth_lower_bound(num_bits))


def hastad_says_something_from(depth: int) -> int:
    """The number of bits from which on Håstad's bound is not vacuous: 1,112 for depth 2, 381,927 for depth 3.

    Its logarithm falls behind that of 2d - 1 first and overtakes it once, so that there is one such number.

    Args:
        depth: Depth k of the circuit, at least 2.
    """
    check_whole("depth", depth, 2)
    vacuous, useful = 2, 4
    while hastad_is_vacuous(useful, depth):
        vacuous, useful = useful, 2 * useful
    while useful - vacuous > 1:
        middle = (vacuous + useful) // 2
        if hastad_is_vacuous(middle, depth):
            vacuous = middle
        else:
            useful = middle
    return useful


def upper_bound(num_bits: int, depth: int) -> int:
    """1 + 2^(b-1) + 2^b sum_{i<m} ceil(d / b^i) gates are enough in depth k = m + 1, with b = ceil(d^(1/m)).

    That is blocks of at most b bits, blocks of at most b blocks, and so on, as in `blocks.equal_blocks`, and never less
    than what `blocks.best_blocks` finds. Its logarithm d^(1/(k-1)) + O(log d) matches Håstad's lower bound but for the
    constant, which is 10^(k/(k-1)): 100 for depth 2, 32 for depth 3, 10 in the limit.

    Args:
        num_bits: Number d of inputs, at least 2.
        depth: Depth k of the circuit, at least 2.

    Source: Håstad 1986, section on parity; the count is in `blocks`.
    """
    check_whole("num_bits", num_bits, 2)
    check_whole("depth", depth, 2)
    size = _block_size(num_bits, depth)
    below = sum(-(-num_bits // size**level) for level in range(1, depth - 1))
    return int(1 + 2 ** (size - 1) + 2**size * below)


def necessary_depth(num_bits: int, num_gates: int) -> int:
    """The smallest depth at which Håstad's bound does not exclude so many gates: k_min(d) is at least that.

    Subject to the same condition on d as `hastad_exponent`; 2, which says nothing, for any d within reach of a machine.

    Args:
        num_bits: Number d of inputs, at least 2.
        num_gates: How many gates there may be, at least 2 d - 1; `num_bits**2` for a polynomial number, say.

    Source: slide "Lower Bound (Hastad, 1986)", "there exists a threshold k_min(d)".
    """
    check_whole("num_gates", num_gates, any_depth_lower_bound(num_bits))
    depth = 2
    while hastad_exponent(num_bits, depth) >= math.log2(num_gates):
        depth += 1
    return depth


def sufficient_depth(num_bits: int, num_gates: int) -> int:
    """The smallest depth at which `upper_bound` comes to so many gates: k_min(d) is at most that.

    Args:
        num_bits: Number d of inputs, at least 2.
        num_gates: How many gates there may be.

    Raises:
        ValueError: If they are fewer than blocks of two bits need, about 4d.

    Source: slide "Lower Bound (Hastad, 1986)", "there exists a threshold k_min(d)".
    """
    check_whole("num_bits", num_bits, 2)
    deepest = (num_bits - 1).bit_length() + 1
    for depth in range(2, deepest + 1):
        if _block_size(num_bits, depth) <= num_gates.bit_length() and upper_bound(num_bits, depth) <= num_gates:
            return depth
    fewest = upper_bound(num_bits, deepest)
    raise ValueError(f"num_gates must be at least {fewest} for {num_bits} bits, got {num_gates}")


def threshold_depth(num_bits: int, constant: float = 0.0) -> float:
    """The lecture's formula for the threshold, log(d - 1) / (log log(d - 1) + c), with logarithms to base 2.

    Polynomially many gates *need* at least about this depth; the slide's "becomes polynomial for" says more than is
    proved. Nobody names c, and the formula means something for very large d only: without it, 4 bits would need a
    greater depth than 16.

    Args:
        num_bits: Number d of inputs, at least 4.
        constant: The slide's O(1).

    Raises:
        ValueError: If the denominator is not above 0.

    Source: slide "Lower Bound (Hastad, 1986)", the formula for k.
    """
    check_whole("num_bits", num_bits, 4)
    logarithm = math.log2(num_bits - 1)
    denominator = math.log2(logarithm) + constant
    if denominator <= 0:
        raise ValueError(f"constant must be above {-math.log2(logarithm):g} for {num_bits} bits, got {constant}")
    return logarithm / denominator


def _block_size(num_bits: int, depth: int) -> int:
    """The smallest b of at least 2 with b^(k-1) >= d, by exact integers."""
    low, high = 1, 2
    while high ** (depth - 1) < num_bits:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle ** (depth - 1) < num_bits else (low, middle)
    return high
