"""From a task to what the relaxation of edges is compiled for, and its numbers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jmetamer._base.errors import InputError
from jmetamer._base.precision import highest_precision
from jmetamer.graphs.graph import num_nodes
from jmetamer.graphs.pairs import Loops, Pairs, loops_of_graph
from jmetamer.metamers.methods.method import Task
from jmetamer.metamers.methods.optimize.optimizers import (
    WITHOUT_RATE,
    AnyOptimizer,
    Optimizer,
    as_optimizer,
)
from jmetamer.metamers.methods.optimize.program import aim_of
from jmetamer.metamers.methods.relax_edges.refill import all_other_pairs
from jmetamer.metamers.methods.relax_edges.settings import RelaxSettings
from jmetamer.metamers.problem import Arrays, Matching, Problem
from jmetamer.metamers.vary.movable import movable_edges, named
from jmetamer.metamers.vary.simple_edges import most_pairs

# The block by default, in edges of the reference, and at least.
_BLOCK_SHARE, _LEAST_BLOCK = 4, 1000
# Kicks by default where the block holds all pairs; in larger graphs a random pair is of no account.
_KICKS = 20


class Plan(NamedTuple):
    """What the compiled functions are specialized to; hashable, compared by value.

    Attributes:
      matching: static half of the problem; its `vary` says how features vary.
      start: see `BinaryEdges`.
      directed: whether (i, j) and (j, i) are two edges.
      num_block: candidate pairs B.
      holds_all: whether the block holds every pair that the start does not.
      refill: see `RelaxEdges`.
      has_budget: whether weights are projected on a budget of changes.
      optimizer: of the weights.
      feature_optimizer: of the features.
      draws: random roundings.
      together: whether seeds are relaxed all at once, or one after the other.
      precision: of matrix products.
    """

    matching: Matching
    start: str
    directed: bool
    num_block: int
    holds_all: bool
    refill: str
    has_budget: bool
    optimizer: AnyOptimizer
    feature_optimizer: AnyOptimizer
    draws: int
    together: bool
    precision: str


class Numbers(NamedTuple):
    """Numbers that steer the relaxation; data, so changing them compiles nothing.

    Attributes:
      base_seed: [] int32 seed of the run.
      rate, feature_rate: [] learning rates.
      steps: [] int32 number of steps.
      penalty: [] last factor of the concave penalty.
      distance: [] Jaccard distance of the edges to reach; 0 for none.
      budget: [] largest number of changed pairs.
      flips: [] int32 largest number of flips of one descent after rounding.
      kicks: [] int32 largest number of random kicks out of local minima.
      tolerance: [] L_act at which hard weights are good enough.
      patience: [] int32 steps without improvement after which a seed has stalled.
      improvement: [] relative decrease that counts as improvement.
    """

    base_seed: jax.Array
    rate: jax.Array
    feature_rate: jax.Array
    steps: jax.Array
    penalty: jax.Array
    distance: jax.Array
    budget: jax.Array
    flips: jax.Array
    kicks: jax.Array
    tolerance: jax.Array
    patience: jax.Array
    improvement: jax.Array


class Data(NamedTuple):
    """What all seeds read.

    Attributes:
      arrays: data half of the problem.
      pairs: [E] edges of the reference that may go.
      loops: its self loops.
      listed: [P] all pairs that may be edges where the block can hold them, else [0].
      fixed: [F] edges of the reference that stay.
      nodes: [p] int32 ascending, between which edges may come and go; None: all.
      entry: [n, m] product of fixed features with the network's first matrices, which is the same
        at every step; None where features vary, or are used without a matrix.
    """

    arrays: Arrays
    pairs: Pairs
    loops: Loops
    listed: Pairs
    fixed: Pairs
    nodes: jax.Array | None
    entry: jax.Array | None

    @property
    def num_joinable(self) -> int:
        """Number p of nodes between which edges may come and go, static."""
        return num_nodes(self.arrays.graph) if self.nodes is None else self.nodes.shape[0]


def plan_of(task: Task, *, together: bool) -> tuple[Plan, Data]:
    """Return what is compiled, and the data of all seeds.

    Args:
      task: edges come and go; of edges alone, its method has the optimizer of their weights.
      together: whether seeds are relaxed all at once.

    Raises:
      InputError: an optimizer that cannot go on when pairs are exchanged.
    """
    problem, method = task.problem, RelaxSettings.of(task.method)
    edges, reference, directed = problem.simple_edges, problem.graph, problem.directed
    nodes, pairs, fixed = movable_edges(reference, edges.nodes, directed=directed)
    num_edges = pairs.senders.size
    num_joinable = num_nodes(reference) if nodes is None else nodes.size
    others = most_pairs(num_joinable, directed) - num_edges
    size = method.block or max(_BLOCK_SHARE * num_edges, _LEAST_BLOCK)
    if method.kicks and size < others:
        raise InputError(
            f"`kicks` is {method.kicks}, but kicks are for graphs whose pairs are all candidates: "
            f"`block` holds {size} of {others}; leave `kicks` out, or give `block={others}`"
        )
    if edges.start == "any_density" and size < others:
        raise InputError(
            f"`start='any_density'` needs all {num_edges + others} pairs of {num_joinable} nodes, "
            f"but `block` holds {size} beside the {num_edges} edges; give `block={others}` if the "
            "memory allows, or start from 'noise'"
        )
    nothing = Pairs(np.zeros(0, np.int32), np.zeros(0, np.int32))
    alone = problem.features is None
    plan = Plan(
        problem.matching,
        edges.start,
        directed,
        min(size, others),
        size >= others,
        method.refill,
        edges.budget is not None,
        weight_optimizer(method.optimizer) if alone else Optimizer("adam", method.learning_rate),
        Optimizer("adam", method.feature_learning_rate),
        method.draws,
        together,
        method.precision,
    )
    listed = nothing
    if plan.holds_all:
        listed = named(all_other_pairs(nothing, num_joinable, directed), nodes)
    on_host = pairs, loops_of_graph(reference), listed, fixed, nodes, _entry(problem)
    on_device = jax.tree.map(jnp.asarray, on_host)
    return plan, Data(problem.arrays, *on_device)


def _entry(problem: Problem) -> jax.Array | None:
    model, arrays = problem.trained.model, problem.arrays
    first = model.first_layer(arrays.params) if problem.features is None else None
    if first is None or first.weights.shape[1] > arrays.graph.nodes.shape[1]:
        return None  # wider than the features: messages would be longer
    with highest_precision():
        return arrays.graph.nodes @ first.weights


def numbers_of(task: Task, plan: Plan) -> Numbers:
    """Return the numbers of one call.

    Args:
      task: edges come and go; steps and stop rules are those of its method.
      plan: holds the optimizers, whose rates are numbers.
    """
    problem, method = task.problem, RelaxSettings.of(task.method)
    edges = problem.simple_edges
    # With features the relaxation is a schedule of its own; the method's patience is theirs.
    alone = problem.features is None
    kicks = (_KICKS if plan.holds_all else 0) if method.kicks is None else method.kicks
    return Numbers(
        jnp.int32(task.seed),
        jnp.float32(plan.optimizer.rate),
        jnp.float32(plan.feature_optimizer.rate),
        jnp.int32(method.num_steps),
        jnp.float32(method.penalty),
        jnp.float32(edges.distance or 0),
        jnp.float32(np.inf if edges.budget is None else edges.budget),
        jnp.int32(method.flips),
        jnp.int32(kicks),
        jnp.float32(aim_of(task.tolerance)),
        jnp.int32(method.patience if alone else np.iinfo(np.int32).max),
        jnp.float32(method.improvement),
    )


def weight_optimizer(optimizer: object) -> AnyOptimizer:
    """Return an optimizer where it can move the weights of pairs that are exchanged.

    Its state must be numbers of each weight, which are forgotten with their pair.

    Args:
      optimizer: an `Optimizer`, or an optax transformation.

    Raises:
      InputError: it keeps something else, as the history of L-BFGS.

    Example:
      >>> weight_optimizer(Optimizer("lane_lbfgs"))
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.InputError: ...
    """
    weights = as_optimizer(optimizer)
    keeps = False
    if getattr(weights, "name", None) not in WITHOUT_RATE:
        built = weights.build(jnp.float32(1), jnp.int32(1))
        state = jax.eval_shape(built.init, jax.ShapeDtypeStruct((7,), jnp.float32))
        keeps = all(leaf.shape in ((), (7,)) for leaf in jax.tree.leaves(state))
    if not keeps:
        raise InputError(
            f"`optimizer` is {optimizer!r}, which keeps a history of past steps, but pairs "
            "are exchanged on the way; take one that keeps numbers of each weight alone, such as "
            "`Optimizer('adam', 0.05)`"
        )
    return weights
