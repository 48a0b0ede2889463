"""Matrix products of the loop at the precision asked for; references and checks at the highest."""

import jax
import jax.numpy as jnp
import pytest

import jmetamer as jm
from jmetamer._base.precision import loop_precision
from jmetamer._base.provenance import provenance
from jmetamer.metamers.check import traced_check
from jmetamer.metamers.methods import Task
from jmetamer.metamers.methods.optimize import lanes as engine
from jmetamer.metamers.methods.optimize.program import limits_of, program_of


def products(jaxpr):
    """The precision of every matrix product of a traced program."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found.append(str(equation.params["precision"]))
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    found += products(inner)
    return found


ADAM = jm.Optimizer("adam", 0.1)


def program_and_data(problem, method):
    task = Task(problem, 0, method.for_problem(problem), 1e-4)
    program, arrays = program_of(task)
    return program, (arrays, limits_of(task))


def traced_loop(problem, precision):
    method = jm.Optimize(ADAM, coordinates="features", precision=precision)
    program, data = program_and_data(problem, method)
    state = engine.fill.eval_shape(program, jnp.zeros(1, jnp.int32), *data)
    return products(engine.advance.trace(program, state, *data).jaxpr.jaxpr)


@pytest.mark.parametrize("precision", ["high", "highest"])
def test_every_product_of_the_loop_has_the_precision(problem, precision):
    found = traced_loop(problem, precision)
    assert len(found) >= 2
    assert all(precision.upper() in text for text in found), found


def test_the_default_is_what_jax_is_set_to(problem):
    assert set(traced_loop(problem, "default")) == {"None"}
    with loop_precision("default"):
        assert jax.config.jax_default_matmul_precision is None


def test_the_check_stays_at_the_highest(problem):
    program, data = program_and_data(problem, jm.Optimize(ADAM))
    theta = engine.fill(program, jnp.zeros(1, jnp.int32), *data).theta[0]
    rebuilt, judged, _ = traced_check(program.matching, program.vary, theta, data[0])
    found = products(rebuilt.jaxpr) + products(judged.jaxpr)
    assert found
    assert all("HIGHEST" in text for text in found), found


def test_an_unknown_precision_is_refused_with_the_table():
    with pytest.raises(jm.InputError, match=r"`precision` is 'hihg'; allowed: .*'high'"):
        jm.Optimize(precision="hihg")


def test_the_precision_is_recorded():
    assert provenance("high")["matmul_precision"]["loop"] == "high"
    assert provenance()["matmul_precision"] == {
        "loop": "default",
        "references and final losses": "highest",
    }


class TestMoments:
    @pytest.mark.parametrize("name", ["adam", "amsgrad", "nadam", "lion", "momentum", "nesterov"])
    def test_of_bfloat16_are_kept_in_half_the_bytes(self, name):
        method = jm.Optimizer(name, 0.1, moments="bfloat16").build(0.1, 10)
        state = method.init(jnp.zeros((50, 3)))
        kept = [leaf.dtype.name for leaf in jax.tree.leaves(state) if leaf.shape == (50, 3)]
        assert kept.count("bfloat16") == 1
        wide = jax.tree.leaves(jm.Optimizer(name, 0.1).build(0.1, 10).init(jnp.zeros((50, 3))))
        assert "bfloat16" not in [leaf.dtype.name for leaf in wide]

    def test_of_bfloat16_reach_the_same_tolerance(self, problem):
        optimizer = jm.Optimizer("adam", 0.1, "cosine", moments="bfloat16")
        method = jm.Optimize(optimizer, steps=200, coordinates="features")
        made = jm.generate(problem, 2, method=method)
        assert (made.loss_hardened < 1e-2 * made.loss_initial).all()

    def test_that_an_optimizer_does_not_keep_are_refused(self):
        with pytest.raises(jm.InputError, match="optimizer 'sgd' keeps no running mean"):
            jm.Optimizer("sgd", 0.1, moments="bfloat16")
        with pytest.raises(jm.InputError, match="moments 'float16'"):
            jm.Optimizer("adam", 0.1, moments="float16")
