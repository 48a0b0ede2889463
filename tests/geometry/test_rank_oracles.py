"""Ranks that theory knows exactly, for graph networks written out in a few lines."""

import itertools

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest

from jmetamer.geometry import dense_jacobian, linearizer, singular_values, spectrum_of

PRIME = 2**31 - 1


def adjacency(graph):
    return nx.to_numpy_array(graph, weight=None)


def random_graph(num_nodes=12, degree=4.0, seed=0):
    return adjacency(nx.gnp_random_graph(num_nodes, degree / num_nodes, seed=seed))


def normalized(adjacency_matrix):
    looped = adjacency_matrix + np.eye(len(adjacency_matrix))
    root = 1 / np.sqrt(looped.sum(1))
    return root[:, None] * looped * root


def rank_of(jacobian, value=0.0, point=0.0):
    spectrum = spectrum_of(
        jacobian, output_norm=np.linalg.norm(value), input_norm=np.linalg.norm(point)
    )
    assert spectrum.certified[0]
    return int(spectrum.rank[0])


def gcn(x, aggregation, weights, sigma):
    """Return (z, h) of the last of several layers h = sigma(S h W)."""
    for weight in weights:
        z = aggregation @ x @ weight
        x = sigma(z)
    return z, x


def layers(widths, seed):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in)
        for fan_in, fan_out in itertools.pairwise(widths)
    ]


# Linear layers: J = S^K (x) W^T.


@pytest.mark.parametrize("hops", [1, 3])
def test_a_linear_network_has_the_products_of_both_spectra(hops):
    rng = np.random.default_rng(0)
    power = np.linalg.matrix_power(normalized(random_graph(8)), hops)
    weight = rng.normal(size=(5, 2)) @ rng.normal(size=(2, 3))
    jacobian = dense_jacobian(lambda x: power @ x @ weight, rng.normal(size=(8, 5)))
    assert np.abs(jacobian - np.kron(power, weight.T)).max() <= 1e-12
    products = np.outer(singular_values(power), singular_values(weight)).ravel()
    assert np.abs(singular_values(jacobian) - np.sort(products)[::-1]).max() <= 1e-14
    assert np.linalg.matrix_rank(weight) == 2


def test_targets_of_a_linear_network_have_the_predicted_ranks():
    rng = np.random.default_rng(1)
    aggregation = normalized(random_graph(10, seed=3))
    weight = rng.normal(size=(6, 4)) @ np.diag([1, 1, 1, 0])
    x = rng.normal(size=(10, 6))
    node = linearizer(lambda x, row: (aggregation @ x @ weight)[row])
    value, jacobian = node(x, 4)
    assert rank_of(jacobian, value, x) == 3
    expected = np.linalg.norm(aggregation[4]) * singular_values(weight)
    assert np.abs(singular_values(jacobian)[:3] - expected[:3]).max() <= 1e-14
    for columns in range(10):  # only one node's features vary
        block = jacobian[:, 6 * columns : 6 * columns + 6]
        assert rank_of(block, value, x) == (3 if aggregation[4, columns] else 0)
    rows = np.array([1, 4, 7])
    subset = dense_jacobian(lambda x: (aggregation @ x @ weight)[rows], x)
    assert rank_of(subset) == 3 * np.linalg.matrix_rank(aggregation[rows])
    assert rank_of(dense_jacobian(lambda x: (aggregation @ x @ weight).mean(0), x)) == 3


def test_the_propagation_of_a_complete_graph_has_rank_one():
    assert rank_of(normalized(adjacency(nx.complete_graph(7)))) == 1


def test_every_pair_of_twins_costs_the_propagation_one_rank():
    graph = nx.gnp_random_graph(13, 0.35, seed=5)
    full = rank_of(normalized(adjacency(graph)))
    graph.add_edges_from([(13, 0), *((13, node) for node in graph.neighbors(0))])
    assert rank_of(normalized(adjacency(graph))) == full
    assert len(graph) == 14


def test_true_twins_hide_opposite_changes_from_every_depth():
    graph = nx.gnp_random_graph(9, 0.4, seed=2)
    graph.add_edges_from([(9, 0), *((9, node) for node in graph.neighbors(0))])
    weights = layers((3, 4, 4), 0)
    x = np.random.default_rng(2).normal(size=(10, 3))
    jacobian = dense_jacobian(
        lambda x: gcn(x, normalized(adjacency(graph)), weights, jnp.tanh)[1], x
    )
    direction = np.zeros((10, 3))
    direction[0], direction[9] = 1, -1
    assert np.abs(jacobian @ direction.ravel()).max() <= 1e-15


@pytest.mark.parametrize("sigma", [jnp.tanh, jax.nn.relu, jax.nn.elu])
def test_the_first_layer_bounds_the_rank_whatever_follows(sigma):
    aggregation = normalized(adjacency(nx.complete_bipartite_graph(3, 5)))
    weights = layers((6, 2, 7), 3)
    x = np.random.default_rng(3).normal(size=(8, 6))
    bound = np.linalg.matrix_rank(aggregation) * 2
    jacobian = dense_jacobian(lambda x: gcn(x, aggregation, weights, sigma)[0], x)
    spectrum = spectrum_of(jacobian, structural_bound=bound)
    assert spectrum.rank[0] <= bound < min(jacobian.shape)
    assert np.linalg.matrix_rank(jacobian) <= bound


# Activations.


def test_a_relu_node_target_has_as_much_rank_as_active_units():
    aggregation = normalized(random_graph(20, degree=6.0, seed=1))
    weights = layers((10, 40, 8), 4)  # wide enough that every z has full row rank
    x = np.random.default_rng(4).normal(size=(20, 10))
    linearize = linearizer(
        lambda x, row: jnp.stack(gcn(x, aggregation, weights, jax.nn.relu))[:, row]
    )
    for row in range(20):
        value, jacobian = linearize(x, row)
        assert rank_of(jacobian[:8], value[:8], x) == 8
        assert rank_of(jacobian[8:], value[8:], x) == np.sum(value[8:] > 0)


@pytest.mark.parametrize("sigma", [jnp.tanh, jax.nn.elu, jax.nn.leaky_relu, jax.nn.softplus])
def test_an_activation_with_no_zero_slope_keeps_the_rank(sigma):
    aggregation = normalized(random_graph(7, seed=6))
    x = np.random.default_rng(5).normal(size=(7, 3))
    jacobian = dense_jacobian(
        lambda x: jnp.stack(gcn(x, aggregation, layers((3, 5, 6), 5), sigma)), x
    )
    before, after = np.split(jacobian, 2)
    assert rank_of(before) == rank_of(after)
    assert 0 < rank_of(before) < len(before)


def rank_modulo_prime(matrix):
    """Gaussian elimination over the integers modulo 2^31 - 1."""
    matrix = matrix % PRIME
    rank = 0
    for column in range(matrix.shape[1]):
        pivots = np.flatnonzero(matrix[rank:, column])
        if len(pivots) == 0:
            continue
        matrix[[rank, rank + pivots[0]]] = matrix[[rank + pivots[0], rank]]
        matrix[rank] = matrix[rank] * pow(int(matrix[rank, column]), -1, PRIME) % PRIME
        below = matrix[rank + 1 :]
        below[:] = (below - below[:, column : column + 1] * matrix[rank] % PRIME) % PRIME
        rank += 1
        if rank == len(matrix):
            break
    return rank


def exact_product(left, right):
    """Matrix product modulo the prime, in 16-bit halves so that int64 does not overflow."""
    low, high = left & 0xFFFF, left >> 16
    parts = [
        sum(half[:, k : k + 1] * right[k] % PRIME for k in range(len(right)))
        for half in (low, high)
    ]
    return (parts[0] + parts[1] % PRIME * 65536) % PRIME


def exact_relu_rank(adjacency_matrix, weights, masks):
    """Rank of prod_l D_l (A~ D~^-1 (x) W_l^T) without any rounding.

    S is diagonally similar to A~ D~^-1 and the masks commute with that scaling, so this is the
    rank of the GCN's Jacobian. Weights are multiples of 2^-10 and become integers.
    """
    looped = (adjacency_matrix + np.eye(len(adjacency_matrix))).astype(np.int64)
    inverse = np.array([pow(int(d), -1, PRIME) for d in looped.sum(0)])
    walk = looped * inverse % PRIME
    product = None
    for weight, mask in zip(weights, masks, strict=True):
        integers = np.rint(weight.T * 1024).astype(np.int64)
        assert np.array_equal(integers / 1024, weight.T)
        layer = np.kron(walk, integers % PRIME) % PRIME
        layer = layer * mask.reshape(-1, 1)
        product = layer if product is None else exact_product(layer, product)
    return rank_modulo_prime(product)


@pytest.mark.parametrize("depth", [2, 5])
def test_float64_finds_the_exact_rank_of_a_deep_relu_network(depth):
    graph = random_graph(10, seed=depth)
    weights = [np.rint(w * 1024) / 1024 for w in layers((8,) + (8,) * depth, depth)]
    x = np.random.default_rng(depth).normal(size=(10, 8))

    def network(x):
        return gcn(x, normalized(graph), weights, jax.nn.relu)[1]

    masks, h = [], x
    for weight in weights:
        h = np.maximum(normalized(graph) @ h @ weight, 0)
        masks.append((h > 0).astype(np.int64))
    value, jacobian = linearizer(network)(x)
    spectrum = spectrum_of(
        jacobian, output_norm=np.linalg.norm(value), input_norm=np.linalg.norm(x)
    )
    exact = exact_relu_rank(graph, weights, masks)
    assert 0 < exact < 80
    assert spectrum.rank[0] == exact
    assert spectrum.rank_low[0] <= exact <= spectrum.rank_high[0]


def test_elimination_modulo_the_prime_finds_prescribed_ranks():
    rng = np.random.default_rng(0)
    for rank in (0, 1, 4):
        left, right = rng.integers(0, PRIME, (6, rank)), rng.integers(0, PRIME, (rank, 9))
        product = exact_product(left, right) if rank else np.zeros((6, 9), np.int64)
        assert rank_modulo_prime(product) == rank


# Functions of positions.


def pairwise_distances(positions):
    first, second = np.triu_indices(len(positions), 1)
    return jnp.sum((positions[first] - positions[second]) ** 2, axis=1)


@pytest.mark.parametrize(
    ("num_points", "span"),
    [(2, 1), (3, 2), (4, 3), (5, 3), (7, 3), (5, 2), (7, 2), (4, 1), (7, 1)],
)
def test_distances_see_the_positions_up_to_motions_of_the_affine_span(num_points, span):
    rng = np.random.default_rng(num_points)
    points = rng.normal(size=(num_points, span)) @ rng.normal(size=(span, 3)) + 1
    expected = span * num_points - span * (span + 1) // 2
    value, jacobian = linearizer(pairwise_distances)(points)
    assert rank_of(jacobian, value, points) == expected
    if span == 3:
        assert expected == 3 * num_points - 6


def test_a_single_point_has_no_distances_and_is_free():
    spectrum = spectrum_of(dense_jacobian(pairwise_distances, np.ones((1, 3))))
    assert (spectrum.rank[0], spectrum.dimension[0]) == (0, 3)


# Sums, means and skips.


@pytest.mark.parametrize(
    ("graph", "lost"),
    [
        (nx.complete_graph(6), 5),
        (nx.cycle_graph(9), 2),
        (nx.cycle_graph(10), 0),
        (nx.path_graph(8), 1),
        (nx.path_graph(9), 0),
    ],
)
def test_a_gin_layer_is_singular_where_minus_one_is_an_eigenvalue(graph, lost):
    matrix = adjacency(graph)
    weight = np.random.default_rng(0).normal(size=(3, 3))
    jacobian = dense_jacobian(lambda x: (x + matrix @ x) @ weight, np.ones((len(graph), 3)))
    assert rank_of(jacobian) == 3 * (len(graph) - lost)


@pytest.mark.parametrize(
    ("graph", "lost"),
    [(nx.cycle_graph(10), 1), (nx.cycle_graph(9), 0), (nx.path_graph(8), 1), (nx.path_graph(9), 1)],
)
def test_a_mean_gin_layer_loses_one_rank_per_bipartite_component(graph, lost):
    matrix = adjacency(graph)
    mean = matrix / matrix.sum(1, keepdims=True)
    assert rank_of(dense_jacobian(lambda x: x + mean @ x, np.ones((len(graph), 1)))) == (
        len(graph) - lost
    )
    shifted = dense_jacobian(lambda x: 1.3 * x + mean @ x, np.ones((len(graph), 1)))
    assert rank_of(shifted) == len(graph)


def test_sums_see_weights_of_equal_neighbors_and_means_do_not():
    rng = np.random.default_rng(1)
    weight, equal, generic = np.array([0.5, 1.0, 1.5]), np.ones((3, 4)), rng.normal(size=(3, 4))
    ranks = {}
    for name, features in (("equal", equal), ("generic", generic)):
        for rule, divide in (("sum", 0.0), ("mean", 1.0)):

            def pooled(w, features=features, divide=divide):
                return w @ features / jnp.sum(w) ** divide

            value, jacobian = linearizer(pooled)(weight)
            ranks[name, rule] = rank_of(jacobian, value, weight)
    assert ranks == {
        ("equal", "sum"): 1,
        ("equal", "mean"): 0,
        ("generic", "sum"): 3,
        ("generic", "mean"): 2,
    }


@pytest.mark.parametrize("degenerate", [False, True])
def test_a_sage_layer_has_the_sum_of_its_ranks_over_eigenvalues(degenerate):
    rng = np.random.default_rng(7)
    matrix = adjacency(nx.complete_bipartite_graph(4, 8) if degenerate else nx.cycle_graph(12))
    mean = matrix / matrix.sum(1, keepdims=True)
    own, other = rng.normal(size=(2, 5, 5))
    if degenerate:  # singular at the eigenvalue 0, which this graph has ten times
        own[:, 0] = 0
    root = np.sqrt(matrix.sum(1))
    eigenvalues = np.linalg.eigvalsh(matrix / np.outer(root, root))
    expected = sum(np.linalg.matrix_rank(own + value * other, tol=1e-10) for value in eigenvalues)
    jacobian = dense_jacobian(lambda x: x @ own + mean @ x @ other, np.ones((12, 5)))
    assert rank_of(jacobian) == expected == (50 if degenerate else 60)


def test_a_pooled_readout_has_no_more_rank_than_orbits_times_features():
    aggregation = normalized(adjacency(nx.cycle_graph(6)))
    weights = layers((5, 9, 7), 1)
    rng = np.random.default_rng(0)

    def readout(x):
        return gcn(x, aggregation, weights, jnp.tanh)[1].sum(0)

    constant = np.tile(rng.normal(size=5), (6, 1))
    for x, expected in ((constant, 5), (rng.normal(size=(6, 5)), 7)):
        value, jacobian = linearizer(readout)(x)
        assert rank_of(jacobian, value, x) == expected
