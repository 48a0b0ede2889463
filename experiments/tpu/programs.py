"""The compiled programs of a search, as calls with shapes: nothing of them is run."""

import jax
import jax.numpy as jnp

import jmetamer as jm
from jmetamer.metamers import check
from jmetamer.metamers.methods import Execution, Task
from jmetamer.metamers.methods.optimize import lanes
from jmetamer.metamers.methods.optimize.devices import LaneDevices
from jmetamer.metamers.methods.optimize.program import limits_of
from jmetamer.metamers.methods.optimize.synthesis import Synthesis
from jmetamer.metamers.methods.relax_edges import features_on_edges, programs, swap_search
from jmetamer.metamers.methods.relax_edges.synthesis import EdgeSynthesis
from jmetamer.metamers.methods.repel import repelled_program

ONE = jax.ShapeDtypeStruct((), jnp.int32)
HERE = LaneDevices()
TOLERANCE = 1e-4


def task_of(problem, method=None):
    """A problem with the method that it has by default, or another."""
    method = method or jm.default_method(problem)
    return Task(problem, 0, method.for_problem(problem), TOLERANCE)


def ints(*shape):
    """Shape of integers."""
    return jax.ShapeDtypeStruct(shape, jnp.int32)


def programs_of(problem, num_lanes, devices=HERE, chunk=20, method=None):
    """Yield every program that makes metamers of a problem on accelerators.

    Args:
      problem: what is matched.
      num_lanes: seeds under way at once, on all devices.
      devices: that divide them.
      chunk: steps of a call.
      method: how; None takes that of the problem.
    """
    task = task_of(problem, method)
    if isinstance(task.method, jm.RelaxEdges):
        yield from _of_edges(task, num_lanes)
    else:
        yield from _of_lanes(task, num_lanes, devices, chunk)


def _of_lanes(task, num_lanes, devices, chunk):
    synthesis = Synthesis([task], Execution(together=True, devices=HERE, chunk=chunk))
    program = synthesis.program._replace(devices=devices)
    data = synthesis.arrays, synthesis.limits
    places, width = ints(devices.count), num_lanes // devices.count
    fill = lanes.fill.call(program, ints(num_lanes), *data)
    state = fill.result
    yield fill
    yield lanes.refill.call(program, state, places, places, *data)
    yield lanes.advance.call(program, state, *data)
    take = lanes.take.call(program, state, places)
    yield take
    draw = lanes.draw.call(program, ONE, *data)
    yield draw
    begin = lanes.begin.call(program, draw.result, ONE, *data)
    yield begin
    yield from _of_judges(synthesis, devices, min(width, synthesis.judge_each.size), state)


def _of_judges(synthesis, devices, size, state):
    judge, each, vary = synthesis.judges[0], synthesis.judge_each, synthesis.program.vary
    places = devices.count * size
    theta = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((places, *a.shape[1:]), a.dtype), state.best_theta
    )
    ended = check.Ended(theta, ints(places), ints(places), ints(devices.count))
    call = check._judge_each.call(devices, judge.matching, vary, ended, each.whole)
    yield call
    graphs, _ = call.result
    yield check._apart.call(size, graphs)
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), theta)
    rebuilt = check._rebuild.call(judge.matching, vary, one, ONE, ONE, synthesis.arrays)
    yield rebuilt
    judged = judge.matching, judge.has_reference, rebuilt.result, judge.arrays, judge.reference
    yield check._judge.call(*judged)


def _of_edges(task, num_lanes):
    synthesis = EdgeSynthesis(task, Execution(together=True))
    plan, data, numbers = synthesis.plan, synthesis.data, synthesis.numbers
    begin = programs.begin.call(plan, ints(num_lanes), data, numbers)
    state = begin.result
    yield begin
    yield programs.advance.call(plan, state, ONE, data, numbers)
    if not plan.holds_all:
        yield programs.exchange.call(plan, state, data, numbers)
    rounded = programs.round_weights.call(plan, state, data, numbers)
    yield rounded
    length = rounded.result.hard.shape[1]
    yield programs.flip_pairs.call(plan, length, ints(num_lanes), rounded.result, data, numbers)
    yield programs.draw_edges.call(plan, ints(num_lanes), data, ONE)
    if task.problem.features is None:
        yield swap_search._search.call(plan, jm.SwapSearch(), ints(num_lanes), data, numbers)
    else:
        yield from _of_features_on_edges(synthesis, num_lanes)


def _of_features_on_edges(synthesis, num_lanes):
    """Features are optimized on edges of their own in every lane: those of the reference here."""
    features = synthesis.features
    own = features._of_graphs([synthesis.problem.graph] * num_lanes)
    begin = features_on_edges._begin.call(
        features.program, ints(num_lanes), None, own, features.limits
    )
    drawn, state = begin.result
    yield begin
    yield lanes.advance.call(features.program, state, own, features.limits)
    yield features_on_edges._finish.call(features.program, state, drawn, own, features.limits)


def repulsion_of(problem, count, chunk=20):
    """Yield the program that metamers which repel each other have of their own."""
    task = task_of(problem, jm.Repel(0.5))
    program = repelled_program.program_of_group(task._replace(method=task.method.method), chunk)
    data = problem.arrays, limits_of(task._replace(method=task.method.method))
    state = lanes.fill.call(program, ints(count), *data).result
    pressure = repelled_program.pressure_of(0.5, 30)
    yield repelled_program.advance.call(program, state, *data, pressure)
