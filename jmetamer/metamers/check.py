"""The hardened truth: a metamer is rebuilt and judged again, apart from the loop that made it."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.live_bytes import tree_bytes
from jmetamer._base.precision import highest_precision
from jmetamer._base.undefined import UNDEFINED
from jmetamer.measures import error_of_share, node_errors, relative_squared_error
from jmetamer.metamers.methods.optimize.by_task import joined, of_task
from jmetamer.metamers.methods.optimize.devices import LaneDevices
from jmetamer.metamers.problem import Arrays, Matching, Problem, reference_activations, select
from jmetamer.metamers.vary import Vary
from jmetamer.metamers.vary.protocol import Theta

# Ended lanes are judged in groups, so that the host asks the device less often; a group's graphs
# may take this much memory of a device.
_MOST_JUDGED, _BYTES_JUDGED = 16, 2**27


class Verdict(NamedTuple):
    """What the finished graph does to the network.

    Attributes:
      loss: [] largest L_act of the matched layers over the target nodes; NaN for a zero target.
      layer_match: [k] L_act at every named layer over the target nodes.
      worst_node: [] largest relative error of one target node at the matched layers.
      node_error: [] what the judged share of the target nodes do not exceed of it.
      agreement: [] share of target nodes whose predicted class is the reference's; NaN, as other
        layers' match, where a target was given that does not say.
      moved: [2] what no renaming of nodes changes: largest change of the sum of a feature over
        nodes, as a share of n times the largest feature, and that of the sum of all edge weights.
    """

    loss: jax.Array
    layer_match: jax.Array
    worst_node: jax.Array
    node_error: jax.Array
    agreement: jax.Array
    moved: jax.Array


@compile_function(static=2)
def _rebuild(
    matching: Matching,
    vary: Vary,
    theta: Theta,
    base_seed: jax.Array,
    seed_id: jax.Array,
    arrays: Arrays,
) -> jraph.GraphsTuple:
    drawn = matching.vary.draw(base_seed, seed_id, arrays.graph)
    return hard_graph(vary, theta, drawn, arrays)


def hard_graph(vary: Vary, theta: Theta, drawn: Theta, arrays: Arrays) -> jraph.GraphsTuple:
    """Return the hard graph of coordinates whose start is at hand."""
    return vary.harden(theta, vary.begin(drawn, arrays.graph)[1])


_finish = compile_function(static=1)(hard_graph)


def finish(vary: Vary, arrays: Arrays, theta: Theta, drawn: Theta) -> jraph.GraphsTuple:
    """Return the hard graph of one metamer whose start is at hand.

    Args:
      vary: the part that was moved.
      arrays: that it read.
      theta: where the lane ended.
      drawn: start of the problem's own part.
    """
    with highest_precision():
        return _finish(vary, theta, drawn, arrays)


def rebuild(
    matching: Matching, vary: Vary, arrays: Arrays, theta: Theta, base_seed: int, seed_id: int
) -> jraph.GraphsTuple:
    """Return the hard graph of one metamer from its coordinates and its seed.

    The start is drawn again from the key, so theta may be as small as the loop needs.
    """
    with highest_precision():
        return _rebuild(matching, vary, theta, jnp.int32(base_seed), jnp.int32(seed_id), arrays)


@compile_function(static=1)
def _judge(
    matching: Matching,
    has_reference: jax.Array,
    graph: jraph.GraphsTuple,
    arrays: Arrays,
    reference: dict[str, jax.Array],
) -> Verdict:
    activations = dict(matching.model.activations(arrays.params, graph))
    layers = {name: select(activations[name], arrays.nodes) for name in matching.model.layer_names}
    truth = {name: select(reference[name], arrays.nodes) for name in layers}
    truth |= arrays.targets
    matched = [(arrays.targets[name], layers[name]) for name in matching.layers]
    loss = jnp.stack([relative_squared_error(t, h) for t, h in matched])
    errors = jnp.max(jnp.stack([node_errors(t, h) for t, h in matched]), axis=0)
    worst, enough = (error_of_share(errors, share) for share in (1.0, matching.share))
    same = jnp.mean(truth["logits"].argmax(-1) == layers["logits"].argmax(-1))
    same = jnp.where(jnp.isnan(truth["logits"]).any(), jnp.nan, same)

    def defined(value: jax.Array, name: str) -> jax.Array:
        # A target that was given says nothing of the other layers.
        return value if name in arrays.targets else jnp.where(has_reference, value, UNDEFINED)

    match = [defined(relative_squared_error(truth[name], layers[name]), name) for name in layers]
    agreement = defined(same, "logits")
    moved = _moved(graph, arrays.graph)
    return Verdict(jnp.max(loss), jnp.stack(match), worst, enough, agreement, moved)


def _moved(graph: jraph.GraphsTuple, reference: jraph.GraphsTuple) -> jax.Array:
    nodes, weight = reference.nodes, reference.edges.weight
    columns = jnp.abs(jnp.sum(graph.nodes - nodes, axis=0)).max(initial=0)
    unit = jnp.abs(nodes).max(initial=0) * nodes.shape[0]
    change = jnp.abs(jnp.sum(graph.edges.weight) - jnp.sum(weight))
    return jnp.stack([_over(columns, unit), _over(change, jnp.sum(weight))])


def _over(change: jax.Array, unit: jax.Array) -> jax.Array:
    return jnp.where(change > 0, change / jnp.where(unit > 0, unit, 1.0), change)


class Judge:
    """Judges graphs against one problem at the highest matmul precision.

    Args:
      problem: the problem the graphs were made for.
    """

    def __init__(self, problem: Problem) -> None:
        self.matching, self.arrays = problem.matching, problem.arrays
        self.has_reference = np.bool_(problem.target is None)
        model, arrays = self.matching.model, self.arrays
        self.reference = reference_activations(model, arrays.params, arrays.graph)

    def __call__(self, graph: jraph.GraphsTuple) -> Verdict:
        """Return the verdict on one hard graph."""
        with highest_precision():
            return _judge(self.matching, self.has_reference, graph, self.arrays, self.reference)


def judged_at_once(graph: jraph.GraphsTuple) -> int:
    """Return how many graphs are judged before the host asks again: a power of two up to 16.

    Args:
      graph: one of them, or its shapes.

    Example:
      >>> cora = jraph.GraphsTuple(np.zeros((2708, 1433), np.float32), *[None] * 6)
      >>> judged_at_once(cora)
      8
    """
    fits = min(_MOST_JUDGED, max(1, _BYTES_JUDGED // max(1, tree_bytes(graph.nodes))))
    return 1 << (fits.bit_length() - 1)


class Ended(NamedTuple):
    """Lanes whose time is over, up to g of every device.

    Attributes:
      theta: coordinates with a leading axis [devices * g].
      seed_id, task: [devices * g] int32.
      sizes: [devices] int32 how many of a device's g places are meant.
    """

    theta: Theta
    seed_id: jax.Array
    task: jax.Array
    sizes: jax.Array | np.ndarray


@compile_function(static=3)
def _judge_each(
    devices: LaneDevices, matching: Matching, vary: Vary, ended: Ended, whole: tuple[object, ...]
) -> tuple[jraph.GraphsTuple, Verdict]:
    def group(ended: Ended, whole: tuple[object, ...]) -> tuple[jraph.GraphsTuple, Verdict]:
        def one(place: jax.Array) -> tuple[jraph.GraphsTuple, Verdict]:
            theta, seed_id, task = jax.tree.map(lambda array: array[place], ended[:3])
            arrays, limits, has_reference, reference = of_task(whole, task)
            # Not compiled by itself: what it hands through would look like news.
            graph = _rebuild.function(matching, vary, theta, limits.base_seed, seed_id, arrays)
            verdict = _judge(matching, has_reference, graph, arrays, reference)
            return _news(graph, arrays.graph), verdict

        size = ended.seed_id.shape[0]
        empty = jax.tree.map(
            lambda array: jnp.zeros((size, *array.shape), array.dtype), jax.eval_shape(one, 0)
        )

        def judge(place: jax.Array, results: tuple[jraph.GraphsTuple, Verdict]) -> Any:
            return jax.tree.map(lambda all_, new: all_.at[place].set(new), results, one(place))

        judged: tuple[jraph.GraphsTuple, Verdict]
        judged = jax.lax.fori_loop(0, ended.sizes[0], judge, empty)
        return judged

    return devices.each(group)(ended, whole)


def _news(graph: jraph.GraphsTuple, reference: jraph.GraphsTuple) -> jraph.GraphsTuple:
    """Return the graph without the fields that are the reference's own."""

    def same(one: object, other: object) -> bool:
        leaves = jax.tree.leaves(one), jax.tree.leaves(other)
        return len(leaves[0]) == len(leaves[1]) and all(map(lambda a, b: a is b, *leaves))

    pairs = zip(graph._fields, graph, reference, strict=True)
    unchanged = [name for name, own, others in pairs if same(own, others)]
    return graph._replace(**dict.fromkeys(unchanged))


@compile_function(static=1)
def _apart(size: int, tree: object) -> tuple[Any, ...]:
    def row(place: int) -> Any:
        return jax.tree.map(lambda array: array[place], tree)

    return tuple(map(row, range(size)))


class JudgeOfEach:
    """Rebuilds and judges ended lanes of every device at once, in one call for a group.

    Args:
      judges: of the tasks.
      devices: where the lanes lie.
      vary: the part that the lanes move.
      data: (arrays, limits) of all tasks, with a copy on every device.
    """

    def __init__(
        self, judges: Sequence[Judge], devices: LaneDevices, vary: Vary, data: tuple[object, object]
    ) -> None:
        self.judges, self.devices = judges, devices
        self.program = devices, judges[0].matching, vary
        # As an array: a float of NumPy would be compiled into a program of its own.
        has_reference = joined([jnp.asarray(judge.has_reference) for judge in judges])
        reference = joined([judge.reference for judge in judges])
        self.whole = (*data, *devices.replicated((has_reference, reference)))
        self.size = judged_at_once(judges[0].arrays.graph)

    def __call__(self, ended: Ended) -> tuple[jraph.GraphsTuple, Verdict]:
        """Return what is new in the graphs, and verdicts, [devices * g] of each.

        They are still on their devices, and perhaps not yet computed.
        """
        with highest_precision():
            return _judge_each(*self.program, ended, self.whole)

    def graphs(
        self, news: jraph.GraphsTuple, tasks: Sequence[Sequence[int]]
    ) -> list[jraph.GraphsTuple]:
        """Return whole graphs, one by one, on the first device.

        Args:
          news: what is new in them, as returned by a call.
          tasks: to which task each graph of each device belongs.
        """
        whole = []
        for device, of_device in enumerate(tasks):
            if not of_device:
                continue
            part = news if self.devices.count == 1 else self.devices.part(news, device)
            for task, graph in zip(of_device, _apart(self.size, part), strict=False):
                reference = self.judges[task].arrays.graph
                new = {name: v for name, v in graph._asdict().items() if v is not None}
                whole.append(reference._replace(**new))
        return whole


def traced_check(
    matching: Matching, vary: Vary, theta: Theta, arrays: Arrays
) -> tuple[Any, Any, jraph.GraphsTuple]:
    """Return the programs that rebuild and judge one metamer, and its graph, without running them.

    Args:
      matching: what was matched.
      vary: the part that was moved.
      theta: coordinates of one metamer, or their shapes; as the others.
      arrays: data of the problem.

    Returns:
      Two traced programs, and the shapes of the graph that goes from one to the other.
    """
    numbers = jnp.int32(0), jnp.int32(0)
    reference = jax.eval_shape(
        functools.partial(reference_activations, matching.model), arrays.params, arrays.graph
    )
    with highest_precision():
        rebuilt = _rebuild.trace(matching, vary, theta, *numbers, arrays)
        graph = rebuilt.out_info
        judged = _judge.trace(matching, np.bool_(True), graph, arrays, reference)
    return rebuilt.jaxpr, judged.jaxpr, graph
