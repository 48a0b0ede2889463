"""Certified ranks of saturated networks against rank(D J) = rank(J), for all pairs of names.

Command: python experiments/certificates/chain_rule.py --layers 2 3
Time: several minutes, for every network is compiled. Prints the violations, one line each.
"""

import argparse
import dataclasses
import itertools

import jax
import numpy as np

import jmetamer as jm
from jmetamer.geometry.of_problem import rank_ledger_of
from jmetamer.models import ACTIVATIONS

ARCHITECTURES = {"gcn": jm.GCN, "gat": jm.GAT, "graphsage": jm.GraphSAGE, "gin": jm.GIN}


def violations(architecture: str, activation: str, layers: int, scale: float) -> list[str]:
    """Return what a ledger of a network with scaled matrices says against the chain rule."""
    data = jm.load_dataset("karate")
    options = {"heads": 2} if architecture == "gat" else {}
    model = ARCHITECTURES[architecture](hidden=4, layers=layers, activation=activation, **options)
    trained = jm.train(model, data, settings=jm.TrainSettings(epochs=0))
    params = jax.tree.map(lambda p: p * scale if p.ndim > 1 else p, trained.params)
    problem = jm.Problem(dataclasses.replace(trained, params=params), data.graph, layer="logits")
    ledger = rank_ledger_of(problem, [11, 12])
    ranks, wrong = ledger.ranks, []
    entries = np.concatenate([ranks.linear, ranks.activation])
    certain = np.concatenate([ranks.linear_certified, ranks.activation_certified])
    if (entries[certain] < 0).any():
        wrong.append("negative")
    if (entries.sum(axis=0) != ranks.dimension).any():
        wrong.append("sum")
    if activation != "relu" and (ranks.activation[ranks.activation_certified] != 0).any():
        wrong.append("rank(D J) != rank(J)")
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 30.0])
    given = parser.parse_args()
    cases = list(itertools.product(ARCHITECTURES, sorted(ACTIVATIONS), given.layers, given.scales))
    found = [(case, wrong) for case in cases if (wrong := violations(*case))]
    for case, wrong in found:
        print(*case, *wrong)
    print(f"{len(found)} of {len(cases)} networks contradict the chain rule")
