"""Padding: the real part is untouched, everything added has weight 0 and touches no real node."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jmetamer._base.errors import InputError
from jmetamer.graphs.edge_lists import pad_graph
from jmetamer.graphs.graph import make_graph, validate_graph

GRAPH = make_graph(np.eye(3), [0, 1], [1, 2], [0.5, 2.0], [[1.0], [2.0]])


@given(st.integers(4, 9), st.integers(2, 9))
def test_padding_has_weight_zero_and_sits_at_a_padding_node(num_nodes, num_edges):
    padded = pad_graph(GRAPH, num_nodes, num_edges)
    validate_graph(padded)
    assert padded.nodes.shape == (num_nodes, 3)
    assert padded.senders.shape == padded.receivers.shape == (num_edges,)
    np.testing.assert_array_equal(padded.nodes[:3], GRAPH.nodes)
    np.testing.assert_array_equal(padded.senders[:2], GRAPH.senders)
    np.testing.assert_array_equal(padded.edges.weight[:2], GRAPH.edges.weight)
    np.testing.assert_array_equal(padded.edges.features[:2], GRAPH.edges.features)
    assert not padded.nodes[3:].any()
    assert not padded.edges.weight[2:].any()
    assert (padded.senders[2:] >= 3).all()
    assert (padded.receivers[2:] >= 3).all()
    assert padded.senders.dtype == np.int32


def test_a_graph_that_fits_exactly_is_unchanged():
    same = pad_graph(GRAPH, 3, 2)
    np.testing.assert_array_equal(same.senders, GRAPH.senders)
    np.testing.assert_array_equal(same.nodes, GRAPH.nodes)


@pytest.mark.parametrize(
    ("num_nodes", "num_edges", "message"),
    [
        (2, 2, "`num_nodes` is 2; allowed: 3 or more"),
        (4, 1, "`num_edges` is 1; allowed: 2 or more"),
        (3, 5, "`num_nodes` is 3; allowed: 4 or more, as 3 padding edges need a padding node"),
    ],
)
def test_what_does_not_fit_is_refused(num_nodes, num_edges, message):
    with pytest.raises(InputError, match=re.escape(message)):
        pad_graph(GRAPH, num_nodes, num_edges)
