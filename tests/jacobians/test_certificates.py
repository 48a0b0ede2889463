"""Certified ranks against theory: an activation whose derivative is nowhere zero changes none."""

import itertools
from fractions import Fraction

import jax
import numpy as np
import pytest
from small_problems import Trained, draw_params

import jmetamer as jm
from jmetamer.geometry import log_derivative
from jmetamer.geometry.of_problem import joint_spectrum, node_maps, rank_ledger_of
from jmetamer.geometry.of_problem.local_geometry import local_geometry
from jmetamer.geometry.of_problem.reference_point import ReferencePoint
from jmetamer.geometry.of_problem.survey import survey
from jmetamer.models import ACTIVATIONS

NOWHERE_ZERO = sorted(set(ACTIVATIONS) - {"relu"})
ARCHITECTURES = {
    "gcn": jm.GCN,
    "gat": lambda **options: jm.GAT(heads=2, **options),
    "sage": jm.GraphSAGE,
    "gin": jm.GIN,
}
NODES = [0, 3]


def problem_of(architecture, activation, layers, scale, layer, hidden=4):
    """A network whose matrices are scaled, so that its units saturate for a large scale."""
    edges = np.array([*itertools.pairwise(range(6)), (0, 5), (1, 4)])
    rng = np.random.default_rng(layers)
    graph = jm.make_graph(rng.normal(size=(6, 5)), *np.concatenate([edges, edges[:, ::-1]]).T)
    model = ARCHITECTURES[architecture](
        hidden=hidden, layers=layers, activation=activation, num_outputs=3
    )
    params = jax.tree.map(
        lambda p: p * np.float32(scale) if p.ndim > 1 else p, draw_params(model, graph)
    )
    return jm.Problem(Trained(model, params), graph, layer=layer)


def assert_carried(before, after):
    for field in ("rank", "rank_low", "rank_high", "certified"):
        np.testing.assert_array_equal(getattr(before, field), getattr(after, field))


# Every architecture and every activation once; all pairs at two and three layers are in
# experiments/certificates. Operations one by one: compiling would take longer than running.
@pytest.mark.parametrize(
    ("architecture", "activation"),
    [("gcn", name) for name in sorted(ACTIVATIONS)]
    + [(name, activation) for name in ("sage", "gin") for activation in ("elu", "relu")]
    + [("gat", "tanh")],
)
def test_no_certified_number_contradicts_the_chain_rule(architecture, activation):
    for scale in (1.0, 30.0):
        problem = problem_of(architecture, activation, 2, scale, "logits")
        with jax.disable_jit():
            assert_chain(rank_ledger_of(problem, NODES), activation)


def assert_chain(ledger, activation):
    found = ledger.ranks
    entries = np.concatenate([found.linear, found.activation])
    certain = np.concatenate([found.linear_certified, found.activation_certified])
    assert (entries[certain] >= 0).all()
    np.testing.assert_array_equal(entries.sum(axis=0), found.dimension)
    pairs = zip(ledger.spectra[0::2], ledger.spectra[1::2], strict=True)
    for sigma, (before, after) in zip(ledger.nonlinearities, pairs, strict=True):
        if sigma is not None and activation != "relu":
            assert_carried(before, after)
    if activation in NOWHERE_ZERO:
        assert not found.activation.any()


@pytest.mark.parametrize(("architecture", "activation"), [("gcn", "elu"), ("sage", "tanh")])
def test_every_way_to_a_rank_carries_it_over_a_saturated_activation(architecture, activation):
    problem = problem_of(architecture, activation, 2, 40.0, "conv1")
    local = local_geometry(problem, NODES)
    assert_carried(local.before, local.after)
    assert not local.change.rank_loss.any()
    np.testing.assert_allclose(
        local.after.log_volume - local.before.log_volume, local.change.delta, rtol=1e-9
    )
    maps = node_maps(problem)
    assert_carried(maps.before.spectrum, maps.after.spectrum)
    np.testing.assert_array_equal(maps.after.nu, maps.before.nu)
    assert_carried(*(joint_spectrum(problem, before=before) for before in (True, False)))
    layers = survey(problem, NODES, maps=False).layers
    assert_carried(*(layers.spectra[layers.layers.index(n)] for n in ("conv1.pre", "conv1")))


def exact_rank(matrix):
    """Rank of a matrix of fractions, by elimination."""
    rows, rank = [list(row) for row in matrix], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] / rows[rank][column]
            if factor:
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[rank], strict=True)]
        rank += 1
    return rank


def fractions(array):
    return np.vectorize(Fraction, otypes=[object])(np.asarray(array, float))


@pytest.mark.parametrize(("activation", "scale"), [("elu", 1.0), ("elu", 30.0), ("tanh", 6.0)])
def test_certified_ranks_of_a_gcn_are_those_of_exact_elimination(activation, scale):
    problem = problem_of("gcn", activation, 2, scale, "logits", hidden=2)
    point = ReferencePoint(problem)
    graph, params = problem.graph, problem.trained.params["params"]
    looped = np.eye(6)
    np.add.at(looped, (graph.receivers, graph.senders), 1)
    # S = D^-1/2 A D^-1/2; both scalings are invertible and commute with the nonlinearity's D.
    spread = fractions(looped)
    jacobian = np.kron(spread, fractions(params["conv1"]["kernel"]).T)
    logs = log_derivative(activation)(point.activations["conv1.pre"]).reshape(-1)
    tiny = fractions(np.maximum(np.exp(logs), 1e-300))
    step = np.kron(spread, fractions(params["conv2"]["kernel"]).T)
    exact = [exact_rank(jacobian)] * 2 + [exact_rank(step.dot(tiny[:, None] * jacobian))] * 2
    for rank, spectrum in zip(exact, rank_ledger_of(problem).spectra, strict=True):
        assert spectrum.rank_low[0] <= rank <= spectrum.rank_high[0]


def test_saturated_attention_lets_a_gap_certify_the_lower_end_alone():
    sharp, plain = (problem_of("gat", "identity", 2, scale, "conv1") for scale in (300.0, 1.0))
    assert ReferencePoint(sharp).attenuation().sum(axis=0).max() > 40
    assert ReferencePoint(plain).attenuation().sum(axis=0).max() < 10
    found = joint_spectrum(sharp, before=False)
    assert found.rank_high[0] == 6 * 4 or found.certified[0]


def test_features_near_zero_certify_no_rank():
    problem = problem_of("gcn", "elu", 2, 1.0, "conv1")
    tiny = problem.graph._replace(nodes=np.asarray(problem.graph.nodes) * np.float32(1e-16))
    found = local_geometry(jm.Problem(problem.trained, tiny, layer="conv1"), NODES)
    for spectrum in (found.before, found.after):
        assert not (spectrum.certified & (spectrum.rank != 4)).any()
        assert (spectrum.rank_high == 4).all()
