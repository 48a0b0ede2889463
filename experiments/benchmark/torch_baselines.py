"""Three ways to make the same metamers with PyTorch.

    plain      a PyTorch Geometric loop over seeds, Adam on the features
    batched    many seeds at once: one wide sparse product, fused Adam on the features
    strongest  L-BFGS on `Y = X W_1`, one seed after the other; `X' = X0 + (Y' - X0 W_1) W_1^+`

All start from `X0 = mean(X) + std(X) noise`, minimize the residual without a dead zone, stop a seed
when L_act is under the tolerance, and recompute L_act from the finished features. Drawing the noise
and that last look are inside the time.
"""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from machine import memory_bytes
from torch_networks import (
    Activation,
    GcnFromEntry,
    Goal,
    PygNetwork,
    complementarity,
    edge_index,
    goal,
    relative_squared_error,
    tensor,
)

import jmetamer as jm

# The loop aims a little lower, as the library's does: the finished features are judged again.
_AIM = 0.98
_LARGEST_STEPS = 2000
_COPIES = 7  # features, gradient, two moments, the finished ones, and room for two
_SHARE_OF_MEMORY = 0.4
_HISTORY = 10


def fastest_rate(problem: jm.Problem) -> float:
    """Return the learning rate of 0.01, 0.02 and 0.05 with which Adam is soonest under 1e-4.

    On Cora's GCN: at "conv1" 110, 87 and 97 evaluations; at "logits" 244 with 0.01, while the
    larger ones stall at 3e-4 and 3e-2.

    Args:
      problem: one layer, all nodes.
    """
    return 0.01 if problem.layers == ("logits",) else 0.02


class Solved(NamedTuple):
    """What a baseline reports.

    Attributes:
      seconds: wall time.
      losses: L_act of each seed, recomputed from its features.
      steps: evaluations of loss and gradient of each seed.
      features: the finished features of the first seed, [n, d].
    """

    seconds: float
    losses: list[float]
    steps: list[int]
    features: torch.Tensor


class Setting:
    """What the baselines share: device, weights, reference and goal.

    Args:
      problem: one layer, all nodes, continuous features.
    """

    def __init__(self, problem: jm.Problem) -> None:
        torch.set_num_threads(os.cpu_count() or 1)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.graph, self.trained = problem.graph, problem.trained
        self.edges = edge_index(problem.graph, self.device)
        self.goal = goal(problem, self.device)
        nodes = tensor(problem.graph.nodes, self.device)
        self.shape = nodes.shape
        self.mean, self.std = nodes.mean().item(), nodes.std(correction=0).item()
        self.network = PygNetwork(self.trained, self.device)

    def start(self, seed: int, rows: int | None = None) -> torch.Tensor:
        """Return `mean(X) + std(X) noise`, [n, d], or of `rows` seeds, [n, rows, d]."""
        generator = torch.Generator(self.device).manual_seed(seed)
        shape = self.shape if rows is None else (self.shape[0], rows, self.shape[1])
        empty = torch.empty(shape, device=self.device)
        return empty.normal_(self.mean, self.std, generator=generator)

    def verified(self, features: torch.Tensor) -> float:
        """Return L_act of features [n, d] through PyTorch Geometric's layers."""
        with torch.no_grad():
            found = self.network(features, self.edges, self.goal.layer)
        return relative_squared_error(found.post, self.goal).item()

    def finished(self) -> None:
        """Wait for the device, so that the clock is right."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def verified_in_float64(problem: jm.Problem, features: Any) -> float:
    """Return L_act of features [n, d] in float64 through PyTorch Geometric's layers.

    Args:
      problem: what they are to match.
      features: any array, or a tensor.
    """
    device, dtype = torch.device("cpu"), torch.float64
    network = PygNetwork(problem.trained, device, dtype)
    values = features.cpu() if isinstance(features, torch.Tensor) else features
    values, edges = tensor(values, device, dtype), edge_index(problem.graph, device)
    reference = tensor(problem.graph.nodes, device, dtype)
    (layer,) = problem.layers
    target = network(reference, edges, layer).post
    wanted = Goal(layer, target, float(target.square().sum()))
    return relative_squared_error(network(values, edges, layer).post, wanted).item()


def plain(
    problem: jm.Problem,
    tolerance: float,
    seeds: int,
    rate: float | None = None,
    dead_zone: bool = False,
) -> Solved:
    """Make metamers one after the other with PyTorch Geometric and Adam on the features.

    Args:
      problem: one layer, all nodes.
      tolerance: L_act to be reached.
      seeds: number of metamers.
      rate: learning rate of Adam; by default the one of `fastest_rate`.
      dead_zone: minimize `|h' - h|^2`, as the paper does, instead of the residual without a dead
        zone.
    """
    setting, rate = Setting(problem), rate or fastest_rate(problem)
    setting.verified(setting.start(0))  # caches the normalization, starts the threads
    losses, steps, first = [], [], None
    begin = time.perf_counter()
    for seed in range(seeds):
        x = setting.start(seed).requires_grad_()
        steps.append(_adam(x, setting, tolerance, rate, dead_zone))
        losses.append(setting.verified(x.detach()))
        first = x.detach() if first is None else first
    setting.finished()
    return Solved(time.perf_counter() - begin, losses, steps, _some(first))


def _adam(x: torch.Tensor, setting: Setting, tolerance: float, rate: float, dead_zone: bool) -> int:
    """Change `x` until it is under the tolerance; return the number of evaluations."""
    optimizer = torch.optim.Adam([x], lr=rate)
    target = setting.goal.target
    for step in range(1, _LARGEST_STEPS + 1):
        optimizer.zero_grad()
        found = setting.network(x, setting.edges, setting.goal.layer)
        residual = found.post - target if dead_zone else complementarity(found, target)
        (residual.square().sum() / setting.goal.scale).backward()
        if relative_squared_error(found.post.detach(), setting.goal) <= _AIM * tolerance:
            return step
        optimizer.step()
    return _LARGEST_STEPS


def batched(problem: jm.Problem, tolerance: float, seeds: int, rate: float | None = None) -> Solved:
    """Make metamers many at once: seeds folded into the columns, fused Adam on the features.

    Args:
      problem: of a GCN; one layer, all nodes.
      tolerance: L_act to be reached.
      seeds: number of metamers.
      rate: learning rate of Adam; by default the one of `fastest_rate`.
    """
    setting, rate = Setting(problem), rate or fastest_rate(problem)
    network = GcnFromEntry(setting.trained, setting.graph, setting.device)
    size = min(seeds, largest_batch(setting))
    setting.verified(setting.start(0))
    losses: list[float] = []
    steps: list[int] = []
    kept: list[torch.Tensor] = []
    begin = time.perf_counter()
    for first in range(0, seeds, size):
        count = min(size, seeds - first)
        ends, found = _together(setting, network, tolerance, first, count, rate)
        steps += ends
        losses += [setting.verified(found[:, place]) for place in range(count)]
        kept = kept or [found[:, 0].clone()]
    setting.finished()
    return Solved(time.perf_counter() - begin, losses, steps, kept[0])


def _together(
    setting: Setting, network: GcnFromEntry, tolerance: float, first: int, count: int, rate: float
) -> tuple[list[int], torch.Tensor]:
    """Run `count` seeds until each has reached the tolerance; those that have are kept aside."""
    kernel, wanted = network.kernels[0], setting.goal
    target = wanted.target[:, None]
    x = setting.start(first, count)
    x.grad = torch.empty_like(x)  # written in place: fresh pages would cost more than the product
    optimizer = torch.optim.Adam([x], lr=rate, fused=True)
    done, ends = torch.empty_like(x), [_LARGEST_STEPS] * count
    waiting = list(range(count))
    for step in range(1, _LARGEST_STEPS + 1):
        entry = (x @ kernel).requires_grad_()
        found = network(entry, wanted.layer)
        (complementarity(found, target).square().sum() / wanted.scale).backward()
        match = (found.post.detach() - target).square().sum((0, 2)) / wanted.scale
        under = (match <= _AIM * tolerance).tolist()
        for place in [place for place in waiting if under[place]]:
            done[:, place], ends[place] = x[:, place], step
            waiting.remove(place)
        if not waiting:
            break
        torch.matmul(entry.grad, kernel.T, out=x.grad)
        optimizer.step()
    for place in waiting:
        done[:, place] = x[:, place]
    return ends, done


def largest_batch(setting: Setting) -> int:
    """Return how many seeds of Adam on the features fit into 40 % of the free memory."""
    if setting.device.type == "cuda":
        free = torch.cuda.mem_get_info()[0]
    else:
        free = memory_bytes(available=True) or 8_000_000_000
    one = _COPIES * 4 * setting.shape[0] * setting.shape[1]
    return max(1, int(_SHARE_OF_MEMORY * free / one))


class _ReachedError(Exception):
    """The tolerance is reached: leave the line search at this very point."""


def strongest(
    problem: jm.Problem, tolerance: float, seeds: int, line_search: str | None = None
) -> Solved:
    """Make metamers one after the other with L-BFGS on the product of features and weights.

    Args:
      problem: of a GCN; one layer, all nodes.
      tolerance: L_act to be reached.
      seeds: number of metamers.
      line_search: "strong_wolfe", or None for steps of length one, which need fewer evaluations
        here (conv1 18 against 22, logits 41 against 45).
    """
    setting = Setting(problem)
    network = GcnFromEntry(setting.trained, setting.graph, setting.device)
    kernel = network.kernels[0]
    inverse = torch.linalg.pinv(kernel.double()).float()
    setting.verified(setting.start(0))
    losses, steps, first = [], [], None
    begin = time.perf_counter()
    for seed in range(seeds):
        x = setting.start(seed)
        start = x @ kernel
        found, used = _lbfgs(
            start, lambda entry: network(entry, setting.goal.layer), setting, tolerance, line_search
        )
        x = x.addmm_(found - start, inverse)
        losses.append(setting.verified(x))
        steps.append(used)
        first = x if first is None else first
    setting.finished()
    return Solved(time.perf_counter() - begin, losses, steps, _some(first))


def _lbfgs(
    start: torch.Tensor,
    network: Callable[[torch.Tensor], Activation],
    setting: Setting,
    tolerance: float,
    line_search: str | None,
) -> tuple[torch.Tensor, int]:
    """Return the product [n, m] under the tolerance and the number of evaluations."""
    entry = start[:, None].clone().requires_grad_()
    wanted = setting.goal
    target = wanted.target[:, None]
    used = 0
    optimizer = torch.optim.LBFGS(
        [entry],
        max_iter=_LARGEST_STEPS,
        max_eval=_LARGEST_STEPS,
        history_size=_HISTORY,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn=line_search,
    )

    def closure() -> torch.Tensor:
        nonlocal used
        used += 1
        optimizer.zero_grad()
        found = network(entry)
        value = complementarity(found, target).square().sum() / wanted.scale
        match = (found.post.detach() - target).square().sum() / wanted.scale
        if match <= _AIM * tolerance:
            raise _ReachedError
        value.backward()
        return value

    with contextlib.suppress(_ReachedError):
        optimizer.step(closure)
    return entry.detach()[:, 0], used


def _some(features: torch.Tensor | None) -> torch.Tensor:
    if features is None:
        raise jm.InputError("`seeds` is 0; it must be at least 1")
    return features
