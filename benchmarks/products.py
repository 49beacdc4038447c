"""The floor of benchmarks/sweeps.py: the products of matrices in a step of each stack, and nothing else.

    python benchmarks/products.py DEPTHxWIDTHxMEMBERS ... [--steps 200]

Widths are those that `LayerwiseGradient` fills up to. For each stack it prints a line of JSON: the seconds a step takes
on one thread when everything is hot, the median of five repetitions.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

BATCH_SIZE = 64


def products(depth: int, width: int, num_members: int) -> list[Callable[[], Tensor]]:
    """All products of a step: one a layer upwards and two downwards; with one input and one output, one at the end."""
    calls: list[Callable[[], Tensor]] = []
    h = torch.randn(num_members, BATCH_SIZE, width)
    delta, weight = torch.randn_like(h), torch.randn(num_members, width, width)
    output, gradient = torch.empty_like(h), torch.empty_like(weight)
    for _ in range(depth - 1):
        calls.append(partial(torch.bmm, h, weight.transpose(1, 2), out=output))
        calls.append(partial(torch.bmm, delta.transpose(1, 2), h, out=gradient))
        calls.append(partial(torch.bmm, delta, weight, out=output))
    last_delta, last_gradient = torch.randn(num_members, BATCH_SIZE, 1), torch.empty(num_members, 1, width)
    calls.append(partial(torch.bmm, last_delta.transpose(1, 2), h, out=last_gradient))
    return calls


def seconds_a_step(calls: list[Callable[[], Tensor]], num_steps: int) -> float:
    times = []
    for _ in range(6):
        started = time.thread_time()
        for _ in range(num_steps):
            for call in calls:
                call()
        times.append((time.thread_time() - started) / num_steps)
    return statistics.median(times[1:])


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stacks", nargs="+")
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for stack in options.stacks:
        seconds = seconds_a_step(products(*map(int, stack.split("x"))), options.steps)
        print(json.dumps({"stack": stack, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
