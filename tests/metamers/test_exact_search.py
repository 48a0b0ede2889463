"""Gauss-Newton, null-space walk, maximal distance: against closed forms and their own claims."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer.metamers.methods.exact import GaussNewton, MaxDistance, Point, Walk
from jmetamer.metamers.methods.exact.dense_steps import GramSteps, SingularSteps
from jmetamer.metamers.methods.exact.equations import Search
from jmetamer.metamers.methods.exact.gauss_newton import retract
from jmetamer.metamers.methods.exact.iterative_steps import IterativeSteps
from jmetamer.metamers.methods.exact.preconditioner import choose_preconditioner
from jmetamer.metamers.methods.exact.residual import ResidualMap
from jmetamer.models import FirstLayer

DEEP = {"hidden": 8, "layers": 3, "num_outputs": 3}


@dataclasses.dataclass(frozen=True)
class Linear:
    """logits = X W: all that is known of it is known in closed form."""

    layer_names = ("logits",)

    def activations(self, params, graph, *, entry=None, identity_backward=()):
        return {"logits": graph.nodes @ params if entry is None else entry}

    def first_layer(self, params):
        return FirstLayer(params, "logits")

    def layer_structure(self, layer):
        return None

    def nonlinearity(self, layer):
        return None

    def num_hops(self, layer):
        return 0


class LowPrecision(Linear):
    """Turns what it is given into float32."""

    def activations(self, params, graph, *, entry=None, identity_backward=()):
        x = graph.nodes @ params if entry is None else entry
        return {"logits": jnp.asarray(jnp.asarray(x, jnp.float32), x.dtype)}


def noise(seed=0, shape=(16, 10)):
    return np.random.default_rng(seed).normal(size=shape)


def start_of(point, seed=0):
    return np.asarray(noise(seed, point.features.shape))


def run(method, point, seed=0):
    return method.make(start_of(point, seed), point, method.prepare(point))


@pytest.fixture(scope="module")
def point_of(graph, make_trained):
    """Points by activation, layer and nodes; deep enough that the map is far from linear."""
    known = {}

    def build(activation, layer="conv2", nodes=(3,), coordinates="auto", **settings):
        model = jm.GCN(activation=activation, **DEEP)
        key = activation, layer, nodes, coordinates, repr(settings)
        if key not in known:
            trained = make_trained(model, graph)
            problem = jm.Problem(
                trained, graph, layer, nodes=None if nodes is None else list(nodes), **settings
            )
            known[key] = Point(problem, coordinates)
        return known[key]

    return build


class TestGaussNewton:
    @pytest.mark.parametrize("activation", ["elu", "tanh", "relu"])
    def test_reaches_twelve_digits_at_a_node_within_ten_outer_steps(self, point_of, activation):
        point = point_of(activation)
        assert any(point.targets["conv2"].reshape(-1))
        for seed in range(3):
            made = run(GaussNewton(aim=1e-24, steps=10), point, seed)
            assert point.loss(made.features) <= 1e-24
            assert made.status == jm.Status.RUNNING
            assert 2 <= len(made.curve) <= 11
            assert made.curve[-1] <= 1e-24
            assert made.curve[0] > 1e-2

    @pytest.mark.parametrize("activation", ["elu", "relu"])
    def test_reaches_all_nodes_too(self, point_of, activation):
        point = point_of(activation, "conv1", None)
        assert point.loss(run(GaussNewton(aim=1e-24), point).features) <= 1e-24

    def test_of_all_nodes_of_a_relu_can_match_pre_activations_instead(self, point_of):
        point = point_of("relu", "conv1", None)
        made = run(GaussNewton(aim=1e-24, strict=True), point)
        assert len(made.curve) <= 5
        matches = point.matches(made.features)
        assert max(matches["conv1.pre"], matches["conv1"]) <= 1e-22

    def test_moves_only_what_the_target_sees_and_no_farther_than_needed(self, point_of):
        point = point_of("elu", "conv1.pre")
        start = start_of(point)
        moved = run(GaussNewton(aim=1e-26), point).features - start
        # z_v = S[v] X W + b is linear, so the projection is a pseudo-inverse.
        s = np.zeros(16)
        loops = np.eye(16)
        loops[np.asarray(point.graph.receivers), np.asarray(point.graph.senders)] = 1
        scale = 1 / np.sqrt(loops.sum(1))
        s = (scale[:, None] * loops * scale)[3]
        jacobian = np.kron(s, point.weights.T)
        change = jacobian @ (point.features - start).reshape(-1)
        expected = np.linalg.pinv(jacobian) @ change
        np.testing.assert_allclose(moved.reshape(-1), expected, atol=1e-12)
        assert (np.abs(moved).sum(1) > 0).sum() == np.count_nonzero(s)

    def test_is_the_same_in_row_space_and_in_features(self, point_of):
        one = run(GaussNewton(aim=1e-24), point_of("tanh"))
        other = run(GaussNewton(aim=1e-24), point_of("tanh", coordinates="features"))
        np.testing.assert_allclose(one.features, other.features, atol=1e-9)

    def test_matches_several_layers_at_once(self, point_of):
        point = point_of("elu", ("conv1", "logits"), (3, 8))
        made = run(GaussNewton(aim=1e-24), point)
        assert max(point.matches(made.features)[name] for name in ("conv1", "logits")) <= 1e-24
        assert point.loss(made.features) <= 1e-24

    def test_reaches_a_target_that_is_given(self, point_of, graph):
        target = point_of("relu").activations(noise(7))["conv2"][3:4].astype(np.float32)
        point = point_of("relu", "conv2", (3,), target=target)
        made = run(GaussNewton(aim=1e-22), point)
        found = point.activations(made.features)["conv2"][3]
        np.testing.assert_allclose(found, target[0], atol=1e-9)

    def test_stops_at_the_largest_number_of_steps(self, point_of):
        made = run(GaussNewton(aim=1e-24, steps=1), point_of("tanh"))
        assert made.status == jm.Status.STEPS_EXHAUSTED
        assert len(made.curve) == 2

    @pytest.mark.parametrize(
        ("settings", "text"),
        [
            ({"steps": 0}, "`steps` is 0; allowed: a whole number from 1 up"),
            ({"aim": 0.0}, "`aim` is 0.0; allowed: a number above 0"),
            ({"damping": -1.0}, "`damping` is -1.0; allowed: a number from 0 up"),
        ],
    )
    def test_refuses_settings_that_make_no_sense(self, settings, text):
        with pytest.raises(jm.InputError, match=text):
            GaussNewton(**settings)

    def test_refuses_a_derivative_that_is_not_that_of_the_residual(self, trained, graph):
        problem = jm.Problem(trained, graph, "conv1", identity_backward=True)
        with pytest.raises(jm.InputError, match="`identity_backward` changes the derivative"):
            GaussNewton().prepare(Point(problem))

    def test_refuses_a_model_that_turns_float64_into_float32(self, trained, graph):
        weights = noise(1, (10, 3)).astype(np.float32)
        point = Point(
            jm.Problem(trained._replace(model=LowPrecision(), params=weights), graph, "logits")
        )
        with pytest.raises(jm.InputError, match="casts float64 down to float32"):
            run(GaussNewton(), point)


class TestComplementarity:
    def dead(self, point_of, loss):
        """A node whose ReLU is off where the search starts, and on in the reference."""
        return point_of("relu", "conv1", (3,), loss=loss)

    def far(self, point):
        """Features at which every unit of the node is far below zero."""
        pull = np.linalg.lstsq(point.weights.T, -10 * np.ones(point.weights.shape[1]), rcond=None)
        return np.tile(pull[0], (16, 1))

    def test_leaves_the_dead_zone_in_which_the_plain_residual_stalls(self, point_of):
        ended = {}
        for loss in (jm.Complementarity(), jm.RelativeSquared()):
            point = self.dead(point_of, loss)
            assert not point.activations(self.far(point))["conv1"][3].any()
            method = GaussNewton(aim=1e-24)
            made = method.make(self.far(point), point, method.prepare(point))
            ended[type(loss).__name__] = made.status, point.loss(made.features)
        assert ended["Complementarity"] == (jm.Status.RUNNING, pytest.approx(0, abs=1e-24))
        assert ended["RelativeSquared"] == (jm.Status.STALLED, pytest.approx(1.0))

    def test_bounds_the_error_and_vanishes_with_it(self, point_of):
        point = self.dead(point_of, jm.Complementarity())
        residual = ResidualMap(point)
        for seed in range(5):
            found, match = residual(np.zeros(residual.num_inputs), residual.base(noise(seed)))
            assert match <= np.sum(found**2) * (1 + 1e-12)
            assert match > 0
        found, match = residual(np.zeros(residual.num_inputs), residual.base(point.features))
        assert (np.sum(found**2), match) == (0, 0)


class TestSteps:
    def test_of_all_three_kinds_agree_with_the_pseudo_inverse(self, point_of):
        point = point_of("tanh", "conv2", (3, 8))
        search = Search(point)
        x, base = np.zeros(search.map.num_inputs), search.map.base(noise())
        jacobian = search.map.jacobian(x, base)
        rhs, direction = noise(1, len(jacobian)), noise(2, jacobian.shape[1])
        inverse = np.linalg.pinv(jacobian)
        conjugate = IterativeSteps(search.map, x, base, None, tolerance=1e-13, steps=2000)
        for steps in (SingularSteps(jacobian), GramSteps(jacobian), conjugate):
            step = steps.solve(rhs, 0.0)
            np.testing.assert_allclose(jacobian @ step, rhs, atol=2e-6)
            np.testing.assert_allclose(step, inverse @ rhs, rtol=1e-4, atol=1e-5)
            rest = steps.remove_rows(direction)
            np.testing.assert_allclose(
                rest, direction - inverse @ (jacobian @ direction), atol=1e-6
            )
        damped = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 0.1 * np.eye(len(rhs)), rhs)
        for steps in (SingularSteps(jacobian), GramSteps(jacobian), conjugate):
            np.testing.assert_allclose(steps.solve(rhs, 0.1), damped, atol=1e-9)

    def test_know_the_scale_of_the_jacobian(self, point_of):
        search = Search(point_of("tanh", "conv2", (3, 8)))
        x, base = np.zeros(search.map.num_inputs), search.map.base(noise())
        jacobian = search.map.jacobian(x, base)
        largest = np.linalg.norm(jacobian, 2) ** 2
        assert SingularSteps(jacobian).scale == pytest.approx(largest)
        assert largest <= GramSteps(jacobian).scale <= len(jacobian) * largest
        estimate = IterativeSteps(search.map, x, base, None).scale
        assert 0.3 * largest <= estimate <= 1.0001 * largest

    def test_of_a_zero_jacobian_stand_still(self):
        for steps in (SingularSteps(np.zeros((2, 5))), GramSteps(np.zeros((2, 5)))):
            np.testing.assert_array_equal(steps.solve(np.ones(2), 0.0), np.zeros(5))
            np.testing.assert_array_equal(steps.remove_rows(np.ones(5)), np.ones(5))

    def test_reach_the_metamer_without_a_jacobian(self, point_of):
        point = point_of("elu", "conv2", (3, 8, 11))
        search = Search(point, dense=False)
        ended = retract(search.around(noise()), np.zeros(search.map.num_inputs), 1e-20, 20, 1e-3)
        assert ended.status == jm.Status.RUNNING
        assert point.loss(noise() + search.map.lift(ended.x)) <= 1e-20


class TestThePreconditioner:
    @pytest.mark.parametrize(("layer", "activation"), [("conv1", "elu"), ("conv2", "tanh")])
    def test_saves_products_at_all_nodes(self, point_of, layer, activation):
        search = Search(point_of(activation, layer, None), dense=False)
        x, base = np.zeros(search.map.num_inputs), search.map.base(noise())
        rhs = noise(1, search.map.num_outputs)
        counts, jacobian = [], search.map.jacobian(x, base)
        damping = 1e-5 * np.linalg.norm(jacobian, 2) ** 2
        gram = jacobian @ jacobian.T + damping * np.eye(len(rhs))
        expected = jacobian.T @ np.linalg.solve(gram, rhs)
        for preconditioner in (search.preconditioner, None):
            steps = IterativeSteps(search.map, x, base, preconditioner, tolerance=1e-8, steps=5000)
            step = steps.solve(rhs, damping)
            assert np.linalg.norm(step - expected) <= 1e-4 * np.linalg.norm(expected)
            counts.append(steps.products)
        # At the first layer, before the nonlinearity, it is the inverse itself.
        assert counts[0] <= (2 if layer == "conv1" else 0.5 * counts[1])
        assert counts[1] > 20

    def test_is_known_for_all_nodes_of_the_first_layers_of_a_plain_gcn(self, point_of):
        assert choose_preconditioner(ResidualMap(point_of("elu", "conv1", None))) is not None
        assert choose_preconditioner(ResidualMap(point_of("elu", "logits", None))) is None
        assert choose_preconditioner(ResidualMap(point_of("elu", "conv1", (3,)))) is None


class TestTheWalk:
    def test_goes_far_and_stays_on_the_metamers(self, point_of):
        point = point_of("tanh")
        made = run(Walk(steps=40), point)
        assert point.loss(made.features) <= 1.001e-14
        assert len(made.curve) == 41
        assert made.curve.max() <= 1e-14
        moved = np.linalg.norm(made.features - point.features)
        # 40 strides of 0.3 |XQ| of the nodes in reach, nearly straight.
        search = Search(point)
        reach = np.linalg.norm(search.map.coordinates(point.features))
        assert 0.5 * 40 * 0.3 * reach <= moved <= 1.2 * 40 * 0.3 * reach

    def test_in_row_space_uses_no_invisible_direction(self, point_of):
        point = point_of("tanh")
        moved = run(Walk(steps=5), point).features - point.features
        q = point.basis
        assert np.linalg.norm(moved) > 0.1
        np.testing.assert_allclose(moved @ (np.eye(10) - q @ q.T), 0, atol=1e-12)
        free = point_of("tanh", coordinates="features")
        moved = run(Walk(steps=5), free).features - free.features
        assert np.linalg.norm(moved @ (np.eye(10) - q @ q.T)) > 0.1
        assert free.loss(free.features + moved) <= 1.001e-14

    def test_differs_from_seed_to_seed(self, point_of):
        point = point_of("tanh")
        one, other = (run(Walk(steps=5), point, seed).features for seed in range(2))
        assert np.linalg.norm(one - other) > 0.5 * np.linalg.norm(one - point.features)

    def test_has_nowhere_to_go_where_a_metamer_is_alone(self, graph, make_trained):
        problem = jm.Problem(
            make_trained(jm.GCN(hidden=12, num_outputs=3), graph), graph, "conv1.pre"
        )
        made = run(Walk(steps=5), Point(problem))
        assert made.status == jm.Status.STALLED
        np.testing.assert_array_equal(made.features, np.asarray(graph.nodes, np.float64))

    def test_refuses_settings_that_make_no_sense(self):
        with pytest.raises(jm.InputError, match="`steps` is 0; allowed: a whole number from 1 up"):
            Walk(steps=0)
        with pytest.raises(jm.InputError, match="`stride` is -1"):
            Walk(stride=-1.0)


class TestMaximalDistance:
    @pytest.mark.parametrize("nodes", [None, [2, 5]])
    @pytest.mark.parametrize("coordinates", ["auto", "features"])
    def test_of_a_linear_map_is_the_reflection_in_its_rows(
        self, trained, graph, nodes, coordinates
    ):
        weights = noise(1, (10, 3)).astype(np.float32)
        linear = trained._replace(model=Linear(), params=weights)
        point = Point(jm.Problem(linear, graph, "logits", nodes=nodes), coordinates)
        q = np.linalg.qr(weights.astype(np.float64))[0]
        kept = point.features @ q @ q.T
        if nodes is not None:
            kept[[i for i in range(16) if i not in nodes]] = 0
        rho = np.sum(kept**2) / np.sum(point.features**2)
        x = run(MaxDistance(flatness=1e-8, aim=1e-26), point).features
        np.testing.assert_allclose(x, 2 * kept - point.features, atol=1e-6)
        cosine = np.sum(x * point.features) / np.sum(point.features**2)
        assert cosine == pytest.approx(2 * rho - 1, abs=1e-12)
        assert cosine >= 2 * rho - 1 - 1e-12
        assert point.loss(x) <= 1.001e-14

    def test_is_below_the_reflection_and_keeps_the_norm(self, point_of):
        point = point_of("tanh", "logits", None)
        made = run(MaxDistance(), point)
        x, reference = made.features, point.features
        assert point.loss(x) <= 1.001e-14
        assert made.curve.max() <= 1e-14
        assert np.linalg.norm(x) == pytest.approx(np.linalg.norm(reference), rel=1e-7)
        rho = np.sum((reference @ point.basis) ** 2) / np.sum(reference**2)
        assert np.sum(x * reference) / np.sum(reference**2) < 2 * rho - 1 - 0.01

    def test_leaves_no_first_order_direction(self, point_of):
        """At the end the reference lies in the rows of the Jacobian and of the norm."""
        point = point_of("tanh", coordinates="features")
        x = run(MaxDistance(), point).features
        residual = ResidualMap(point)
        jacobian = residual.jacobian(np.zeros(residual.num_inputs), residual.base(x))
        full = np.zeros((len(jacobian), *point.features.shape))
        full[:, residual.rows] = jacobian.reshape(len(jacobian), *residual.shape)
        rows = np.vstack([full.reshape(len(full), -1), x.reshape(-1)])
        reference = point.features.reshape(-1)
        left = reference - rows.T @ np.linalg.lstsq(rows.T, reference, rcond=None)[0]
        assert np.linalg.norm(left) <= 1e-4 * np.linalg.norm(reference)

    def test_starts_from_the_seeds_noise_where_the_network_sees_all(self, graph, make_trained):
        model = jm.GCN(hidden=12, num_outputs=3, activation="tanh")
        point = Point(jm.Problem(make_trained(model, graph), graph, "logits"))
        x = run(MaxDistance(), point).features
        assert point.loss(x) <= 1.001e-14
        assert np.sum(x * point.features) < 0.5 * np.sum(point.features**2)

    def test_refuses_a_reference_of_norm_zero_and_senseless_settings(self, trained, graph):
        empty = graph._replace(nodes=np.zeros((16, 10), np.float32))
        with pytest.raises(jm.InputError, match="features that are not all zero"):
            MaxDistance().prepare(Point(jm.Problem(trained, empty, "conv1")))
        with pytest.raises(jm.InputError, match="`flatness` is 0"):
            MaxDistance(flatness=0.0)
        with pytest.raises(jm.InputError, match="`corrections` is 0"):
            MaxDistance(corrections=0)
        with pytest.raises(jm.InputError, match=r"`spread` is -0.1; allowed: a number from 0 up"):
            MaxDistance(spread=-0.1)
        with pytest.raises(jm.InputError, match="`aim` is nan; allowed: a number above 0"):
            MaxDistance(aim=float("nan"))
