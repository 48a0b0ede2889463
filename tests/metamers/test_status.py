"""How a lane ends: one code a metamer, and what to do about it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmetamer as jm
from jmetamer import Status
from jmetamer._base.keys import part_key
from jmetamer._base.precision import usual_types
from jmetamer.metamers.methods.optimize.program import aim_of


def run(problem, optimizer, *, count=3, tolerance=None, **settings):
    method = jm.Optimize(optimizer, **settings)
    return jm.generate(problem, count, method=method, tolerance=tolerance, lanes=3)


def with_params(problem, change, **options):
    """The same problem with other parameters: nothing is compiled again."""
    params = jax.tree_util.tree_map_with_path(change, problem.trained.params)
    return dataclasses.replace(problem, trained=problem.trained._replace(params=params), **options)


@pytest.fixture(scope="module")
def unbounded(small, make_trained):
    """A model whose output can grow without limit: logits = X W."""

    class Linear(type(small.trained.model)):
        def activations(self, params, graph, *, entry=None, identity_backward=()):
            return {"logits": graph.nodes @ params}

    return dataclasses.replace(small, trained=make_trained(Linear(), small.graph))


class TestStatus:
    def test_is_converged_at_the_tolerance_and_no_step_later(self, problem, adam):
        made = run(problem, adam, steps=60, tolerance=0.3)
        aim = aim_of(0.3)  # a little below it
        assert made.status.tolist() == [Status.CONVERGED] * 3
        assert (made.loss_hardened <= 0.3).all()
        for steps, curve in zip(made.steps_used, made.loss_trace, strict=True):
            assert (curve[:steps] > aim).all()
            assert curve[steps] <= aim

    def test_is_stalled_after_patience_steps_without_improvement(self, problem, adam):
        # No step improves by nine tenths, so patience runs out at once.
        made = run(problem, adam, steps=60, tolerance=1e-9, patience=7, improvement=0.9)
        assert made.status.tolist() == [Status.STALLED] * 3
        assert (made.steps_used >= 7).all()
        assert (made.steps_used < 60).all()
        for steps, curve in zip(made.steps_used, made.loss_trace, strict=True):
            # Of the steps within patience of the end, none was a tenth of the one before them.
            before = np.nanmin(curve[: steps - 6])
            assert np.nanmin(curve[steps - 6 : steps + 1]) >= 0.1 * before

    def test_is_steps_exhausted_when_the_steps_ran_out(self, problem, adam):
        made = run(problem, adam, steps=25, tolerance=1e-9)
        assert made.status.tolist() == [Status.STEPS_EXHAUSTED] * 3
        assert made.steps_used.tolist() == [25] * 3
        assert made.trace_step.tolist() == list(range(26))

    def test_is_non_finite_when_the_learning_rate_is_absurd(self, unbounded):
        made = run(unbounded, jm.Optimizer("sgd", 1e38), steps=25, coordinates="features")
        assert made.status.tolist() == [Status.NON_FINITE] * 3
        # The start was finite, so it is the best iterate and its loss is known.
        np.testing.assert_allclose(made.loss_hardened, made.loss_initial, rtol=1e-4)

    @pytest.mark.makes_nan
    def test_is_non_finite_when_the_model_returns_nan(self, unbounded):
        broken = unbounded.trained._replace(params=np.full((10, 3), np.nan, np.float32))
        target = np.ones((16, 3))
        problem = dataclasses.replace(unbounded, trained=broken, target=target)
        made = run(problem, jm.Optimizer("sgd", 0.1), steps=25, coordinates="features")
        assert made.status.tolist() == [Status.NON_FINITE] * 3
        assert np.isnan(made.loss_hardened).all()

    @pytest.mark.makes_nan
    def test_is_zero_target_when_no_unit_is_active(self, problem, adam):
        def silence(path, p):
            return p - 1e4 if path[-1].key == "bias" else p

        silent = with_params(problem, silence)
        assert silent.zero_target
        made = run(silent, adam, steps=25)
        assert made.status.tolist() == [Status.ZERO_TARGET] * 3
        assert np.isnan(made.loss_hardened).all()

    @pytest.mark.makes_nan
    def test_of_one_seed_does_not_reach_the_others(self, small, adam):
        @dataclasses.dataclass(frozen=True)
        class Treacherous:
            """NaN for the seeds whose key says so."""

            def __call__(self, key, features):
                noise = jax.random.normal(key, features.shape)
                return jnp.where(noise[0, 0] > 0, jnp.nan, noise)

        vary = jm.ContinuousFeatures(initialization=Treacherous())
        problem = jm.Problem(small.trained, small.graph, layer="logits", vary=vary)
        with usual_types():  # as the search draws, whatever the session's
            first = [
                float(jax.random.normal(part_key(0, i, "features"), (16, 10))[0, 0])
                for i in range(7)
            ]
        assert any(x > 0 for x in first)
        assert any(x < 0 for x in first)
        made = run(problem, adam, count=7, steps=60, tolerance=0.3, coordinates="features")
        expected = [Status.NON_FINITE if x > 0 else Status.CONVERGED for x in first]
        assert made.status.tolist() == expected
        assert (np.isfinite(made.loss_hardened) == (np.array(first) < 0)).all()


class TestRemedies:
    def test_every_status_has_a_message_and_a_remedy(self):
        assert [status.name for status in Status] == [
            "RUNNING",
            "CONVERGED",
            "STALLED",
            "STEPS_EXHAUSTED",
            "NON_FINITE",
            "ZERO_TARGET",
            "UNCHANGED",
        ]
        for status in Status:
            assert len(status.message) > 10
            assert len(status.remedy) > 5

    @pytest.mark.parametrize(
        ("status", "remedy"),
        [
            (Status.STALLED, "learning rate"),
            (Status.STEPS_EXHAUSTED, "`steps`"),
            (Status.NON_FINITE, "learning rate"),
            (Status.ZERO_TARGET, "another layer"),
            (Status.UNCHANGED, "metamers.vary.binary_edges.start"),
        ],
    )
    def test_remedies_name_what_to_change(self, status, remedy):
        assert remedy in status.remedy

    def test_codes_are_what_was_stored_in_earlier_runs(self):
        assert [int(status) for status in Status] == [0, 1, 2, 3, 4, 5, 6]
