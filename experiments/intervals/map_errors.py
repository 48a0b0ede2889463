"""How often are two unrelated maps over the nodes of a graph said to be correlated? See README.md.

python experiments/intervals/map_errors.py --graphs cora texas chameleon --out map_errors.json
"""

import argparse
import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import shortest_path
from scipy.stats import norm, rankdata

import jmetamer as jm
from jmetamer.geometry.of_problem.map_correlations import (
    NoiseOnGraph,
    correlation,
    neighborhood_statistics,
    smooth_maps,
)
from jmetamer.results.zarr_group import json_safe

LEVEL = 0.95
REPEATS = {"texas": 400, "chameleon": 200, "cora": 120}
KINDS = (("mean", 0), ("mean", 1), ("mean", 2), ("gcn", 1), ("gcn", 2), ("ball", 2))
METHODS = ("independent nodes", "Moran spectral", "distance classes", "fitted, normal", "fitted")
_RANDOM = 2000
KNOWN = "known"  # no method: what the very same draws give where the noise is known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", nargs="+", default=list(REPEATS))
    parser.add_argument("--repeats", type=int, default=None)
    parser.add_argument("--quick", action="store_true", help="without the two costly methods")
    parser.add_argument("--hops", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weights", nargs="+", default=["mean", "gcn", "ball"])
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--out", default="map_errors.json")
    arguments = parser.parse_args()
    results = []
    for name in arguments.graphs:
        study = Study(jm.load_dataset(name), arguments.quick)
        for (weights, hops), strength in itertools.product(KINDS, (0.0, 0.3)):
            if strength and (weights, hops) not in (("mean", 1), ("mean", 2)):
                continue
            if weights not in arguments.weights or hops not in arguments.hops:
                continue
            start = time.perf_counter()
            repeats = (arguments.repeats or REPEATS[name]) // (4 if strength else 1)
            rows = study.rejections(weights, hops, strength, repeats, arguments.seed)
            results += [{"graph": name, "weights": weights, "hops": hops, **row} for row in rows]
            print(
                f"{name}, {weights}, {hops} hops, {time.perf_counter() - start:.0f} s", flush=True
            )
            for row in rows:
                shares = "  ".join(f"{m} {100 * row[m]:.1f}" for m in (*METHODS, KNOWN))
                print(f"  {row['other']}, true {strength}: {shares}", flush=True)
            Path(arguments.out).write_text(json.dumps(json_safe(results), indent=1))


class Study:
    """One graph, with what the methods need of it."""

    def __init__(self, data: Any, quick: bool) -> None:
        self.quick = quick
        self.graph, self.total = data.graph, len(data.labels)
        self.noise = NoiseOnGraph(data.graph, np.arange(self.total))
        degree, homophily = neighborhood_statistics(data.graph, data.labels)
        self.fixed = {"degree": degree, "homophily": homophily}
        edges = np.asarray(data.graph.senders), np.asarray(data.graph.receivers)
        self.edges = sp.csr_array((np.ones(len(edges[0])), edges), shape=(self.total,) * 2)
        self.edges.setdiag(0)
        with_self = ((self.edges + sp.eye_array(self.total)) > 0).astype(float)
        root = sp.diags_array(np.asarray(with_self.sum(1)).ravel() ** -0.5)
        self.gcn, self.with_self = sp.csr_array(root @ with_self @ root), sp.csr_array(with_self)
        if quick:
            return
        self.basis = np.linalg.eigh(self.gcn.toarray())[1].astype(np.float32)
        distance = shortest_path(self.edges, unweighted=True)
        self.rings = [(distance == d).astype(np.float32) for d in range(5)]

    def smoothed(self, weights: str, hops: int, noise: np.ndarray) -> np.ndarray:
        """Return maps [n, m]: means over neighbors and self, GCN's averages, means over a ball."""
        if weights == "ball":
            reached = self.with_self
            for _ in range(hops - 1):
                reached = reached @ self.with_self
            reached = (reached > 0).astype(float)
            return (reached @ noise) / np.asarray(reached.sum(1)).reshape(-1, 1)
        for _ in range(hops):
            noise = self.gcn @ noise if weights == "gcn" else self.with_self @ noise
            if weights == "mean":
                noise = noise / np.asarray(self.with_self.sum(1)).reshape(-1, 1)
        return noise

    def rejections(
        self, weights: str, hops: int, strength: float, repeats: int, seed: int
    ) -> list[dict]:
        """Return the share of maps of which each method says that they are correlated."""
        generator = np.random.default_rng([seed, hops] if seed else hops)
        maps, unrelated = (
            unit(self.smoothed(weights, hops, generator.normal(size=(self.total, repeats))))
            for _ in range(2)
        )
        random = self.smoothed(weights, hops, generator.normal(size=(self.total, _RANDOM)))
        random = unit(rankdata(random, axis=0))
        others = {
            name: np.repeat(unit(rankdata(fixed))[:, None], repeats, axis=1)
            for name, fixed in self.fixed.items()
        }
        others["another map"] = unrelated
        rejected = {name: np.zeros((len(METHODS) + 1, repeats)) for name in others}
        for place in range(repeats):
            shared = None
            for name, other in others.items():
                values = maps[:, place] * math.sqrt(1 - strength**2) + strength * other[:, place]
                if shared is None or strength:
                    shared = smooth_maps(values, self.noise)
                rejected[name][:-1, place] = self.one(values, other[:, place], shared)
                rejected[name][-1, place] = self.known(values, other[:, place], random)
        return [
            {"other": name, "strength": strength, "repeats": repeats}
            | dict(zip((*METHODS, KNOWN), shares.mean(1).tolist(), strict=True))
            for name, shares in rejected.items()
        ]

    def known(self, values: np.ndarray, other: np.ndarray, random: np.ndarray) -> bool:
        """Return whether a correlation is beyond 95 % of those of maps drawn as this one was."""
        y = unit(rankdata(other))
        return bool(abs(y @ unit(rankdata(values))) > np.quantile(np.abs(y @ random), LEVEL))

    def one(self, values: np.ndarray, other: np.ndarray, shared: Any) -> list[bool]:
        """Return which methods reject."""
        x, y = unit(rankdata(values)), unit(rankdata(other))
        rho = float(x @ y)
        spectral, by_distance = (np.nan, np.nan) if self.quick else self.costly(x, y)
        found = correlation(shared, other, LEVEL)
        sizes = (self.total - 2, 1 / spectral, 1 / by_distance, found.effective - 1)
        deviates = [abs(math.atanh(rho)) * math.sqrt(size / (1 + rho**2 / 2)) for size in sizes]
        return [t > norm.ppf(0.5 + LEVEL / 2) for t in deviates] + [
            not found.low <= 0 <= found.high
        ]

    def costly(self, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        """Return the variances of the correlation by Moran's spectrum and by graph distances."""
        spectral = np.sum((self.basis.T @ x) ** 2 * (self.basis.T @ y) ** 2)
        pairs = [ring.sum() for ring in self.rings]
        by_distance = sum(
            (x @ (ring @ x)) * (y @ (ring @ y)) / count
            for ring, count in zip(self.rings, pairs, strict=True)
        )
        return float(spectral), max(float(by_distance), 1e-9)


def unit(values: np.ndarray) -> np.ndarray:
    """Return centered columns of length 1."""
    centered = values - values.mean(0)
    return centered / np.linalg.norm(centered, axis=0)


if __name__ == "__main__":
    main()
