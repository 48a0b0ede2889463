"""How many exact structure metamers are one color-preserving swap away; see README.md.

python experiments/structure/available_swaps.py --datasets minesweeper chameleon cora citeseer
"""

import argparse

import numpy as np

import jmetamer as jm
from jmetamer.graphs.pairs import pairs_of_graph


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["minesweeper", "chameleon", "cora"])
    parser.add_argument("--models", nargs="+", default=["gcn", "gin"], choices=list(jm.MODELS))
    parser.add_argument("--swaps", type=int, default=1000, help="length of a seed's walk")
    arguments = parser.parse_args()
    print("| dataset | nodes | edges | network | layer | swaps available | swaps made | L_act |")
    print("|---|---|---|---|---|---|---|---|")
    for dataset in arguments.datasets:
        data = jm.load_dataset(dataset)
        graph = data.graph
        num_edges = pairs_of_graph(graph, directed=False).senders.size
        for name in arguments.models:
            # The colors, and so the swaps, depend on the kind of the network alone.
            trained = jm.train(
                jm.MODELS[name](hidden=8, layers=2), data, settings=jm.TrainSettings(epochs=0)
            )
            for layer in ("conv1", "logits"):
                problem = jm.Problem(trained, graph, layer=layer, vary=jm.BinaryEdges())
                method = jm.ColorSwaps(swaps=arguments.swaps)
                made = jm.generate(problem, count=1, method=method)
                numbers = {key: int(rows[0]) for key, rows in made.details.items()}
                loss = "-" if made.status[0] == jm.Status.UNCHANGED else made.loss_hardened[0]
                size = f"{np.shape(graph.nodes)[0]:,} | {num_edges:,}"
                print(
                    f"| {dataset} | {size} | {name} | {layer} | {numbers['num_available']:,} | "
                    f"{numbers['num_moves']:,} | {loss if loss == '-' else f'{loss:.1e}'} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
