"""What every part that varies promises; a new one is covered by its line in `VARY`."""

import functools
import inspect
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.evaluation.control_graphs import ControlGraphs
from jmetamer.measures import measures_for
from jmetamer.metamers.check import Judge
from jmetamer.metamers.methods import METHODS


def skeleton():
    """A part from outside the package: that of the house's README."""
    text = (Path(jm.__file__).parent / "README.md").read_text()
    _, code = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names = {"__name__": "skeleton"}
    exec(compile(code, "jmetamer/README.md", "exec"), names)
    return names["SomeColumns"]


SomeColumns = skeleton()
# Variants of the registered ones, beside their defaults.
VARIANTS = {
    "some columns": SomeColumns(),
    "continuous box": jm.ContinuousFeatures(jm.Box(-0.5, 0.75), jm.PermutedRows()),
    "continuous non-negative": jm.ContinuousFeatures(jm.NonNegative(), jm.PerFeatureNoise()),
    "binary row": jm.BinaryFeatures(ones="row", slope=2.0, margin_weight=0.1),
    "edge weights directed": jm.EdgeWeights(directed=True),
    "edge weights in a box": jm.EdgeWeights(((0, 7), (12, 3)), jm.Box(0.25, 1.5)),
}
ALL = {name: kind() for name, kind in jm.VARY.items()} | VARIANTS


@pytest.fixture(params=list(ALL))
def vary(request):
    return ALL[request.param]


@pytest.fixture
def reference(binary_graph):
    """0/1 features: legal for every part but the box, which `legal` clips."""
    return jax.tree.map(jnp.asarray, binary_graph)


def moves_edges(vary):
    return vary.part != "features"


def domain_of(vary):
    """The domain of the features."""
    return jm.metamers.Free() if moves_edges(vary) else getattr(vary, "domain", jm.metamers.Free())


def present(graph):
    """The edges of positive weight, as a dict from ends to weight."""
    sides = np.asarray(graph.senders).tolist(), np.asarray(graph.receivers).tolist()
    ends = zip(*sides, strict=True)
    weights = np.asarray(graph.edges.weight).tolist()
    return {pair: weight for pair, weight in zip(ends, weights, strict=True) if weight > 0}


def has_legal_edges(vary, graph, reference):
    if vary.part != "edge_weights":
        return equal(graph[1:], reference[1:])
    edges, known = present(graph), set(present(reference))
    known |= {end for i, j in vary.candidates or () for end in ((i, j), (j, i))}
    shared = vary.directed or all(edges[i, j] == edges[j, i] for i, j in edges)
    weights = jnp.array(list(edges.values()))
    return shared and set(edges) <= known and bool((vary.domain.project(weights) == weights).all())


def is_legal(vary, nodes, reference):
    nodes, original = np.asarray(nodes), np.asarray(reference.nodes)
    if moves_edges(vary):
        return np.array_equal(nodes, original)
    if isinstance(vary, jm.BinaryFeatures):
        axis = 1 if vary.ones == "row" else None
        same = np.array_equal(nodes.sum(axis=axis), original.sum(axis=axis))
        return same and set(np.unique(nodes)) <= {0.0, 1.0}
    return np.array_equal(np.asarray(domain_of(vary).project(nodes)), nodes)


def equal(one, other):
    return jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), one, other))


@functools.lru_cache
def program(vary):
    """All functions of a part in one compiled one: (key, reference) -> results."""

    def run(key, reference):
        start = vary.init(key, reference)
        leaves, tree = jax.tree.flatten(start)
        keys = jax.random.split(key, len(leaves))
        noise = [x + jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
        moved = vary.project(jax.tree.unflatten(tree, noise), reference)
        direction = jax.random.normal(key, reference.nodes.shape)

        def value(theta):
            graph = vary.decode(theta, reference)
            weight = graph.edges.weight
            edges = jnp.sum(weight * jnp.cos(jnp.arange(weight.size)))
            return jnp.sum(graph.nodes * direction) + edges + vary.penalty(theta, reference)

        encoded = vary.encode(reference)
        legal = vary.project(encoded, reference)
        return {
            "start": start,
            "start_hard": vary.harden(start, reference),
            "moved": moved,
            "moved_again": vary.project(moved, reference),
            "hard": vary.harden(moved, reference),
            "seen": vary.decode(moved, reference),
            "penalty": vary.penalty(moved, reference),
            "gradient": jax.grad(value)(moved),
            "gradient_far": jax.grad(value)(jax.tree.map(lambda x: 1e4 * x, moved)),
            "back": (vary.harden(encoded, reference), vary.decode(legal, reference)),
        }

    return jax.jit(run), jax.jit(jax.vmap(run, in_axes=(0, None)))


@pytest.fixture
def results(vary, reference):
    reference = reference._replace(nodes=domain_of(vary).project(reference.nodes))
    return [program(vary)[0](jax.random.key(seed), reference) for seed in range(3)]


def test_the_reference_survives_encoding(vary, reference, results):
    nodes = domain_of(vary).project(reference.nodes)
    for back in results[0]["back"]:
        np.testing.assert_array_equal(back.nodes, nodes)
        if vary.part == "edge_weights":
            # Candidates that are no edges stand behind the others, at the smallest weight allowed.
            assert set(present(reference)) <= set(present(back))
            num_edges = reference.senders.size
            assert equal(back.edges.weight[:num_edges], reference.edges.weight)
            least = getattr(vary.domain, "low", 0.0)
            assert np.isin(back.edges.weight[num_edges:], (0.0, least)).all()
        else:
            assert equal(back[1:], reference[1:])


def test_a_start_is_legal_and_so_is_any_projected_theta_once_hard(vary, reference, results):
    reference = reference._replace(nodes=domain_of(vary).project(reference.nodes))
    for result in results:
        for hard in (result["start_hard"], result["hard"]):
            assert is_legal(vary, hard.nodes, reference)
            assert hard.nodes.shape == reference.nodes.shape
            assert hard.nodes.dtype == jnp.float32
            assert has_legal_edges(vary, hard, reference)


def test_project_is_idempotent(results):
    assert all(equal(result["moved_again"], result["moved"]) for result in results)


def test_the_network_sees_the_hard_graph_of_a_projected_theta(results):
    for result in results:
        np.testing.assert_allclose(result["seen"].nodes, result["hard"].nodes, atol=1e-7)
        assert equal(result["seen"][1:], result["hard"][1:])


def test_different_keys_give_different_starts_and_equal_keys_equal_ones(vary, reference, results):
    reference = reference._replace(nodes=domain_of(vary).project(reference.nodes))
    again = program(vary)[0](jax.random.key(0), reference)
    assert equal(again["start"], results[0]["start"])
    assert equal(results[1]["start"], results[0]["start"]) == (not vary.relaxed)


def test_gradients_are_finite_and_not_zero(vary, results):
    if not vary.relaxed:
        assert not jax.tree.leaves(results[0]["start"])
        return
    for result in results:
        leaves = jax.tree.leaves((result["gradient"], result["gradient_far"]))
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)
        assert any(float(jnp.abs(x).max()) > 0 for x in jax.tree.leaves(result["gradient"]))


def test_vmap_equals_the_loop(vary, reference, results):
    reference = reference._replace(nodes=domain_of(vary).project(reference.nodes))
    keys = jnp.stack([jax.random.key(seed) for seed in range(3)])
    together = program(vary)[1](keys, reference)
    for i, alone in enumerate(results):
        for name in ("hard", "start_hard"):
            np.testing.assert_array_equal(together[name].nodes[i], alone[name].nodes)
            weights = together[name].edges.weight[i], alone[name].edges.weight
            np.testing.assert_allclose(*weights, rtol=1e-6)
        for name in ("seen", "penalty", "gradient", "moved"):
            one, other = jax.tree.leaves(together[name]), jax.tree.leaves(alone[name])
            for batched, single in zip(one, other, strict=True):
                # The threshold of 0/1 features may lie anywhere between two entries.
                if name != "moved" or np.ndim(single) == 2 or moves_edges(vary):
                    np.testing.assert_allclose(batched[i], single, atol=1e-6)


def test_the_penalty_is_a_scalar_that_is_not_negative(results):
    for result in results:
        assert result["penalty"].shape == ()
        assert float(result["penalty"]) >= 0


def test_it_is_hashable_and_equal_by_value(vary):
    options = {name: getattr(vary, name) for name in inspect.signature(type(vary)).parameters}
    again = type(vary)(**options)
    assert again == vary
    assert hash(again) == hash(vary)


def test_it_says_how_it_is_measured_and_found(vary):
    assert measures_for(vary.kind)
    assert vary.default_method in METHODS
    assert vary.part in ("features", "edges", "edge_weights")
    assert vary.tolerance > 0


class TestAPartFromOutside:
    @pytest.fixture(params=["alone", "with edges", "with weights"])
    def problem(self, request, monkeypatch, trained, graph):
        monkeypatch.setitem(jm.VARY, "some_columns", SomeColumns)
        beside = {"alone": (), "with edges": (jm.BinaryEdges(),)}
        others = beside.get(request.param, (jm.EdgeWeights(),))
        vary = (*others, jm.VARY["some_columns"]((1, 2, 4)))
        return jm.Problem(trained, graph, layer="conv1", vary=vary)

    def test_is_searched_for_judged_and_controlled(self, problem):
        found = {}
        made = jm.generate(problem, count=2, steps=60, on_metamer=found.__setitem__)
        assert (made.loss_hardened < 0.5 * made.loss_initial).all()
        before = np.asarray(problem.graph.nodes)
        for place, graph in found.items():
            changed = (np.asarray(graph.nodes) != before).any(axis=0)
            assert np.flatnonzero(changed).tolist() == [1, 2, 4]
            assert Judge(problem)(graph).loss == pytest.approx(made.loss_hardened[place], rel=1e-3)
            again = jm.metamer_graph(problem, made, place)
            np.testing.assert_array_equal(again.nodes, graph.nodes)
        controls = ControlGraphs(problem, 0)
        assert {"start", "displacement"} <= {*controls.names}
        start = np.asarray(controls.of(1, found[1])["start"].nodes)
        np.testing.assert_array_equal(start[:, [0, 3]], before[:, [0, 3]])


class TestBinaryFeatures:
    """The variant with slope 2, one number of ones a row, margin 0.25 and weight 0.1."""

    vary = VARIANTS["binary row"]

    @pytest.fixture
    def result(self, reference):
        return program(self.vary)[0](jax.random.key(4), reference)

    @pytest.fixture
    def soft(self, result):
        return 1 / (1 + np.exp(-2.0 * np.asarray(result["moved"].logits, np.float64)))

    def test_penalty_is_the_mean_margin_deficit(self, result, soft):
        t = 1 / (1 + np.exp(-2.0 * np.asarray(result["moved"].threshold, np.float64)))
        expected = 0.1 * np.maximum(0, 0.25 - np.abs(soft - t[:, None])).mean()
        assert float(result["penalty"]) == pytest.approx(expected, rel=1e-5)

    def test_gradient_is_that_of_the_sigmoid(self, reference, result):
        plain = jm.BinaryFeatures(slope=2.0)
        theta = plain.encode(reference)
        found = jax.grad(lambda t: jnp.sum(plain.decode(t, reference).nodes))(theta).logits
        p = 1 / (1 + np.exp(-2.0 * np.asarray(theta.logits, np.float64)))
        np.testing.assert_allclose(found, 2 * p * (1 - p), rtol=1e-4)

    def test_hardening_takes_the_largest_logits_of_every_row(self, result):
        logits, hard = np.asarray(result["moved"].logits), np.asarray(result["hard"].nodes)
        for row, ones in zip(logits, hard, strict=True):
            assert set(np.argsort(-row)[: int(ones.sum())]) == set(np.flatnonzero(ones))

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"ones": "rows"}, "`ones` is 'rows'; allowed: 'global' or 'row'; did you mean 'row'?"),
            ({"slope": 0.0}, "`slope` is 0.0; allowed: a number above 0"),
            ({"margin": 1.5}, "`margin` is 1.5; allowed: a number from 0 up and up to 1"),
            ({"margin_weight": -1.0}, "`margin_weight` is -1.0; allowed: a number from 0 up"),
        ],
    )
    def test_options_outside_their_range_are_refused(self, options, text):
        with pytest.raises(jm.InputError) as raised:
            jm.BinaryFeatures(**options)
        assert text in str(raised.value)


def test_an_empty_box_is_refused():
    with pytest.raises(jm.InputError, match=r"`low`=1\.0 must be smaller than `high`=1\.0"):
        jm.Box(1.0, 1.0)


@pytest.mark.parametrize("domain", [jm.Box(-0.2, 0.4), jm.NonNegative()], ids=str)
def test_stored_metamers_respect_their_domain(small, adam, domain):
    vary = jm.ContinuousFeatures(domain, small.vary.initialization)
    problem = jm.Problem(small.trained, small.graph, layer="logits", vary=vary)
    made = jm.generate(problem, count=3, lanes=3, optimizer=adam, steps=30, tolerance=1e-6)
    assert (made.loss_hardened < made.loss_initial).all()
    for i in range(3):
        nodes = np.asarray(jm.metamer_graph(problem, made, i).nodes)
        assert nodes.min() == (np.float32(-0.2) if isinstance(domain, jm.Box) else 0)
        assert nodes.max() <= (np.float32(0.4) if isinstance(domain, jm.Box) else np.inf)
