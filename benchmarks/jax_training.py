"""The peer of benchmarks/sweeps.py in JAX: `vmap` over the seeds, `lax.scan` over the steps, one `jit` an architecture.

    python benchmarks/jax_training.py DEPTHxWIDTH ... [--seeds 10] [--steps 5000] [--repetitions 1]

It runs in an environment of its own (pip install jax) and imports nothing of dlcourse. For each architecture it prints
a line of JSON: the seconds of the first call (tracing and compiling included) and of each further one.
"""

import argparse
import json
import os
import time
from functools import partial
from itertools import pairwise

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import jax
import jax.numpy as jnp

RATE, BETA1, BETA2, EPSILON = 0.001, 0.9, 0.999, 1e-8
NUM_FOLDS, BATCH_SIZE = 4, 64


def target(x):
    """The nested tents on [0, 2]."""
    y = jax.nn.relu(x) - jax.nn.relu(2 * (x - 1))
    for _ in range(NUM_FOLDS - 1):
        y = jax.nn.relu(2 * y) - jax.nn.relu(4 * (y - 0.5))
    return y


def initial(key, depth, width):
    """Weights and biases uniform in +-1/sqrt(n_in), as torch has them."""
    sizes = [1] + [width] * depth + [1]
    parameters = []
    for n_in, n_out in pairwise(sizes):
        key, for_weight, for_bias = jax.random.split(key, 3)
        bound = n_in**-0.5
        weight = jax.random.uniform(for_weight, (n_in, n_out), minval=-bound, maxval=bound)
        parameters.append((weight, jax.random.uniform(for_bias, (n_out,), minval=-bound, maxval=bound)))
    return parameters


def loss(parameters, x):
    h = x
    for weight, bias in parameters[:-1]:
        h = jax.nn.relu(h @ weight + bias)
    weight, bias = parameters[-1]
    return jnp.mean((h @ weight + bias - target(x)) ** 2)


def trained(key, depth, width, num_steps):
    """The last loss of one network, trained by Adam on fresh batches."""
    for_start, for_batches = jax.random.split(key)
    parameters = initial(for_start, depth, width)
    zeros = jax.tree.map(jnp.zeros_like, parameters)

    def update(state, step):
        parameters, mean, square = state
        x = 2 * jax.random.uniform(jax.random.fold_in(for_batches, step), (BATCH_SIZE, 1))
        value, gradient = jax.value_and_grad(loss)(parameters, x)
        mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, gradient)
        square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, square, gradient)
        first, second = 1 - BETA1 ** (step + 1.0), 1 - BETA2 ** (step + 1.0)
        parameters = jax.tree.map(
            lambda p, m, v: p - RATE * (m / first) / (jnp.sqrt(v / second) + EPSILON), parameters, mean, square
        )
        return (parameters, mean, square), value

    _, values = jax.lax.scan(update, (parameters, zeros, zeros), jnp.arange(num_steps))
    return values[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="+")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--repetitions", type=int, default=1, help="calls after the first one")
    options = parser.parse_args()
    keys = jax.random.split(jax.random.key(0), options.seeds)
    for architecture in options.architectures:
        depth, width = map(int, architecture.split("x"))
        train = jax.jit(jax.vmap(partial(trained, depth=depth, width=width, num_steps=options.steps)))
        seconds = []
        for _ in range(1 + options.repetitions):
            started = time.perf_counter()
            losses = train(keys).block_until_ready()
            seconds.append(time.perf_counter() - started)
        print(json.dumps({"architecture": architecture, "seconds": seconds, "loss": float(losses.mean())}), flush=True)


if __name__ == "__main__":
    main()
