"""Tents with their peaks anywhere, nested and summed: 2^depth pieces, wherever training moves them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dlcourse.checks import check_whole
from dlcourse.networks.mlp import MLP

LAST_PEAK = 0.5  # stands in for the peak after the last one, on which the last scale depends


def scales(peaks: Float[Tensor, "*members depth"], first: Float[Tensor, "*members"]) -> Float[Tensor, "*members depth"]:
    """s_1, s_2, ... with s_(i + 1) = s_i (1 - a_(i + 1)) a_(i + 2): the one ratio that leaves no kink in the limit.

    Let m be the size of the slope of W_(i - 1) where it passes the peak a_i, and J = m / (a_i (1 - a_i)). There the
    slope of W_i falls by J. W_i turns back below 1, so the slope of W_(i + 1) rises by J / (1 - a_(i + 1)); W_(i + 1)
    turns at 0, so that of W_(i + 2) by J / ((1 - a_(i + 1)) a_(i + 2)), and so on, over one more peak each time. The
    kink of -sum s_j W_j vanishes in the limit if for every i

        s_i (1 - a_(i + 1)) = s_(i + 1) + s_(i + 2) / a_(i + 2) + s_(i + 3) / (a_(i + 2) a_(i + 3)) + ... = R_(i + 1),

    and R_(i + 1) = s_(i + 1) + R_(i + 2) / a_(i + 2), in which R_(i + 2) is s_(i + 1) (1 - a_(i + 2)) for the same
    reason: so R_(i + 1) = s_(i + 1) / a_(i + 2), which is the ratio. It is 1/4 if all peaks are 1/2. A sum that ends
    with s_k has kinks of the sign of s_1 at every peak of every W_i,

        J s_i (1 - a_(i + 2)) (1 - a_(i + 3)) ... (1 - a_(k + 1)),    a_(k + 1) = 1/2:

    it is convex (concave for s_1 < 0), and each of its 2^k - 1 kinks is one.

    Args:
        peaks: a_1, ..., a_depth, between 0 and 1.
        first: s_1.

    Source: Milkert, Hyde and Laine 2025, Compelling ReLU networks to exhibit exponentially many linear regions at
    initialization and during training, Theorem 3.1 (there counted from 0).
    """
    following = torch.cat([peaks, torch.full_like(peaks[..., :1], LAST_PEAK)], -1)
    ratios = (1 - following[..., 1:-1]) * following[..., 2:]
    return first[..., None] * torch.cat([torch.ones_like(peaks[..., :1]), ratios], -1).cumprod(-1)


class SkewedTents(nn.Module):
    """F(x) = A x + B - sum_i s_i W_i(x) on [0, 1], W_i = T_(a_i)(W_(i - 1)), W_0 = x: peaks as parameters.

    T_a is the tent from 0 up to 1 at the peak a and back to 0 at 1. A peak is a sigmoid, so it stays between 0 and 1
    whatever training does; the s_i are those of `scales`. In real numbers F has 2^depth pieces for all values of the
    parameters but s_1 = 0. What they can make is limited all the same. On [0, a_1] and, mirrored, on [a_1, 1] F is the
    same function but for stretching and an affine one. A limit with a continuous second derivative, not 0 at the peaks,
    so has a_1^2 f''(a_1) = (1 - a_1)^2 f''(a_1) and a_1 = 1/2; the same holds for both halves, and so on: it is a
    parabola.

    Args:
        depth: Number of tents.
        generator: Where the first peaks come from, logits N(0, 1/4): between 0.27 and 0.73 for 19 of 20.

    Attributes:
        logits: Of the peaks, `[depth]`.
        scale: s_1, at first 1/4.
        slope: A, at first 1.
        offset: B, at first 0; with all peaks 1/2 this is Yarotsky's x^2, `constructions.square`.

    Shapes: `[..., 1]` to `[..., 1]`.

    Raises:
        ValueError: If depth is below 1.

    Source: as `scales`, section 3; the argument about limits is ours.
    """

    def __init__(
        self,
        depth: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_whole("depth", depth, 1)
        logits = torch.randn(depth, generator=generator, dtype=torch.float64) / 2
        self.logits = nn.Parameter(logits.to(device, dtype or torch.get_default_dtype()))
        self.scale = nn.Parameter(torch.tensor(0.25, device=device, dtype=dtype))
        self.slope = nn.Parameter(torch.tensor(1.0, device=device, dtype=dtype))
        self.offset = nn.Parameter(torch.tensor(0.0, device=device, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        return sum_of_waves(x, **dict(self.named_parameters())).reshape(x.shape)

    def network(self, dtype: torch.dtype | None = None) -> MLP:
        """The same function as an MLP of width 3, by default of the same dtype: see `skewed_tents`."""
        return skewed_tents(
            self.logits.detach().double().sigmoid().tolist(),
            self.scale.item(),
            slope=self.slope.item(),
            offset=self.offset.item(),
            dtype=dtype or self.scale.dtype,
        )


def sum_of_waves(
    x: Float[Tensor, "*members_and_batch 1"],
    logits: Float[Tensor, "*members depth"],
    scale: Float[Tensor, "*members"],
    slope: Float[Tensor, "*members"],
    offset: Float[Tensor, "*members"],
) -> Float[Tensor, "*members_and_batch 1"]:
    """The function of `SkewedTents`, of many members at once.

    Args:
        x: `[*members, batch, 1]`, or `[batch, 1]` for all members.
        logits: See `SkewedTents`, as the other three.
        scale: s_1.
        slope: A.
        offset: B.
    """
    peaks = logits.sigmoid()
    y, wave = slope[..., None, None] * x + offset[..., None, None], x
    for peak, factor in zip(peaks.unbind(-1), scales(peaks, scale).unbind(-1), strict=True):
        left = peak[..., None, None]
        wave = torch.minimum(wave / left, (1 - wave) / (1 - left))
        y = y - factor[..., None, None] * wave
    return y


def skewed_tents(
    peaks: Sequence[float],
    scale: float = 0.25,
    *,
    slope: float = 1.0,
    offset: float = 0.0,
    dtype: torch.dtype | None = None,
) -> MLP:
    """The function of `SkewedTents` on [0, 1] as an MLP of width 3, one layer a tent.

        T_a(y) = max(0, y / a) - max(0, (y - a) / (a (1 - a)))

    takes two units of each layer. The third carries C + A x - (s_1 W_1 + ... + s_(i - 1) W_(i - 1)), which must not be
    negative: all the waves together are no more than (s_1 / a_2) W_1, the triangle of their tangents at 0 and 1, and so
    C = max(0, -A, s_1 / a_2 - A a_1) is enough; the output's bias is B - C.

    With peaks of 1/2, s_1 = 1/4, A = 1 and B = 0 it is `constructions.square`, weight for weight. The weights of other
    peaks are rounded: T_a is then not exactly 1 at its peak and 0 at 1, and where it is above 1 or below 0 the next
    layers make pieces that nobody planned, or leave some out.

    Pieces on [0, 1]: 2^depth in real numbers (if s_1 is not 0); of lengths that are products of a_i or 1 - a_i, one
    for each i.

    Args:
        peaks: a_1, ..., a_depth, between 0 and 1.
        scale: s_1.
        slope: A.
        offset: B.
        dtype: Of the parameters, which are computed in float64 and rounded once.

    Raises:
        ValueError: If there is no peak, or one is not between 0 and 1.

    Source: as `scales`, section 3 (there of width 4, with the bias in a unit of its own).
    """
    if not peaks or not all(0 < peak < 1 for peak in peaks):
        raise ValueError(f"peaks must be one or more numbers between 0 and 1, both excluded, got {peaks}")
    second = peaks[1] if len(peaks) > 1 else LAST_PEAK
    lift = max(0.0, -slope, scale / second - slope * peaks[0])
    each_scale = scales(torch.tensor(peaks, dtype=torch.float64), torch.tensor(scale, dtype=torch.float64)).tolist()
    numbers: list[list[float] | list[list[float]]] = []
    for layer, peak in enumerate(peaks):
        rising, bending = 1 / peak, 1 / (peak * (1 - peak))
        if layer == 0:
            numbers += [[[rising], [bending], [slope]], [0.0, -1 / (1 - peak), lift]]
        else:
            before = each_scale[layer - 1]
            rows = [[rising, -rising, 0.0], [bending, -bending, 0.0], [-before, before, 1.0]]
            numbers += [rows, [0.0, -1 / (1 - peak), 0.0]]
    numbers += [[[-each_scale[-1], each_scale[-1], 1.0]], [offset - lift]]
    network = MLP(1, 1, width=3, depth=len(peaks), dtype=dtype, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        for parameter, values in zip(network.parameters(), numbers, strict=True):
            parameter.copy_(torch.tensor(values, dtype=torch.float64))
    return network
