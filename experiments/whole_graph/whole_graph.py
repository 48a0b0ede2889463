"""Spectra and information of all-node targets, from products with the Jacobian alone.

    python experiments/whole_graph/whole_graph.py [--dataset cora] [--count 20] [--out FILE.json]

For each layer: the leading singular values of d vec(h) / d vec(X) with their error bound, the
information and the effective dimension of the Gaussian channel with standard errors, what came of
the log-volume, seconds, and the peak of resident memory.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import jmetamer as jm
from jmetamer._base.provenance import provenance
from jmetamer.results.zarr_group import json_safe


def measured(problem, count, tolerance, input_std, noise_std):
    """Everything of one layer, as JSON-able values."""
    started = time.perf_counter()
    leading = jm.leading_spectrum(problem, count, tolerance=tolerance)
    seconds_leading = time.perf_counter() - started
    started = time.perf_counter()
    volume = jm.whole_graph_volume(problem, input_std=input_std, noise_std=noise_std)
    seconds_volume = time.perf_counter() - started
    estimates = {
        "information": volume.channel.information,
        "effective dimension": volume.channel.effective_dimension,
        "log-volume": volume.log_volume,
    }
    return {
        "layer": problem.layer,
        "outputs": volume.num_outputs,
        "active": volume.num_active,
        "singular values": [float(value) for value in leading.singular_values],
        "largest error": float(max(leading.error)),
        "converged": bool(leading.converged),
        "seconds": {"leading values": seconds_leading, "volume": seconds_volume},
        "estimates": {
            name: {
                "value": float(found.value),
                "standard error": float(found.standard_error),
                "status": found.status.name,
            }
            for name, found in estimates.items()
        },
        "peak resident bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def show(row):
    """Print one layer."""
    values, seconds = row["singular values"], row["seconds"]
    print(f"{row['layer']}: {row['outputs']:,} outputs, {row['active']:,} active")
    print(
        f"  {len(values)} singular values {values[0]:.4g} to {values[-1]:.4g}, error "
        f"{row['largest error']:.1e}, in {seconds['leading values']:.0f} s"
    )
    for name, found in row["estimates"].items():
        error, status = found["standard error"], found["status"]
        print(f"  {name} {found['value']:.6g} +- {error:.2g} ({status})")
    memory = row["peak resident bytes"] / 1e9
    print(f"  these in {seconds['volume']:.0f} s; peak {memory:.2f} GB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="cora")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--layers", nargs="+", default=["conv1", "logits"])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--tolerance", type=float, default=1e-4, help="of the largest value")
    parser.add_argument("--input-std", type=float, default=1.0)
    parser.add_argument("--noise-std", type=float, default=0.1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    data = jm.load_dataset(given.dataset)
    trained = jm.train(jm.GCN(hidden=given.hidden, activation=given.activation), data)
    rows = []
    for layer in given.layers:
        problem = jm.Problem(trained, data.graph, layer=layer)
        row = measured(problem, given.count, given.tolerance, given.input_std, given.noise_std)
        rows.append(row)
        show(row)
    if given.out:
        report = {"settings": {**vars(given), "out": str(given.out)}, "rows": rows}
        report |= {"provenance": provenance("highest")}
        given.out.write_text(json.dumps(json_safe(report), indent=1))


if __name__ == "__main__":
    main()
