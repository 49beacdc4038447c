"""How far floats may be from the exact numbers: derived bounds, so that a sign is believed only where it is proven.

A sum of n products in float64, in whatever order, is off by at most n u / (1 - n u) times the sum of their sizes,
u = 2^-53 (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). And it is not off at all if all the
products are integer multiples of one power of two, a quantum, and their sizes sum to less than 2^53 quanta: no partial
sum then needs more than the 53 bits that there are. The second fact proves the zeros of networks whose weights are
small integers, such as nested tents, for the price of a few operations on floats.

Layers come with all their weights, or without those that are 0, as sparse matrices (`UnitLayer.stored`). A product with
such a one has only the terms that are stored, so that only these count.
"""

import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Int

from dlcourse.pieces.layer import SparseWeight

EPS = 2.0**-52  # 2 u: bounds written with it are twice what they must be
SLACK = 1 + 2.0**-20  # a bound times this is one although it was itself rounded, up to 2^32 times
TINY = 2.0**-1000  # more than all that is lost where products fall below the smallest float, 2^-1074
TINY_NORM = 2.0**-100  # the same for norms, which are made of roots of sums of powers
TINY_LENGTH = 2.0**-500  # the same for lengths, which are made of squares
_MOST_PRODUCTS = 2.0**28  # of two numbers, for a norm: some seconds
EXACT = 2.0**52  # quanta, half of what is allowed: sizes are rounded too


def quantum(numbers: Float[np.ndarray, "numbers sets"]) -> Float[np.ndarray, " sets"]:
    """The largest power of two of which all numbers of a set are integer multiples; infinity if all are 0, or none.

    0 (unknown) if it is less than 2^-26 of the largest number: products of longer numbers need more than 53 bits.
    """
    largest = np.abs(numbers).max(axis=0, initial=0)
    exponent = np.frexp(largest)[1]
    scaled = numbers * np.ldexp(1.0, 26 - exponent)
    whole = scaled.astype(np.int64)
    bits = np.bitwise_or.reduce(whole, axis=0)
    lowest = np.ldexp((bits & -bits).astype(np.float64), exponent - 26)
    return np.where(largest == 0, np.inf, np.where((whole == scaled).all(axis=0), lowest, 0))


Weight = Float[np.ndarray, "members out_features in_features"] | SparseWeight


def frobenius(weight: Weight) -> Float[np.ndarray, " members"]:
    """A bound for the Frobenius norm of each member's W."""
    if isinstance(weight, tuple):
        return np.asarray(np.sqrt([of_member.data @ of_member.data for of_member in weight]) + TINY_NORM)
    return np.asarray(np.sqrt(np.einsum("moi,moi->m", weight, weight)) + TINY_NORM)


def norm(weight: Weight, num_vectors: int) -> Float[np.ndarray, " members"]:
    """A bound for the 2-norm of each member's W, that is for how much W can stretch an error.

    |W|^2 is the largest eigenvalue of W W^T, hence at most c + |(W W^T - c)^4|_F^(1/4) for any c, such as the mean of
    all eigenvalues. That is about 1.01 |W| for a large random matrix; and a layer that passes all its inputs on
    besides, whose eigenvalues lie close together, is bounded as well. Where it would cost more than applying W to the
    vectors, |W| <= |W|_F instead. For a sparse W: |W|^2 <= |W|_1 |W|_inf, the largest sum of the sizes in a
    column and in a row (Golub & Van Loan, Matrix Computations, corollary 2.3.2). The same bounds the norm of the matrix
    of sizes, which has these sums, too. In a convolution they are sums over one window, however large the image.
    """
    if isinstance(weight, tuple):
        largest = [[abs(w).sum(axis=axis).max(initial=0) for axis in (0, 1)] for w in weight]
        return np.asarray(np.minimum(np.sqrt(np.prod(largest, axis=1)) + TINY_NORM, frobenius(weight)))
    num_outputs, num_inputs = weight.shape[1:]
    if weight.size == 0:
        return np.zeros(len(weight))
    if not norm_is_cheap(weight, num_vectors):
        return frobenius(weight)
    exponent = np.frexp(np.abs(weight).max(axis=(1, 2)))[1]
    scaled = np.ldexp(weight, -exponent[:, None, None])  # so that no power overflows, and few vanish
    transposed = scaled.transpose(0, 2, 1)
    gram = scaled @ transposed if num_outputs < num_inputs else transposed @ scaled
    mean, diagonal = np.einsum("mii->m", gram) / gram.shape[1], np.arange(gram.shape[1])
    gram[:, diagonal, diagonal] -= mean[:, None]
    for _ in range(2):
        gram = gram @ gram
    bounds = np.sqrt(mean + np.einsum("mij,mij->m", gram, gram) ** 0.125) + TINY_NORM
    return np.asarray(np.ldexp(bounds, exponent) + TINY_LENGTH)


def norm_is_cheap(weight: Weight, num_vectors: int) -> bool:
    """Whether `norm` is closer than Frobenius' of a dense W: where it costs little, or no more than W times vectors."""
    return not isinstance(weight, tuple) and min(weight.shape[1:]) <= max(64, num_vectors)


def close_norm(weight: SparseWeight, *, squared: bool = False) -> Float[np.ndarray, " members"]:
    """A bound for the 2-norm of each member's sparse W, two to four times closer than `norm`, but of a larger product.

    |W|^2 is at most the sum of |S|^2 and |R|^2 if some rows of W are those of S and the others those of R; and likewise
    for columns. S has all rows, and then all columns, of one number only: they pass something on, and |S|^2 is the
    largest sum of squares that meet in one place. For what is left |R|^2 <= |R R^T|_inf, where most of the terms of a
    convolution's windows cancel, whose sizes `norm` adds up. Where that takes too long, it is `norm`.

    Args:
        weight: W of each member.
        squared: Whether it is |R|^4 <= |(R R^T)^2|_inf instead, which is closer by a third and takes ten times as long.
    """
    bounds = []
    for rest in weight:
        passed_squared = 0.0
        for _ in range(2):
            single = np.diff(rest.indptr) <= 1
            passed_on = rest[np.flatnonzero(single)]
            passed_squared += float(np.bincount(passed_on.indices, passed_on.data**2, minlength=1).max())
            rest = rest[np.flatnonzero(~single)].T.tocsr()
        rest = rest if rest.shape[0] <= rest.shape[1] else rest.T.tocsr()
        num_products = float((np.bincount(rest.indices, minlength=1).astype(float) ** 2).sum())
        bound = math.inf
        if num_products < _MOST_PRODUCTS:
            gram = rest @ rest.T
            gram, root = (gram @ gram, 0.5) if squared else (gram, 1.0)
            bound = float(abs(gram).sum(axis=1).max(initial=0)) ** root
        bounds.append(math.sqrt(passed_squared + bound) + TINY_NORM)
    return np.asarray(np.fmin(bounds, norm(weight, 0)))


def grows(stretches: Iterable[Float[np.ndarray, " members"]]) -> bool:
    """Whether layers that stretch errors so much may let one grow by more than 2^20.

    If not, errors of about 2^-52 stay below 2^-30, and signs that they leave open are rare.
    """
    return not math.prod(float(stretch.max()) for stretch in stretches) < 2.0**20


def num_terms(weight: Weight) -> int | Int[np.ndarray, "members out_features"]:
    """How many numbers in each row are not 0; one number for all if they are all so."""
    if isinstance(weight, tuple):
        return np.stack([np.diff(of_member.indptr).astype(np.int64) for of_member in weight])
    if np.count_nonzero(weight) == weight.size:
        return int(weight.shape[2])
    return np.asarray(np.count_nonzero(weight, axis=2))


def roundings(
    weight: Weight,
    bias: Float[np.ndarray, "members out_features"],
    sizes: Float[np.ndarray, "members out_features"],
) -> tuple[Float[np.ndarray, " members"], Float[np.ndarray, " members"]]:
    """Bounds for the roundings of W x + b in the 2-norm: the first one times the largest |x|, plus the second one.

    Only terms that are not 0 count, and a row that has only one, times a power of two, is not rounded at all: the rows
    of a convolution are off by little, and units that pass something on by nothing. The sizes are the row sums of |W|.
    """
    num = num_terms(weight) + 1
    if not isinstance(num, int):
        num *= (num != 2) | (bias != 0) | (np.frexp(sizes)[0] != 0.5)
    by_weights, by_biases = num * sizes, num * bias
    by_weights, by_biases = np.einsum("mo,mo->m", by_weights, by_weights), np.einsum("mo,mo->m", by_biases, by_biases)
    return EPS * (np.sqrt(by_weights) + TINY_NORM), EPS * (np.sqrt(by_biases) + TINY_NORM)


def roundings_by_length(
    weight: Weight, bias: Float[np.ndarray, "members out_features"]
) -> tuple[Float[np.ndarray, " members"], Float[np.ndarray, " members"]]:
    """The same where |x|_2 is known: the first one times that, plus the second one.

    Rows of n terms are off by at most (n + 1) u (|W| |x| + |b|), entry by entry, and |N |x||_2 <= |N|_2 |x|_2, where N
    is |W| with each row times n + 1.
    """
    sizes: Weight = tuple(map(abs, weight)) if isinstance(weight, tuple) else np.abs(weight)
    row_sums = np.stack([of_member.sum(axis=1) for of_member in sizes])
    num = np.asarray(num_terms(weight)) + 1
    num = num * ((num != 2) | (bias != 0) | (np.frexp(row_sums)[0] != 0.5))
    if isinstance(sizes, tuple):
        sizes = tuple(each.multiply(of_rows[:, None]).tocsr() for each, of_rows in zip(sizes, num, strict=True))
    else:
        sizes *= num[:, :, None]
    by_biases = np.einsum("mo,mo->m", num * bias, num * bias)
    return EPS * norm(sizes, sizes[0].size), EPS * (np.sqrt(by_biases) + TINY_NORM)
