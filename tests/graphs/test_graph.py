"""make_graph builds what validate_graph accepts, and every illegal entry is named."""

import re
import subprocess
import sys
import tracemalloc

import jax
import jax.experimental.sparse
import jax.numpy as jnp
import jraph
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jmetamer._base.errors import InputError
from jmetamer.graphs.graph import Edges, make_graph, num_nodes, validate_graph, with_nodes


@st.composite
def edge_lists(draw, max_nodes=8, max_edges=20):
    total = draw(st.integers(1, max_nodes))
    pairs = draw(
        st.lists(
            st.tuples(st.integers(0, total - 1), st.integers(0, total - 1)), max_size=max_edges
        )
    )
    return total, np.array(pairs, np.int64).reshape(-1, 2)


def triangle(**changes):
    arrays = {"nodes": np.eye(3), "senders": [0, 1, 2], "receivers": [1, 2, 0]} | changes
    return make_graph(**arrays)


def rejected(message, function, *args, **kwargs):
    with pytest.raises(InputError, match=re.escape(message)):
        function(*args, **kwargs)


@given(edge_lists(), st.sampled_from([np.int8, np.int64, np.uint32]))
def test_any_edge_list_makes_a_valid_graph_that_keeps_its_order(edges, dtype):
    total, pairs = edges
    graph = make_graph(np.ones((total, 2)), pairs[:, 0].astype(dtype), pairs[:, 1].astype(dtype))
    validate_graph(graph)
    np.testing.assert_array_equal(graph.senders, pairs[:, 0])
    np.testing.assert_array_equal(graph.receivers, pairs[:, 1])
    assert graph.nodes.dtype == np.float32
    assert graph.senders.dtype == graph.receivers.dtype == np.int32
    assert (graph.n_node, graph.n_edge) == ([total], [len(pairs)])
    assert graph.edges.weight.tolist() == [1.0] * len(pairs)


@given(edge_lists(), st.data())
def test_the_first_illegal_index_is_named(edges, data):
    total, pairs = edges
    bad = data.draw(st.integers(0, max(0, len(pairs) - 1)))
    if not len(pairs):
        return
    field = data.draw(st.sampled_from(["senders", "receivers"]))
    column = 0 if field == "senders" else 1
    pairs[bad:, column] = data.draw(st.sampled_from([-1, total, 2**40]))
    rejected(
        f"`{field}[{bad}]` is {pairs[bad, column]}, which is no node; allowed: 0 to {total - 1}",
        make_graph,
        np.ones((total, 1)),
        pairs[:, 0],
        pairs[:, 1],
    )


@given(hnp.arrays(np.float32, (3, 4), elements=st.sampled_from([0.0, 1.0, np.nan, np.inf])))
def test_the_first_non_finite_feature_is_named(nodes):
    bad = np.argwhere(~np.isfinite(nodes))
    if len(bad):
        row, column = bad[0]
        rejected(f"`nodes[{row}, {column}]` is {nodes[row, column]}", triangle, nodes=nodes)
    else:
        triangle(nodes=nodes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes": np.ones(3)}, "`nodes` has shape (3,); allowed: 2 axes"),
        ({"nodes": [["a"], ["b"], ["c"]]}, "`nodes` has dtype <U1; allowed: real numbers"),
        ({"nodes": [[1.0], [1.0, 2.0], [3.0]]}, "`nodes` cannot be made an array"),
        ({"nodes": np.ones((3, 1), complex)}, "`nodes` has dtype complex128"),
        ({"senders": [0.0, 1.0, 2.0]}, "`senders` has dtype float64; allowed: integers"),
        ({"senders": [[0, 1, 2]]}, "`senders` has shape (1, 3); allowed: one axis"),
        ({"receivers": [0, 1]}, "`n_edge` sums to 3 but `receivers` has 2 entries"),
        ({"weight": [1.0]}, "`weight` has shape (1,); allowed: (3,)"),
        ({"weight": [1.0, np.nan, 1.0]}, "`weight[1]` is nan; allowed: finite numbers"),
        ({"weight": [1.0, 0.0, -0.5]}, "`weight[2]` is -0.5; allowed: 0 (absent) or more"),
        ({"edge_features": np.ones((2, 1))}, "`edge_features` has 2 rows; allowed: 3"),
        ({"edge_features": np.ones(3)}, "`edge_features` has shape (3,); allowed: 2 axes"),
        ({"edge_features": [[0.0], [np.inf], [0.0]]}, "`edge_features[1, 0]` is inf"),
    ],
)
def test_what_cannot_be_a_graph_is_refused_by_field(changes, message):
    rejected(message, triangle, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_node": np.array([4])}, "`n_node` sums to 4 but `nodes` has 3 rows"),
        ({"n_edge": np.array([9])}, "`n_edge` sums to 9 but `senders` has 3 entries"),
        ({"edges": np.ones(3)}, "`edges` is a ndarray; allowed: jmetamer.graphs.graph.Edges"),
        ({"edges": Edges(np.ones(3, int))}, "`weight` has dtype int64; allowed: floating point"),
        ({"nodes": np.ones((3, 2), int)}, "`nodes` has dtype int64; allowed: floating point"),
        ({"nodes": {"positions": np.ones(3)}}, "`nodes['positions']` has shape (3,)"),
        ({"senders": np.ones(3)}, "`senders` has dtype float64"),
    ],
)
def test_a_broken_graphs_tuple_is_refused_by_field(changes, message):
    rejected(message, validate_graph, triangle()._replace(**changes))


def test_only_a_graphs_tuple_is_a_graph():
    rejected("`graph` is a dict; allowed: a jraph.GraphsTuple", validate_graph, {})


def test_jax_arrays_half_precision_and_dicts_of_arrays_are_valid():
    graph = jax.tree.map(jnp.asarray, triangle())
    validate_graph(graph)
    validate_graph(graph._replace(nodes=graph.nodes.astype(jnp.bfloat16)))
    validate_graph(graph._replace(nodes={"positions": np.zeros((3, 3), np.float32)}))
    validate_graph(jraph.batch_np([triangle(), triangle()]))


def test_with_nodes_works_under_jit_and_checks_the_rows():
    graph = triangle()
    doubled = jax.jit(lambda nodes: with_nodes(graph, 2 * nodes).nodes)(graph.nodes)
    np.testing.assert_array_equal(doubled, 2 * np.eye(3))
    assert num_nodes(graph) == 3
    rejected("`nodes` has shape (2, 3); allowed: (3, d)", with_nodes, graph, np.ones((2, 3)))


def test_importing_and_building_graphs_starts_no_accelerator():
    code = (
        "import numpy as np, jmetamer.graphs as g; from jax._src import xla_bridge as x;"
        "g.validate_graph(g.make_graph(np.eye(2), [0], [1])); g.load_dataset('karate');"
        "assert not x._backends, x._backends"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32, np.uint32])
@pytest.mark.parametrize("offset", [-1, 0, 1, 2])
def test_whole_numbers_that_float32_merges_are_refused(dtype, offset):
    for power in (24, 25, 30, 31, 53, 62):
        value = 2**power + offset
        if value > np.iinfo(dtype).max:
            continue
        nodes = np.array([[value]], dtype)
        if int(np.float32(value)) == value:
            assert make_graph(nodes, [], []).nodes[0, 0] == value
        else:
            with pytest.raises(InputError, match=rf"`nodes\[0, 0\]` is {value}, which float32"):
                make_graph(nodes, [], [])


def test_numbers_beyond_float32_are_refused_by_their_value():
    with pytest.raises(InputError, match=r"`nodes\[0, 1\]` is -1e\+39, which float32 does not"):
        make_graph([[0.0, -1e39]], [], [])


def test_sparse_features_are_those_of_the_dense_matrix():
    dense = np.eye(5, 3)
    sparse = [scipy.sparse.csr_matrix(dense), scipy.sparse.coo_array(dense)]
    for features in [*sparse, jax.experimental.sparse.BCOO.fromdense(dense)]:
        np.testing.assert_array_equal(make_graph(features, [0], [1]).nodes, dense)


def test_sparse_features_that_do_not_fit_are_refused_with_what_to_do():
    huge = scipy.sparse.csr_matrix((10**7, 10**7))
    with pytest.raises(InputError, match=r"`nodes` is sparse of shape \(10000000, 10000000\)"):
        make_graph(huge, [], [])


@pytest.mark.parametrize("value", [2.0**24 + 1, -(2.0**30) - 1, 2.0**53 - 1])
def test_whole_numbers_are_refused_from_float64_too(value):
    with pytest.raises(InputError, match=r"`nodes\[0, 1\]` is .* merges whole numbers"):
        make_graph([[0.5, value]], [], [])
    with pytest.raises(InputError, match=r"`weight\[0\]` is .* merges whole numbers"):
        make_graph(np.eye(2), [0, 1], [1, 0], [abs(value), 0.5])
    for kept in (value - 0.25 if abs(value) < 2**40 else 2.0**24, 2.0**60 + 2.0**10, 1e300 / 1e280):
        assert make_graph([[kept]], [], []).nodes[0, 0] == np.float32(kept)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8])
@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array"])
def test_a_sparse_matrix_takes_no_more_memory_than_is_said(monkeypatch, dtype, kind):
    matrix = getattr(scipy.sparse, kind)(np.eye(600, 500, dtype=dtype))
    tracemalloc.start()
    make_graph(matrix, [], [])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    monkeypatch.setattr("jmetamer.graphs.graph.available_host_bytes", lambda: peak - 100_000)
    with pytest.raises(InputError, match=r"`nodes` is sparse of shape \(600, 500\)"):
        make_graph(matrix, [], [])
    monkeypatch.setattr("jmetamer.graphs.graph.available_host_bytes", lambda: 4 * peak)
    assert make_graph(matrix, [], []).nodes.trace() == 500


def _with_an_entry_outside():
    sparse = jax.experimental.sparse
    coo, negative = scipy.sparse.coo_matrix(np.eye(3)), scipy.sparse.coo_array(np.eye(3))
    coo.row[0], negative.coords[1][0] = 7, -1
    lists = scipy.sparse.lil_matrix(np.eye(3))
    lists.rows[0][0] = 7
    ones, places = np.ones(3, np.float32), np.array([[0, 0], [1, 1], [5, 2]])
    yield from (coo, negative, lists, sparse.BCOO((ones, places), shape=(3, 3)))
    yield sparse.BCSR((ones, np.array([0, 1, 9]), np.array([0, 1, 2, 3])), shape=(3, 3))
    torch = pytest.importorskip("torch")
    moved, rows = torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()
    moved._indices()[0, 0] = rows.col_indices()[0] = 9
    yield from (moved, rows)


def test_entries_that_fill_up_a_matrix_of_jax_are_none():
    filled = jax.experimental.sparse.BCOO.fromdense(np.eye(3, 2), nse=5)
    np.testing.assert_array_equal(make_graph(filled, [], []).nodes, np.eye(3, 2))
    batched = jax.experimental.sparse.BCOO.fromdense(np.eye(3, 2), n_batch=1)
    np.testing.assert_array_equal(make_graph(batched, [], []).nodes, np.eye(3, 2))
    outside = jax.experimental.sparse.BCOO(
        (batched.data, batched.indices.at[1, 0, 0].set(2)), shape=(3, 2)
    )
    with pytest.raises(InputError, match=r"entry at \[2\]"):
        make_graph(outside, [], [])


def test_what_would_be_read_out_of_bounds_is_refused():
    wrong = scipy.sparse.csr_matrix(np.eye(3))
    wrong.indices[0] = 50
    with pytest.raises(InputError, match="`nodes` is no sparse matrix that can be read"):
        make_graph(wrong, [], [])
    for wrong in _with_an_entry_outside():
        with pytest.raises(InputError, match="`nodes` is no sparse matrix that can be read"):
            make_graph(wrong, [], [])
    with pytest.raises(InputError, match="`nodes` is a list"):
        validate_graph(make_graph(np.eye(2), [], [])._replace(nodes=[[1.0], [2.0]]))


def test_sparse_features_are_made_dense_or_it_is_said_how():
    graph = make_graph(np.zeros((3, 2)), [0], [1])
    for features in (
        scipy.sparse.csr_matrix(np.eye(3)),
        jax.experimental.sparse.BCOO.fromdense(np.eye(3)),
    ):
        np.testing.assert_array_equal(with_nodes(graph, features).nodes, np.eye(3))
        with pytest.raises(InputError, match=r"`nodes` is sparse; .*`with_nodes`"):
            validate_graph(graph._replace(nodes=features))
        with pytest.raises(InputError, match=r"`senders` is sparse; .*`todense\(\)`"):
            make_graph(np.eye(3), features, [1])
    with pytest.raises(InputError, match=r"`nodes` is sparse of shape \(3, 1000000000000000\)"):
        with_nodes(graph, scipy.sparse.csr_matrix((3, 10**15)))
