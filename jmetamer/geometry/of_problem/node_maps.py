"""Maps over all nodes of a graph: local dimension, spectrum and blind fraction of each."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from jmetamer._base.arguments import checked
from jmetamer.geometry import Spectrum, stack_spectra
from jmetamer.geometry.batched_spectra import (
    batched_singular_values,
    spectra_after,
    spectra_of_values,
)
from jmetamer.geometry.of_problem.local_geometry import UNION_BYTES, BallJacobians, ball_jacobians
from jmetamer.geometry.of_problem.reference_point import ReferencePoint, target_nodes
from jmetamer.geometry.row_space import RowFactor, factor_rows, row_energy
from jmetamer.graphs import num_nodes
from jmetamer.graphs.ego import BallUnion
from jmetamer.metamers.problem import Problem


class BlindFraction(NamedTuple):
    """Energies of an input x and of the part of it that a node's Jacobian sees, for b nodes.

    Attributes:
      visible: [b] `|P x|^2`, P the projector on the row space of J.
      ball: [b] `|x|^2` over the nodes that the target can see.
      graph: `|x|^2` over all nodes.
    """

    visible: np.ndarray
    ball: np.ndarray
    graph: float

    @property
    def nu(self) -> np.ndarray:
        """[b] blind fraction `1 - |P x|^2 / |x|^2` in [0, 1] of the ball; 0 where x is zero."""
        return self._of(self.ball)

    @property
    def nu_graph(self) -> np.ndarray:
        """[b] the same of the whole graph's input, of which all beyond the ball is blind."""
        return self._of(np.full(len(self.visible), self.graph))

    def _of(self, energy: np.ndarray) -> np.ndarray:
        share = self.visible / np.where(energy > 0, energy, 1.0)
        return np.where(energy > 0, np.clip(1.0 - share, 0.0, 1.0), 0.0)


class NodeMap(NamedTuple):
    """One layer at b nodes, each by the features around it.

    Attributes:
      spectrum: singular values, rank and its interval, log-volume, dimension.
      plain: blind fraction of the features.
      centered: blind fraction of the features less the mean of each over all nodes.
    """

    spectrum: Spectrum
    plain: BlindFraction
    centered: BlindFraction

    @property
    def dimension(self) -> np.ndarray:
        """[b] int64, first-order dimension of the metamer set, num_inputs - rank."""
        return self.spectrum.dimension

    @property
    def nu(self) -> np.ndarray:
        """[b] blind fraction of the features in the ball."""
        return self.plain.nu

    @property
    def nu_centered(self) -> np.ndarray:
        """[b] blind fraction of the centered features in the ball."""
        return self.centered.nu


class NodeMaps(NamedTuple):
    """Maps of a layer over nodes.

    Attributes:
      nodes: [b] int32 target nodes.
      ball_size: [b] int32, number of nodes that the layer can see from each.
      before: before the nonlinearity, or None where no nonlinearity makes the layer.
      after: the layer itself.
    """

    nodes: np.ndarray
    ball_size: np.ndarray
    before: NodeMap | None
    after: NodeMap


@checked
def node_maps(
    problem: Problem, nodes: Sequence[int] | None = None, *, memory: int = UNION_BYTES
) -> NodeMaps:
    """Return local dimension, spectrum and blind fraction of a layer at every node.

    For a node v with the features x of its ball (all nodes that the layer can see from it),
    `J_v = d h_v / d x` in float64. Its kernel has the dimension `p - rank J_v`, p = ball size
    times features; the blind fraction `nu = 1 - |P x|^2 / |x|^2`, P the projector on the row space
    of J_v, is the share of the input's energy in that kernel (a random direction has 1 - rank / p).
    The numbers are those of `local_geometry`, which takes the nodes one by one.

    Args:
      problem: network, reference and layer; of several layers, the activations side by side.
      nodes: target nodes; those of the problem by default, or all.
      memory: bytes that the Jacobians held at a time may take; more where a single one is larger.
        Beside them the balls themselves are held, some 5 bytes a node of each.

    Returns:
      `NodeMaps` in the order of `nodes`.

    Raises:
      InputError: unknown node; a network that sees more than its `num_hops`, or computes in less
        than float64.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.geometry.of_problem.node_maps import node_maps
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> maps = node_maps(jm.Problem(trained, data.graph, layer="conv1"))
      >>> maps.before.spectrum.rank.min(), maps.before.dimension[0] == 34 * maps.ball_size[0] - 4
      (np.int32(4), np.True_)
    """
    # Threads of which each calls a linear algebra of one thread: matrices here are small.
    workers = min(8, os.cpu_count() or 1)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        parts = list(_parts(problem, nodes, memory, pool))
    before = [part.before for part in parts if part.before is not None]
    return NodeMaps(
        np.concatenate([part.nodes for part in parts]),
        np.concatenate([part.ball_size for part in parts]),
        _joined(before) if before else None,
        _joined([part.after for part in parts]),
    )


def _parts(
    problem: Problem, nodes: Sequence[int] | None, memory: int, pool: ThreadPoolExecutor
) -> Iterator[NodeMaps]:
    """Yield the maps of one union of balls after the other."""
    chosen = problem.nodes if nodes is None else nodes
    targets = target_nodes(problem, range(num_nodes(problem.graph)) if chosen is None else chosen)
    point = ReferencePoint(problem)
    attenuation = point.attenuation()
    for part in ball_jacobians(point, targets, memory=memory):
        inside = targets[part.union.first :][: part.union.num_balls]
        balls = _Balls(part.union, point, pool)
        factors = balls.factors(part)
        saturation = balls.most(attenuation)
        before = balls.map_of(factors, balls.spectrum(factors, inside, saturation))
        if point.names == point.layers:
            yield NodeMaps(inside, balls.sizes, None, before)
            continue
        logs = point.log_derivatives(inside)
        after = balls.spectrum_after(factors, before.spectrum, logs, saturation)
        # What is seen depends on which rows D leaves, not on how it scales them.
        left = [
            RowFactor(factor.small * (row > -np.inf)[:, None], factor.coordinates)
            for factor, row in zip(factors, logs, strict=True)
        ]
        yield NodeMaps(inside, balls.sizes, before, balls.map_of(left, after))


class _Balls:
    """The balls of one union and the energies of the input in them."""

    def __init__(self, union: BallUnion, point: ReferencePoint, pool: ThreadPoolExecutor) -> None:
        self.point, self.x, self.pool = point, point.x, pool
        self.starts = union.starts
        self.ids = union.node_ids[: self.starts[-1]]
        self.sizes = np.diff(self.starts).astype(np.int32)
        self.num_inputs = self.sizes.astype(np.int64) * point.num_features
        self.energies = [
            np.add.reduceat(energy[self.ids], self.starts[:-1])
            for energy in (self.x.energy, self.x.centered_energy)
        ]

    def factors(self, part: BallJacobians) -> list[RowFactor]:
        """Return the Jacobians in bases of their rows, with the features and the centered ones."""

        def factor(ball: int) -> RowFactor:
            places = self.ids[self.starts[ball] : self.starts[ball + 1]]
            vectors = [rows[places].reshape(-1) for rows in (self.x.coordinates, self.x.centered)]
            return factor_rows(part.of(ball), np.stack(vectors))

        return list(self.pool.map(factor, range(len(self.sizes))))

    def most(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over steps of the largest value in each ball, from [steps, n]."""
        inside = np.maximum.reduceat(values[:, self.ids], self.starts[:-1], axis=1)
        return np.asarray(inside.sum(axis=0))

    def spectrum(
        self, factors: list[RowFactor], nodes: np.ndarray, saturation: np.ndarray
    ) -> Spectrum:
        """Return the spectra of factored Jacobians before the nonlinearity."""
        smalls = [factor.small for factor in factors]
        half = len(smalls) // 2
        halves = self.pool.map(batched_singular_values, (smalls[:half], smalls[half:]))
        values = [row for part in halves for row in part]
        output = self.point.output(self.point.names, nodes)
        input_norm = np.sqrt(self.energies[0])
        scale = np.linalg.norm(output, axis=1) / np.where(input_norm > 0, input_norm, np.inf)
        bound = np.array([min(small.shape) for small in smalls])
        return spectra_of_values(values, output.shape[1], self.num_inputs, scale, bound, saturation)

    def spectrum_after(
        self, factors: list[RowFactor], before: Spectrum, logs: np.ndarray, saturation: np.ndarray
    ) -> Spectrum:
        """Return the spectra after it, in two threads."""
        smalls = [factor.small for factor in factors]
        cuts = (slice(0, len(smalls) // 2), slice(len(smalls) // 2, None))

        def part(cut: slice) -> Spectrum:
            chosen = Spectrum(*(field[cut] for field in before))
            return spectra_after(smalls[cut], chosen, logs[cut], saturation=saturation[cut])

        return stack_spectra(list(self.pool.map(part, cuts)))

    def map_of(self, factors: list[RowFactor], spectrum: Spectrum) -> NodeMap:
        """Return a map from spectra and the factored Jacobians whose rows are seen."""
        parts = np.stack(list(self.pool.map(row_energy, factors, spectrum.rank.tolist())))
        totals = float(self.x.energy.sum()), float(self.x.centered_energy.sum())
        plain, centered = (
            BlindFraction(parts[:, i], self.energies[i], totals[i]) for i in range(2)
        )
        return NodeMap(spectrum, plain, centered)


def _joined(maps: Sequence[NodeMap]) -> NodeMap:
    plain, centered = (
        BlindFraction(
            np.concatenate([part.visible for part in parts]),
            np.concatenate([part.ball for part in parts]),
            parts[0].graph,
        )
        for parts in ([one.plain for one in maps], [one.centered for one in maps])
    )
    return NodeMap(stack_spectra([one.spectrum for one in maps]), plain, centered)
