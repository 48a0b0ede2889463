"""Structure metamers through pipeline and store: what is read back is legal and holds again."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.config import cells, read_config
from jmetamer.graphs.pairs import edge_jaccard, flips_between, pairs_of_graph
from jmetamer.measures import MEASURES, Facts, edge_set, relative_squared_error
from jmetamer.metamers.problem import reference_activations, select
from jmetamer.results import PartialCell, open_run
from jmetamer.sweep import command as sweep
from jmetamer.sweep import pipeline

COUNT, STORED = 6, 5
OPTIMIZE = "{optimize: {steps: 15}}"
RELAX = "{relax_edges: {steps: 15, draws: 2, flips: 3}}"
CONFIG = f"""
name: tiny
dataset: karate
model: {{gcn: {{hidden: 4}}}}
training: {{epochs: 3}}
metamers: {{layer: conv1, nodes: [0, 5, 33], count: {COUNT}}}
geometry: null
store: {{metamers: {STORED}}}
runs:
  - metamers: {{vary: binary_edges, method: {RELAX}}}
  - metamers: {{vary: {{binary_edges: {{start: reference, distance: 0.1}}}}, method: {RELAX}}}
  - metamers: {{vary: {{binary_edges: {{start: rewired}}}}, method: swap_search}}
  - metamers:
      vary: {{together: [continuous_features, {{binary_edges: {{start: rewired}}}}]}}
      method: {RELAX}
  - metamers: {{vary: {{together: [binary_features, random_edges]}}, method: {RELAX}}}
  - metamers: {{vary: {{edge_weights: {{candidates: [[0, 9], [9, 14]]}}}}, method: {OPTIMIZE}}}
"""
NAMES = ("noise", "walk", "search", "joint", "given", "weights")
SIMPLE, WITH_FEATURES = NAMES[:-1], ("joint", "given")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("structure")
    (folder / "tiny.yaml").write_text(CONFIG)
    assert sweep.main([str(folder / "tiny.yaml"), "--out", str(folder / "run")]) == 0
    return open_run(folder / "run")


@pytest.fixture(scope="module")
def grid(run):
    """Name -> resolved cell, in the order of the run."""
    found = cells(read_config(Path(run.folder).parent / "tiny.yaml"))
    assert run.cells == tuple(cell.id for cell in found)
    return dict(zip(NAMES, found, strict=True))


@pytest.fixture(scope="module")
def trained(grid):
    """The network of all cells, trained again."""
    cell = grid["noise"]
    return jm.train(cell.model, cell.dataset.load(), 0, cell.training.of_network())


def arrays(run, grid, name):
    return run.dataset(grid[name].id)


def stored_losses(data):
    """L_act of the stored metamers as the store remembers it."""
    losses = dict(zip(data["seed_id"].values.tolist(), data["loss_hardened"].values, strict=True))
    return [float(losses[seed]) for seed in data["stored_seed_id"].values.tolist()]


@pytest.mark.parametrize("name", SIMPLE)
def test_every_stored_metamer_is_a_legal_simple_graph(run, grid, name):
    reference, found = run.reference(grid[name].id), run.metamers(grid[name].id)
    assert len(found) == STORED
    loops = reference.senders[reference.senders == reference.receivers]
    for graph in found:
        pairs = pairs_of_graph(graph, directed=False)  # raises unless 0/1, symmetric, each once
        assert (graph.edges.weight == 1).all()
        assert pairs.senders.size == len(set(zip(*map(np.ndarray.tolist, pairs), strict=True)))
        own = graph.senders[graph.senders == graph.receivers]
        np.testing.assert_array_equal(own, loops)
        assert graph.nodes.shape == reference.nodes.shape
        if name not in WITH_FEATURES:
            np.testing.assert_array_equal(graph.nodes, reference.nodes)


def adjacency(graph, num_nodes):
    """[n, n] weights, counted once for each time that an edge is stored."""
    table = np.zeros((num_nodes, num_nodes))
    assert min(graph.senders.min(), graph.receivers.min()) >= 0  # else they count from the end
    np.add.at(table, (graph.receivers, graph.senders), np.asarray(graph.edges.weight))
    return table


@pytest.mark.parametrize("name", SIMPLE)
def test_stored_flips_turn_entries_of_the_adjacency_matrix(run, grid, name):
    """Without the library's own flips: the stored rows applied to a dense matrix."""
    data, reference = arrays(run, grid, name), run.reference(grid[name].id)
    n = len(reference.nodes)
    before = adjacency(reference, n)
    assert (before == before.T).all()
    for seed, graph in zip(data["stored_seed_id"].values, run.metamers(grid[name].id), strict=True):
        mine = data["flip_seed_id"].values == seed
        i, j = data["flip_sender"].values[mine], data["flip_receiver"].values[mine]
        added = data["flip_added"].values[mine]
        assert (i < j).all()
        assert (j < n).all()
        np.testing.assert_array_equal(before[i, j], ~added)
        expected = before.copy()
        expected[i, j] = expected[j, i] = added
        np.testing.assert_array_equal(adjacency(graph, n), expected)


def test_stored_weights_are_one_for_both_directions_of_each_edge(run, grid):
    reference = run.reference(grid["weights"].id)
    n = len(reference.nodes)
    for graph in run.metamers(grid["weights"].id):
        listed = graph.senders.astype(int) * n + graph.receivers
        assert np.unique(listed).size == listed.size
        assert max(graph.senders.max(), graph.receivers.max()) < n
        table = adjacency(graph, n)
        np.testing.assert_array_equal(table, table.T)
        assert np.isfinite(table).all()
        assert (table >= 0).all()
        np.testing.assert_array_equal(graph.nodes, reference.nodes)


@pytest.mark.parametrize("name", SIMPLE)
def test_stored_flips_are_those_between_reference_and_metamer(run, grid, name):
    data, reference = arrays(run, grid, name), run.reference(grid[name].id)
    num_pairs = pairs_of_graph(reference, directed=False).senders.size
    rows = {
        name: data[f"flip_{name}"].values for name in ("seed_id", "sender", "receiver", "added")
    }
    assert rows["seed_id"].size
    by_seed = data.set_index(metamer="seed_id")
    for seed, graph in zip(data["stored_seed_id"].values, run.metamers(grid[name].id), strict=True):
        mine = rows["seed_id"] == seed
        flips = flips_between(reference, graph, directed=False)
        np.testing.assert_array_equal(rows["sender"][mine], flips.pairs.senders)
        np.testing.assert_array_equal(rows["receiver"][mine], flips.pairs.receivers)
        np.testing.assert_array_equal(rows["added"][mine], flips.added)
        one = by_seed.sel(metamer=seed)
        assert int(one["edges_added"]) == flips.added.sum()
        assert int(one["edges_removed"]) == (~flips.added).sum()
        assert float(one["edge_jaccard"]) == pytest.approx(edge_jaccard(flips, num_pairs))


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_loss_holds_on_the_loaded_graph(run, grid, trained, name):
    """Recomputed by a problem of its own, which knows the reference's activations alone."""
    cell = grid[name]
    nodes, reference = list(cell.metamers.nodes), run.reference(cell.id)
    params = jax.tree.map(np.asarray, trained.params)
    target = np.asarray(reference_activations(trained.model, params, reference)["conv1"])[nodes]
    for graph, loss in zip(
        run.metamers(cell.id), stored_losses(arrays(run, grid, name)), strict=True
    ):
        problem = jm.Problem(trained, graph, layer="conv1", nodes=nodes, target=target)
        found = reference_activations(trained.model, params, problem.arrays.graph)["conv1"]
        again = relative_squared_error(
            problem.arrays.targets["conv1"], select(found, problem.arrays.nodes)
        )
        # A relative error of 2e-7 in the activations is one of 2e-7 / sqrt(loss) in the loss.
        assert float(again) == pytest.approx(loss, rel=1e-5 + 2e-7 / loss**0.5)
        assert loss > 0


@pytest.mark.parametrize("name", NAMES)
def test_stored_metamers_have_the_stored_deviations(run, grid, name, trained):
    data, reference = arrays(run, grid, name), run.reference(grid[name].id)
    names = [str(measure) for measure in data["measure"].values]
    kinds = {measure.split("/")[0] for measure in names}
    assert kinds == {"structure"} | ({"features"} if name in WITH_FEATURES else set())
    assert {"structure/homophily", "structure/adjusted_homophily"} <= set(names)
    assert "structure/edit_distance" not in names, "of too many nodes"
    assert ("features/inside_row_space" in names) == (name == "joint")
    karate = jm.load_dataset("karate")
    facts = Facts(karate.labels, karate.train_mask, trained.params["params"]["conv1"]["kernel"])

    def read(measure, graph):
        return graph.nodes if MEASURES[measure].reads == "features" else edge_set(graph)

    measures = [MEASURES[m].given(read(m, reference), facts) for m in names]
    by_seed = data.set_index(metamer="seed_id")
    for seed, graph in zip(data["stored_seed_id"].values, run.metamers(grid[name].id), strict=True):
        expected = [
            float(one.function(read(one.name, reference), read(one.name, graph)))
            for one in measures
        ]
        found = by_seed.sel(metamer=seed)["deviation"].values
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    chances = [measure.chance_at(reference) for measure in measures]
    np.testing.assert_allclose(data["deviation_chance"].values, chances, rtol=1e-6)


def test_a_walk_stays_nearer_than_chance_and_noise_does_not(run, grid):
    walk, noise = (arrays(run, grid, name)["edge_jaccard"].values for name in ("walk", "noise"))
    assert (walk >= 0.1 - 1e-6).all()
    assert walk.max() < noise.min()
    chance = arrays(run, grid, "noise").attrs["edge_jaccard_chance"]
    assert abs(noise.mean() - chance) < 0.1


def test_what_was_told_of_the_way_is_stored(run, grid):
    told = ("loss_relaxed", "loss_rounded", "loss_flipped", "num_flips", "rounding", "num_changed")
    for name in ("noise", "walk", "joint"):
        data = arrays(run, grid, name)
        assert all(data[one].dims == ("metamer",) for one in told)
        assert (data["loss_flipped"] <= data["loss_rounded"] * (1 + 1e-5)).all()
    noise = arrays(run, grid, "noise")
    np.testing.assert_allclose(noise["loss_flipped"], noise["loss_hardened"], rtol=1e-3)
    assert "table" in noise["rounding"].attrs
    assert "loss_relaxed" not in arrays(run, grid, "given")
    assert "num_moves" in arrays(run, grid, "search")
    meanings = [v.attrs for v in noise.variables.values() if "flip" in v.dims]
    assert any("meaning" in attrs for attrs in meanings)


def test_rewired_edges_keep_every_degree(run, grid):
    for name in ("search",):
        place = arrays(run, grid, name)["measure"].values.tolist().index("structure/degree_wasserst"
                                                                         "ein")  # fmt: skip
        assert not arrays(run, grid, name)["deviation"].values[:, place].any()


def test_candidates_are_listed_behind_the_edges_of_the_reference(run, grid):
    data, reference = arrays(run, grid, "weights"), run.reference(grid["weights"].id)
    listed = np.stack([data["edge_sender"].values, data["edge_receiver"].values], axis=1)
    assert listed[len(reference.senders) :].tolist() == [[0, 9], [9, 14], [9, 0], [14, 9]]
    assert data["edge_weight"].shape == (STORED, len(listed))
    assert (data["edge_weight"].values >= 0).all()
    assert "features" not in data
    assert "flip_sender" not in data


def test_every_cell_is_sound_and_in_the_report(run):
    assert len(run.cells) == len(NAMES)
    assert run.failures == {}
    assert all(run.verify(cell) for cell in run.cells)
    text = (Path(run.folder) / "report.html").read_text()
    assert text.count("<h3>Edges beside those of the reference</h3>") == len(NAMES)
    assert text.count("<h3>Reference against metamers</h3>") == len(WITH_FEATURES)
    assert text.count("after rounding") >= 3


class StopHere(BaseException):
    pass


@pytest.mark.parametrize("name", ["joint", "weights"])
def test_an_interrupted_cell_ends_with_the_same_arrays(run, grid, tmp_path, name):
    cell = dataclasses.replace(
        grid[name], metamers=dataclasses.replace(grid[name].metamers, lanes=1)
    )
    shelf = PartialCell(tmp_path, cell.id)

    def stop_in_the_second_block(report):
        if report.stage == "metamers" and report.done > 4:
            raise StopHere

    with pytest.raises(StopHere):
        pipeline.run_cell(cell, partial=shelf, progress=stop_in_the_second_block)
    assert [path.name for path in shelf.folder.iterdir()] == ["seeds-0-3.npz"]
    resumed, _ = pipeline.run_cell(cell, partial=shelf)
    whole = arrays(run, grid, name)
    assert set(resumed.variables) == set(whole.variables)
    for one, variable in resumed.variables.items():
        np.testing.assert_array_equal(variable.values, whole[one].values, one)


def test_an_estimate_gives_memory_without_making_anything(grid):
    for cell in grid.values():
        found = pipeline.estimate(cell)
        assert found[:3] == (34, 34, 156)
        assert found.bytes > 0
        assert found.host_bytes > 0


def test_nothing_stored_changes_no_number(run, grid):
    cell = dataclasses.replace(grid["noise"], store=type(grid["noise"].store)(metamers=0))
    record, _ = pipeline.run_cell(cell)
    whole = arrays(run, grid, "noise")
    assert record.variables["flip_sender"].values.shape == (0,)
    for name in ("deviation", "edge_jaccard", "edges_added", "loss_hardened"):
        np.testing.assert_array_equal(record.variables[name].values, whole[name].values)
