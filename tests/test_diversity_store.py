"""Diversity as a sweep stores it, against that of the graphs read back."""

import numpy as np
import pytest

from jmetamer.config import cells, find_config, packaged_configs, read_config
from jmetamer.measures import edge_diversity, feature_diversity
from jmetamer.results import RunStore, open_run
from jmetamer.sweep.pipeline import run_cell

SETTINGS = [
    "dataset=karate",
    "model={gcn: {hidden: 6, activation: relu}}",
    "training.epochs=10",
    "geometry=null",
]


def run_of(folder, metamers):
    path = find_config("quickstart", packaged_configs())
    change = f"metamers={{layer: conv1, nodes: [0, 33], count: 4, {metamers}}}"
    cell = cells(read_config(path, [*SETTINGS, change]))[0]
    record, reference = run_cell(cell)
    store = RunStore(folder)
    store.write_reference(reference)
    store.write(cell.id, record)
    return open_run(folder), cell.id


@pytest.mark.parametrize(
    ("metamers", "kinds"),
    [
        ("vary: edge_weights, tolerance: 1e-2", ["edges"]),
        ("vary: {together: [continuous_features, binary_edges]}", ["features", "edges"]),
        ("vary: binary_features, tolerance: 0.9", ["features"]),
    ],
)
def test_it_is_that_of_the_stored_converged_graphs(tmp_path, metamers, kinds):
    run, cell = run_of(tmp_path, metamers)
    data, graphs = run.dataset(cell), list(run.metamers(cell))
    stored = data["stored_seed_id"].values.tolist()
    chosen = [graphs[stored.index(seed)] for seed in data["diversity_seed_id"].values]
    assert len(chosen) >= 2
    kind = "binary" if "binary_features" in metamers else "continuous"
    expected = {
        "features": lambda: feature_diversity(np.stack([g.nodes for g in chosen]), kind),
        "edges": lambda: edge_diversity(chosen),
    }
    for name in kinds:
        one = expected[name]()
        np.testing.assert_allclose(data[f"diversity_{name}"], one.distances, atol=1e-6)
        number = run.scalars(cell)[f"diversity_{name}_effective_number"]
        assert number == pytest.approx(one.effective_number, rel=1e-6)
        assert run.scalars(cell)[f"diversity_{name}_mean"] == pytest.approx(one.mean, rel=1e-6)
    others = {"features", "edges"} - {*kinds}
    assert not any(f"diversity_{name}" in data for name in others)
