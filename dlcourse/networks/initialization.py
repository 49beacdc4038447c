"""The initial values of the parameters, W^(0) and b^(0) of the lecture's SGD, step 1."""

import math
from enum import StrEnum

import torch
from torch import nn


class Initialization(StrEnum):
    """How weights and biases are drawn, for a layer of n_in inputs and n_out units.

    - `torch`: weights and biases uniform in +-1/sqrt(n_in), what `nn.Linear` does;
    - `he`: weights N(0, 2/n_in), biases 0 (He et al. 2015, eq. 10: keeps the variance through ReLU layers);
    - `xavier`: weights uniform in +-sqrt(6/(n_in + n_out)), biases 0 (Glorot & Bengio 2010, eq. 16);
    - `truncated`: weights N(0, 1/n_in) cut off at two standard deviations, biases 0 (as in Shalev-Shwartz, Shamir &
      Shammah 2017).
    """

    torch = "torch"
    he = "he"
    xavier = "xavier"
    truncated = "truncated"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"initialization must be one of {', '.join(cls)}, got {value}")


def initialize_(
    network: nn.Module, scheme: Initialization | str, generator: torch.Generator | None = None
) -> nn.Module:
    """Draws the parameters of every `nn.Linear` inside `network` anew, in place.

    Args:
        network: Any module; parameters outside of `nn.Linear` layers are left as they are.
        scheme: An `Initialization` or its name.
        generator: Where the random numbers come from, on the parameters' device; torch's global one by default.

    Returns:
        The same network.

    Raises:
        ValueError: If the scheme has no such name.
    """
    scheme = Initialization(scheme)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            match scheme:
                case Initialization.torch:
                    bound = 1 / math.sqrt(layer.in_features)
                    # With a = sqrt(5), kaiming_uniform_ has the same bound but for rounding. It is called because
                    # nn.Linear calls it: the weights are to be the same bit for bit.
                    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
                    if layer.bias is not None:
                        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
                case Initialization.he:
                    nn.init.normal_(layer.weight, 0, math.sqrt(2 / layer.in_features), generator=generator)
                case Initialization.xavier:
                    nn.init.xavier_uniform_(layer.weight, generator=generator)
                case Initialization.truncated:
                    deviation = 1 / math.sqrt(layer.in_features)
                    nn.init.trunc_normal_(
                        layer.weight, 0, deviation, -2 * deviation, 2 * deviation, generator=generator
                    )
            if layer.bias is not None and scheme is not Initialization.torch:
                nn.init.zeros_(layer.bias)
    return network
