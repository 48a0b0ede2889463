"""Metamers whose edges vary come back from the store as the graphs that they were."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jmetamer as jm
from jmetamer._base.errors import StoreError
from jmetamer.graphs.pairs import flips_between
from jmetamer.results import (
    Record,
    RunStore,
    StoredMetamers,
    Variable,
    hash_settings,
    make_reference,
    open_run,
)

NUM_NODES = 9


def random_graph(seed, directed=False, loops=(0, 4)):
    """A simple graph with two self loops."""
    rng = np.random.default_rng(seed)
    table = np.triu(rng.uniform(size=(NUM_NODES, NUM_NODES)) < 0.4, 1)
    if directed:
        table |= (rng.uniform(size=table.shape) < 0.4) & ~np.eye(NUM_NODES, dtype=bool)
    else:
        table = table | table.T
    table[loops, loops] = True
    receivers, senders = np.nonzero(table)
    return jm.make_graph(np.eye(NUM_NODES, 3), senders, receivers)


def columns_of(reference, metamers, directed=False):
    """Variables as a cell holds them: all metamers are stored but the last."""
    flips = [flips_between(reference, graph, directed=directed) for graph in metamers]
    seeds = np.arange(len(metamers)) * 10
    stored = len(metamers) - 1
    sizes = [one.added.size for one in flips[:stored]]
    flip, metamer = ("flip",), ("metamer",)
    added = np.array([one.added.sum() for one in flips])

    def column(parts):
        return np.concatenate([np.zeros(0, np.int32), *parts])

    return {
        "seed_id": Variable(metamer, seeds),
        "stored_seed_id": Variable(("stored",), seeds[:stored]),
        "edges_added": Variable(metamer, added),
        "edges_removed": Variable(metamer, np.array([one.added.size for one in flips]) - added),
        "flip_seed_id": Variable(flip, np.repeat(seeds[:stored], sizes)),
        "flip_sender": Variable(
            flip, column([one.pairs.senders for one in flips[:stored]]), {"directed": directed}
        ),
        "flip_receiver": Variable(flip, column([one.pairs.receivers for one in flips[:stored]])),
        "flip_added": Variable(flip, column([one.added for one in flips[:stored]]).astype(bool)),
    }


def written(folder, reference, variables):
    stored = make_reference(
        reference.nodes, reference.senders, reference.receivers, reference.edges.weight,
        np.zeros(NUM_NODES), {},
    )  # fmt: skip
    store = RunStore(folder)
    store.register(["cell"])
    store.write_reference(stored)
    store.write("cell", Record({}, hash_settings({}), variables, {}, {}, {}, stored.digest))
    return open_run(folder)


def same_graph(one, other):
    return all(
        np.array_equal(a, b)
        for a, b in zip(
            (one.nodes, one.senders, one.receivers, one.edges.weight, one.n_node, one.n_edge),
            (other.nodes, other.senders, other.receivers, other.edges.weight, other.n_node,
             other.n_edge),
            strict=True,
        )
    )  # fmt: skip


@pytest.mark.parametrize("directed", [False, True])
def test_flips_on_disk_make_the_graphs_again(tmp_path, directed):
    reference = random_graph(0, directed)
    metamers = [random_graph(seed, directed) for seed in (1, 0, 2, 3)]  # one of them unchanged
    run = written(tmp_path, reference, columns_of(reference, metamers, directed))
    found = run.metamers("cell")
    assert len(found) == 3
    assert all(same_graph(*pair) for pair in zip(found, metamers, strict=False))
    assert same_graph(found[-1], metamers[2])
    assert run.verify("cell")
    assert run.dataset("cell")["flip_added"].dtype == bool


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_any_metamers_come_back_as_they_were(seed, directed):
    reference = random_graph(seed, directed)
    metamers = [random_graph(seed + i, directed) for i in (1, 2, 3)]
    arrays = in_memory(columns_of(reference, metamers, directed))
    found = StoredMetamers(arrays, reference_of(reference))
    assert all(same_graph(*pair) for pair in zip(found, metamers, strict=False))


class Array(np.ndarray):
    """An array with attributes, as Zarr has them."""

    attrs: dict

    def __array_finalize__(self, source):
        self.attrs = getattr(source, "attrs", {})


def in_memory(variables):
    arrays = {}
    for name, variable in variables.items():
        arrays[name] = np.array(variable.values).view(Array)
        arrays[name].attrs = dict(variable.attrs)
    return arrays


def reference_of(graph):
    return make_reference(
        graph.nodes, graph.senders, graph.receivers, graph.edges.weight, np.zeros(NUM_NODES), {}
    )


def changed(name, index, value):
    def change(arrays):
        arrays[name][index] = value

    return change


def cut(arrays):
    for name in ("flip_seed_id", "flip_sender", "flip_receiver", "flip_added"):
        arrays[name] = arrays[name][:3]


def first_twice(arrays):
    for name in ("flip_sender", "flip_receiver", "flip_added"):
        arrays[name][1] = arrays[name][0]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: changed("flip_added", 0, not a["flip_added"][0])(a), r"edge \(\d, \d\) is"),
        (changed("flip_seed_id", 0, 10), "should hold"),
        (changed("edges_added", 0, 0), "should hold"),
        (changed("flip_sender", 0, 99), "metamer 0 do not make a graph"),
        (changed("flip_sender", 0, -1), "metamer 0 do not make a graph"),
        (lambda a: changed("flip_receiver", 0, a["flip_sender"][0])(a), "is the self loop of"),
        (first_twice, "a pair is flipped twice"),
        (cut, "should hold"),
    ],
    ids=["added", "seed", "count", "far", "negative", "loop", "twice", "cut"],
)
def test_flips_that_do_not_fit_the_reference_are_refused(spoil, words):
    reference = random_graph(0)
    arrays = in_memory(columns_of(reference, [random_graph(1), random_graph(2)]))
    spoil(arrays)
    with pytest.raises(StoreError, match=words):
        StoredMetamers(arrays, reference_of(reference))[0]


def test_flips_of_another_reference_are_refused():
    arrays = in_memory(columns_of(random_graph(0), [random_graph(1), random_graph(2)]))
    with pytest.raises(StoreError, match=r"do not belong to this reference.*run\.verify"):
        StoredMetamers(arrays, reference_of(random_graph(5)))[0]


def test_weights_come_back_on_the_edges_that_are_listed(tmp_path):
    reference = random_graph(0)
    rng = np.random.default_rng(0)
    senders, receivers = np.append(reference.senders, 7), np.append(reference.receivers, 2)
    weights = rng.uniform(size=(2, senders.size)).astype(np.float32)
    variables = {
        "stored_seed_id": Variable(("stored",), np.array([0, 1])),
        "edge_weight": Variable(("stored", "edge"), weights),
        "edge_sender": Variable(("edge",), senders.astype(np.int32)),
        "edge_receiver": Variable(("edge",), receivers.astype(np.int32)),
    }
    found = written(tmp_path, reference, variables).metamers("cell")
    assert len(found) == 2
    for graph, weight in zip(found, weights, strict=True):
        np.testing.assert_array_equal(graph.edges.weight, weight)
        np.testing.assert_array_equal(graph.senders, senders)
        np.testing.assert_array_equal(graph.receivers, receivers)
        assert graph.n_edge.tolist() == [senders.size]
        np.testing.assert_array_equal(graph.nodes, reference.nodes)


def test_features_and_flips_come_back_together(tmp_path):
    reference = random_graph(0)
    metamers = [random_graph(seed) for seed in (1, 2)]
    bits = np.random.default_rng(0).random((1, NUM_NODES, 3)) < 0.5
    variables = columns_of(reference, metamers)
    variables["features"] = Variable(
        ("stored", "node", "packed_feature"), np.packbits(bits, axis=-1), {"packed_bits": 3}
    )
    (found,) = written(tmp_path, reference, variables).metamers("cell")
    assert same_graph(found, metamers[0]._replace(nodes=bits[0].astype(np.float32)))


def test_nothing_stored_is_an_empty_sequence(tmp_path):
    reference = random_graph(0)
    run = written(tmp_path, reference, columns_of(reference, [random_graph(1)]))
    assert list(run.metamers("cell")) == []
    with pytest.raises(IndexError, match="metamer 0 was asked for, 0 are stored"):
        run.metamers("cell")[0]


def test_reading_starts_no_accelerator(tmp_path):
    reference = random_graph(0)
    written(tmp_path, reference, columns_of(reference, [random_graph(1), random_graph(2)]))
    code = (
        "import sys, jmetamer\n"
        f"found = jmetamer.open_run({str(tmp_path)!r}).metamers('cell')\n"
        "assert 'jax' not in sys.modules\n"
        "assert found[0].senders.size\n"
        "from jax._src import xla_bridge\n"
        "print(xla_bridge._backends)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{}"
