"""Numbers of several digits, which floats multiply without a rounding: between float64 and integers.

The numbers of an array are written in a base B = 2^b, with one place for all of them,

    x = B^place (d[0] / B + d[1] / B^2 + ...),    d[j] whole, |d[j]| <= B / 2

and their digits are kept in float64. The product of a matrix W of I digits with vectors x of n entries has the terms

    C[k] = sum of W[i] x[j] over i + j = k,    |C[k]| <= n I B^2 / 4,    W x = B^places (C[0] / B^2 + C[1] / B^3 + ...)

where every W[i] x[j] is a product of matrices of whole numbers. As long as the sizes of all that is summed up stay
below 2^53, nothing is rounded, in whatever order a fast product takes its sums; b is chosen for that. Carries then make
digits of the sums. W x is off only by what has been left out, and that is bounded here, in the 2-norm over units (n
entries that are off by e each are off by sqrt(n) e):

- Digits from d[j] on are at most B / 2 (B^-(j + 1) + B^-(j + 2) + ...) < B^-j, in units of B^place.
- Terms from C[k] on are less than n I B^2 / 4 (B^-(k + 2) + B^-(k + 3) + ...) < n I B^-k / 2.
- What the digits of W leave, R, would make R x, at most |R|_F |x| < |R|_F sqrt(n), for all |x[i]| < 1.
- An error of x is stretched by |W| at most.

Places are whole numbers, so that nothing overflows or underflows but bounds: up, to infinity, and then they prove
nothing; or down, where TINY is more than what they lose.

Source: K. Ozaki, T. Ogita, S. Oishi, S. M. Rump, Error-free transformations of matrix multiplication by using fast
routines of matrix multiplication and its applications, Numerical Algorithms 59 (2012), section 3: matrices are split
into slices of so few bits that the products of slices are exact. Here slices are digits, which need no second sum.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.arithmetic.rounding import SLACK, TINY

MOST_FACTORS = 8  # digits of what is multiplied by: those of weights end after three or four as a rule
MOST_DIGITS = 64  # that the sums of entries' products are safe for
_LEAST_BITS = 18  # carries of sums below 2^53 need no more than two further digits


class Split(NamedTuple):
    """Floats as digits and what these leave."""

    digits: list[Float[np.ndarray, "..."]]
    place: int
    left: Float[np.ndarray, "..."]  # in units of B^(place - len(digits)), less than 2^-1000 of B^place off


class Digits(NamedTuple):
    """Numbers of a network's units, such as slopes and intercepts of their functions.

    Attributes:
        digits: Their digits, the highest first.
        place: The power of B that all are multiplied by.
        error: How far off each column may be, in the 2-norm, in units of B^place.
    """

    digits: Float[np.ndarray, "digits units columns"]
    place: int
    error: Float[np.ndarray, " columns"]

    def taken(self, columns: Int[np.ndarray, " some"]) -> "Digits":
        """Some of the columns."""
        return Digits(self.digits.take(columns, axis=2), self.place, self.error[columns])


@dataclass(frozen=True)
class Base:
    """How numbers are written.

    Attributes:
        bits: The base is 2^bits.
        most: How many digits are kept.
    """

    bits: int
    most: int

    def below(self, digits: int) -> float:
        """B^-digits, or a bound for it."""
        return max(TINY, 2.0 ** (-self.bits * min(digits, 50)))

    def split(self, numbers: Float[np.ndarray, "..."], most: int) -> Split:
        """Floats as so many digits, or fewer if they leave nothing."""
        largest = math.frexp(float(np.abs(numbers).max(initial=0)))[1]
        place = -(-(largest + 1) // self.bits)  # all numbers are B^place / 2 at most
        left = np.ldexp(numbers, -self.bits * place)
        digits: list[np.ndarray] = []
        while not digits or (len(digits) < most and left.any()):
            left = left * 2.0**self.bits
            digits.append(np.rint(left))
            left = left - digits[-1]  # exact: some of its last bits, and at most 1/2
        return Split(digits, place, left)

    def carried(
        self, sums: Float[np.ndarray, "places units columns"], place: int, error: Float[np.ndarray, " columns"]
    ) -> Digits:
        """The digits of B^place (sums[0] / B + sums[1] / B^2 + ...), which takes the place of the sums.

        Args:
            sums: Whole numbers below 2^53, the first two less than B / 4: they are there for the carries.
            place: The power of B that they are multiplied by.
            error: How far off each column may be, in the 2-norm, in units of B^place.
        """
        base, carry = 2.0**self.bits, np.empty(sums.shape[1:])
        for k in range(len(sums) - 1, 0, -1):
            np.multiply(sums[k], 1 / base, out=carry)
            np.rint(carry, out=carry)
            sums[k - 1] += carry
            carry *= base
            sums[k] -= carry
        first = next((k for k in range(len(sums)) if sums[k].any()), 0)
        error = np.ldexp(error, self.bits * first)
        if first + self.most < len(sums):
            error = error + math.sqrt(sums.shape[1]) * self.below(self.most)
        return Digits(sums[first : first + self.most], place - first, SLACK * error + TINY)

    def products(
        self, a: Float[np.ndarray, "digits_of_a units columns"], b: Float[np.ndarray, "digits_of_b units_or_1 columns"]
    ) -> tuple[Float[np.ndarray, "places units columns"], float]:
        """Sums for `carried` of products entry by entry, one place above both places, and what each may be off by."""
        sums = np.zeros((self.most + 3, *a.shape[1:]))
        for i in range(min(len(a), self.most + 1)):
            kept = min(len(b), self.most + 1 - i)
            sums[i + 2 : i + 2 + kept] += a[i] * b[:kept]
        return sums, min(len(a), len(b)) / 2 * self.below(self.most + 2)

    def times(self, factor: Float[np.ndarray, "units columns"], numbers: Digits) -> Digits:
        """Floats times numbers, entry by entry."""
        parts, place, left = self.split(factor, MOST_FACTORS)
        sums, missing = self.products(np.stack(parts), numbers.digits)
        missing += (float(np.abs(left).max(initial=0)) * self.below(len(parts)) + TINY) * self.below(1)
        stretched = np.ldexp(np.abs(factor).max(axis=0), -self.bits * (place + 1)) * numbers.error
        return self.carried(sums, place + numbers.place + 1, stretched + math.sqrt(len(factor)) * missing)

    def together(self, parts: Sequence[tuple[Int[np.ndarray, " some"], Digits]]) -> Digits:
        """Numbers of the same units side by side, with one place for all of them.

        Args:
            parts: Which columns of all they are, each once, and the numbers. They move down by whole digits to the
                largest place; what is then beyond the digits that are kept is lost.
        """
        place = max(numbers.place for _, numbers in parts)
        num_units = parts[0][1].digits.shape[1]
        num_digits = min(self.most, max(len(numbers.digits) + place - numbers.place for _, numbers in parts))
        num_columns = sum(len(columns) for columns, _ in parts)
        digits, error = np.zeros((num_digits, num_units, num_columns)), np.empty(num_columns)
        for columns, numbers in parts:
            above = place - numbers.place
            some = numbers.digits[: max(0, num_digits - above)]
            digits[above : above + len(some), :, columns] = some
            lost = self.below(num_digits) if len(some) < len(numbers.digits) else 0.0
            off = np.ldexp(numbers.error, -self.bits * above) + math.sqrt(num_units) * lost
            error[columns] = SLACK * off + TINY
        return Digits(digits, place, error)

    def floats(self, digits: Float[np.ndarray, "digits units columns"]) -> Float[np.ndarray, "units columns"]:
        """Numbers with place 0, rounded: off by 2^-51 of themselves at most.

        From the last digit to the first, what is below a digit is divided by B and added to it, which is rounded by
        2^-53 of the sum. Where the digit is not 0, the sum is at least what is below it, B times as large as its error.
        """
        below = np.zeros(digits.shape[1:])
        for digit in digits[::-1]:
            below = (digit + below) * 2.0**-self.bits
        return below


def base_for(widest: int, most: int) -> Base | None:
    """The base for layers of so many inputs; None if they are too many.

    Sums of widest * MOST_FACTORS products of digits, or of 2 * MOST_DIGITS ones, stay below 2^52, so that they stay
    below 2^53 with a digit and a carry more.
    """
    bits = (52 - math.ceil(math.log2(MOST_FACTORS / 4 * max(widest, 16)))) // 2
    return Base(bits, min(most, MOST_DIGITS)) if bits >= _LEAST_BITS else None
