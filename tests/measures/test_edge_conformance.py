"""What every measure of edges in the table promises, checked for all of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jmetamer as jm
from jmetamer.measures import MEASURES, Facts, edge_deviations, edge_set
from jmetamer.measures.table import EDGE_KINDS
from jmetamer.oracles.known_answers import cycles

OF_EDGES = {name: m for name, m in MEASURES.items() if m.reads == "edges"}
CASES = [
    pytest.param(measure, kind, id=f"{name}-{kind}")
    for name, measure in OF_EDGES.items()
    for kind in measure.applies_to
]


def draw(kind, seed, num_nodes, density=None, directed=False):
    """Draw a graph with isolated nodes, self loops and absent edges, weighted as its kind is."""
    rng = np.random.default_rng(seed)
    density = rng.choice([0.0, 0.2, 0.6]) if density is None else density
    table = np.triu(rng.uniform(size=(num_nodes, num_nodes)) < density, 1)
    table = table | ((rng.uniform(size=table.shape) < density) & ~np.eye(num_nodes, dtype=bool)
                     if directed else table.T)  # fmt: skip
    senders, receivers = np.nonzero(table)
    size = (num_nodes, num_nodes)
    weights = np.ones(size) if kind == "simple_edges" else 10.0 ** rng.integers(-2, 3, size)
    if not directed:
        weights = np.triu(weights) + np.triu(weights, 1).T
    loops = np.arange(num_nodes // 2)
    weight = np.concatenate([weights[senders, receivers], np.ones(loops.size)])
    return jm.make_graph(
        np.ones((num_nodes, 1)), np.append(senders, loops), np.append(receivers, loops), weight
    )


def renamed(graph, order):
    """The same graph with other numbers of nodes."""
    place = np.argsort(order)
    return graph._replace(senders=place[graph.senders], receivers=place[graph.receivers])


def facts_of(num_nodes):
    """Two classes."""
    return Facts(labels=np.arange(num_nodes) * 2 // max(num_nodes, 1))


def known(measure, reference, order=None):
    """The measure with its facts filled in, of nodes in another order."""
    facts = facts_of(len(reference.nodes))
    if order is not None:
        facts = facts._replace(labels=facts.labels[order])
    return measure.given(edge_set(reference), facts)


def value_of(measure, reference, metamer, order=None):
    function = known(measure, reference, order).function
    return function(edge_set(reference), edge_set(metamer))


# As many nodes as a measure takes.
FEW = {"structure/edit_distance": 6, "structure/folklore_wl": 7, "structure/tree_mover": 12}


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_every_measure_keeps_what_it_declares(measure, kind):
    @settings(max_examples=25, deadline=None)
    @given(st.sampled_from([0, 1, 2, 7]), st.booleans(), st.integers(0, 10**6))
    def check(num_nodes, directed, seed):
        reference, metamer = (draw(kind, s, num_nodes, directed=directed) for s in (seed, seed + 1))
        value = value_of(measure, reference, metamer)
        assert isinstance(value, float)
        same = value_of(measure, reference, reference)
        if measure.may_be_missing and (np.isnan(value) or np.isnan(same)):
            return
        assert same == 0, "identity"
        assert measure.low <= value <= measure.high, "range"
        if measure.symmetric:
            assert value_of(measure, metamer, reference) == pytest.approx(value, abs=1e-12)
        rng = np.random.default_rng(seed)
        order, other = rng.permutation(num_nodes), rng.permutation(num_nodes)
        both = renamed(reference, order), renamed(metamer, order)
        assert value_of(measure, *both, order) == pytest.approx(value, abs=1e-12)
        if measure.permutation == "separate":
            apart = renamed(reference, order), renamed(metamer, other)
            assert value_of(measure, *apart, order) == pytest.approx(value, abs=1e-12)

    check()


@pytest.mark.parametrize("name", OF_EDGES)
def test_a_measure_that_may_be_missing_is_on_some_graph_and_is_not_on_most(name):
    measure = OF_EDGES[name]
    ring, none = cycles([6]), draw("simple_edges", 0, 6, 0.0)
    missing = [np.isnan(value_of(measure, graph, graph)) for graph in (ring, none)]
    assert any(missing) == measure.may_be_missing
    assert not np.isnan(value_of(measure, *(draw("simple_edges", s, 7, 0.4) for s in (1, 2))))


@pytest.mark.parametrize("name", OF_EDGES)
def test_a_joint_measure_really_sees_a_separate_permutation(name):
    measure = OF_EDGES[name]
    one, other = np.array([[0, 1, 2, 2], [1, 2, 0, 3]])  # a triangle with a tail
    graph = jm.make_graph(np.zeros((4, 1)), [*one, *other], [*other, *one])
    moved = value_of(measure, graph, renamed(graph, [3, 0, 1, 2]))
    assert (moved <= 1e-12) == (measure.permutation == "separate")


@pytest.mark.parametrize("name", OF_EDGES)
def test_self_loops_and_absent_edges_change_nothing(name):
    one, other = (draw("edge_weights", seed, 6, 0.5) for seed in (1, 2))
    more = jm.make_graph(
        other.nodes,
        [*other.senders, 5, 0, 3],
        [*other.receivers, 5, 4, 3],
        [*other.edges.weight, 2.0, 0.0, 1.0],
    )
    assert value_of(OF_EDGES[name], one, more) == value_of(OF_EDGES[name], one, other)


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_batches_equal_one_at_a_time(measure, kind):
    reference = draw(kind, 0, 7, 0.4)
    metamers = [draw(kind, seed, 7, 0.4) for seed in range(1, 6)]

    def found(some):
        return edge_deviations(reference, some, kind, [measure.name], facts=facts_of(7))

    together, alone = found(metamers), [found([metamer]).values[0, 0] for metamer in metamers]
    assert together.values[:, 0].tolist() == alone
    assert together.chance[0] == known(measure, reference).chance_at(reference)
    assert (together.low[0], together.high[0]) == (measure.low, measure.high)


@pytest.mark.parametrize("name", OF_EDGES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_metamer_that_is_not_finite_deviates_by_nan(name, bad):
    reference = draw("edge_weights", 3, 5, 0.5)
    weight = reference.edges.weight.copy()
    weight[0] = bad
    metamer = reference._replace(edges=reference.edges._replace(weight=weight))
    assert np.isnan(value_of(OF_EDGES[name], reference, metamer))


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_chance_is_the_mean_over_the_declared_null_within_its_standard_error(
    measure, kind, directed
):
    assert "drawn at random" in measure.null
    rng = np.random.default_rng(0)
    n = FEW.get(measure.name, 40)
    reference = draw(kind, 5, n, 0.15 if n == 40 else 0.4, directed)
    edges = edge_set(reference)
    senders, receivers = np.divmod(edges.numbers, n)
    weight = edges.weight if directed else edges.weight[senders < receivers]
    pairs = [(i, j) for i in range(n) for j in range(n) if (i != j if directed else i < j)]
    draws = []
    for _ in range(150):
        one, other = np.array(pairs)[rng.choice(len(pairs), weight.size, replace=False)].T
        ways = (one, other, weight) if directed else (
            np.append(one, other), np.append(other, one), np.append(weight, weight)
        )  # fmt: skip
        draws.append(value_of(measure, reference, jm.make_graph(reference.nodes, *ways)))
    error = np.std(draws) / np.sqrt(len(draws))
    # A ratio of expectations is exact up to 1 / m; means of few draws have an error of their own.
    ratio = {"structure/edge_f1": 0.0, "structure/edge_jaccard": 1 / weight.size * np.mean(draws)}
    bias = ratio.get(measure.name, np.std(draws))
    assert abs(np.mean(draws) - known(measure, reference).chance_at(reference)) <= 4 * error + bias


@pytest.mark.parametrize(("measure", "kind"), CASES)
def test_chance_lies_in_the_range_also_for_degenerate_references(measure, kind):
    for num_nodes, density in ((0, 0.0), (1, 0.0), (4, 0.0), (2, 1.0), (5, 1.0)):
        reference = draw(kind, 0, num_nodes, density)
        chance = known(measure, reference).chance_at(reference)
        assert isinstance(chance, float)
        if measure.may_be_missing and np.isnan(chance):
            continue
        assert measure.low <= chance <= measure.high


def test_misuse_is_refused_by_name():
    pair, triple = draw("simple_edges", 0, 2, 1.0), draw("simple_edges", 0, 3, 1.0)
    with pytest.raises(jm.InputError, match=r"unknown edge kind 'simple'; did you mean 'simple_e"):
        edge_deviations(pair, [], "simple")
    with pytest.raises(jm.InputError, match=r"`metamers` 1 has 3 nodes and `reference` 2"):
        edge_deviations(pair, [pair, triple])
    half = pair._replace(edges=pair.edges._replace(weight=np.array([0.5, 0.5, 1], np.float32)))
    with pytest.raises(jm.InputError, match=r"an edge of weight 0\.5.*pass 'edge_weights'"):
        edge_deviations(pair, [half])
    with pytest.raises(jm.InputError, match=r"defined for edges and edge weights, but .*continuo"):
        jm.deviations(np.eye(2), np.ones((1, 2, 2)), "continuous", ["structure/edge_f1"])
    with pytest.raises(jm.InputError, match=r"unknown feature kind 'simple_edges'"):
        jm.deviations(np.eye(2), np.ones((1, 2, 2)), EDGE_KINDS[0])
    of_all = {name for name, m in OF_EDGES.items() if m.default}
    without_labels = {name for name in of_all if "homophily" not in name}
    assert set(edge_deviations(pair, []).names) == without_labels
    assert set(edge_deviations(pair, [], facts=facts_of(2)).names) == of_all
    assert edge_deviations(pair, []).values.shape == (0, len(without_labels))
    with pytest.raises(jm.InputError, match=r"'structure/homophily', which does not apply"):
        edge_deviations(pair, [], names=["structure/homophily"])
    nine = draw("simple_edges", 0, 9, 0.5)
    with pytest.raises(jm.InputError, match=r"'structure/edit_distance'.* of at most 8 nodes"):
        edge_deviations(nine, [], names=["structure/edit_distance"])
