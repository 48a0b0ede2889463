"""Everything that a sweep keeps of a problem's local geometry, in one call."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from jmetamer._base.arguments import AnArray
from jmetamer.geometry.of_problem.layer_geometry import LayerGeometry, layer_geometry
from jmetamer.geometry.of_problem.ledger import LayerLedger, ledger_size, rank_ledger_of
from jmetamer.geometry.of_problem.local_geometry import (
    Inputs,
    LocalGeometry,
    local_geometry,
    node_geometry,
)
from jmetamer.geometry.of_problem.map_survey import MapSurvey, map_entries, map_survey
from jmetamer.metamers.problem import Problem

# Numbers in the Jacobians of all nodes together, beyond which "auto" takes no maps: about ten
# seconds on two processor cores.
AFFORDABLE_MAPS = 25 * 10**7
# Units of a node's ledger, nodes times width: about a second.
AFFORDABLE_LEDGER = 512


class GeometrySurvey(NamedTuple):
    """Local geometry of a problem.

    Attributes:
      local: the matched layer at the target nodes.
      layers: every layer asked for at the same nodes.
      own: the matched layer by the features of each target node alone, or None.
      maps: the matched layer at all nodes, or None.
      ledger: over the layers, of the first target nodes that are small enough, or None.
      channel: standard deviations of input and noise, or None.
    """

    local: LocalGeometry
    layers: LayerGeometry
    maps: MapSurvey | None = None
    ledger: LayerLedger | None = None
    channel: tuple[float, float] | None = None
    own: LocalGeometry | None = None


def survey(
    problem: Problem,
    nodes: Sequence[int],
    inputs: Inputs = "ball",
    *,
    layers: str | Sequence[str] = "all",
    maps: bool | Literal["auto"] = "auto",
    ledger: bool | int = False,
    labels: AnArray | None = None,
    channel: tuple[float, float] | None = None,
) -> GeometrySurvey:
    """Return spectra, maps and ledgers of a problem.

    Args:
      problem: network, reference and layer.
      nodes: target nodes of spectra and ledgers.
      inputs: what varies: "node", "ball" or "all"; maps always take the ball.
      layers: "matched", "all", or names of layers.
      maps: whether to map all nodes of the graph; "auto" does where it takes seconds.
      ledger: of how many target nodes, the first whose layers have at most 512 units in sight;
        True for all of them, False or 0 for none. Of several matched layers, of the last.
      labels: [n] classes for the maps; none if None.
      channel: standard deviations of input and noise; kept as they are.

    Raises:
      InputError: unknown node, inputs or layer; labels that do not fit the graph.

    Example:
      >>> import jmetamer as jm
      >>> from jmetamer.geometry.of_problem.survey import survey
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> result = survey(problem, nodes=[0, 1], maps=True, ledger=1, labels=data.labels)
      >>> result.layers.layers, len(result.maps.degree), result.ledger.nodes
      (('conv1.pre', 'conv1', 'logits'), 34, array([0], dtype=int32))
    """
    local = local_geometry(problem, nodes, inputs)
    result = GeometrySurvey(
        local,
        layer_geometry(problem, nodes, inputs, layers, matched=local),
        channel=channel,
        own=_own(problem, nodes, inputs, local),
    )
    if maps is True or (maps == "auto" and map_entries(problem) <= AFFORDABLE_MAPS):
        result = result._replace(maps=map_survey(problem, labels))
    if ledger:
        last = Problem(problem.trained, problem.graph, layer=_last(problem))
        small = [int(node) for node in nodes if ledger_size(last, int(node)) <= AFFORDABLE_LEDGER]
        chosen = small if ledger is True else small[:ledger]
        if chosen:
            result = result._replace(ledger=rank_ledger_of(last, chosen, inputs))
    return result


def _own(
    problem: Problem, nodes: Sequence[int], inputs: Inputs, local: LocalGeometry
) -> LocalGeometry:
    """Return the geometry by each node's own features, by the cheapest way that exists."""
    if inputs == "node":
        return local
    if inputs == "ball":
        return node_geometry(problem, nodes)
    return local_geometry(problem, nodes, "node")


def _last(problem: Problem) -> str:
    """Return the deepest of the matched layers."""
    names = problem.trained.model.layer_names
    return max(problem.layers, key=names.index)
