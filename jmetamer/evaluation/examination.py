"""`Examination`: what a finished metamer is asked beyond its loss, for success and recognition."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.precision import highest_precision
from jmetamer._base.to_host import ToHost
from jmetamer.evaluation.control_graphs import ControlGraphs
from jmetamer.evaluation.harm_reading import HarmReading
from jmetamer.evaluation.other_targets import matched_vector
from jmetamer.evaluation.panel import Panel, classes_of
from jmetamer.measures import edge_set, recognition_of_classes, relative_squared_error
from jmetamer.measures.activations import MatchForms, match_forms, match_statistics
from jmetamer.measures.features import normalized_euclidean
from jmetamer.measures.structure import edge_jaccard_distance
from jmetamer.metamers.methods.relax_edges.hard_graph import few_shapes
from jmetamer.metamers.problem import Arrays, Matching, Problem, select

Columns = dict[str, np.ndarray]
_NOTHING: Any = np.zeros(0, np.float32)
READINGS = ("accuracy", "agreement", "chance", "kappa", "undefined")


class _Answer(NamedTuple):
    """Numbers of one graph, asked of the device and not waited for.

    Attributes:
      statistics: [3] of `match_statistics` of the matched activations with the target.
      feature_distance: [] normalized Euclidean distance of the features.
      loss: [] L_act over the matched layers together.
      own: [n] class that the maker predicts; -1 where its logits are not finite.
      matched: [q] activations of the matched layers at the target nodes, layer by layer; empty
        where they are not kept.
      classes: [judges, t] that the panel reads; None without a panel.
    """

    statistics: jax.Array
    feature_distance: jax.Array
    loss: jax.Array
    own: jax.Array
    matched: jax.Array
    classes: jax.Array | None = None


class Examination:
    """Examines the metamers of one problem, and some controls beside them.

    Args:
      problem: what they match.
      panel: who reads them; None for nobody.
      labels: [t] of the nodes that the panel reads, negative where a node has none.
      controls: graphs to read beside them; None for none.
      num_controls: controls are made for seeds below this number.
      harm: knows the most probable classes; None where nobody does.

    Example:
      >>> import jmetamer as jm
      >>> data, untrained = jm.load_dataset("karate"), jm.TrainSettings(epochs=0)
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=untrained)
      >>> problem = jm.Problem(trained, data.graph, layer="conv1")
      >>> found = Examination(problem).started()
      >>> found.add(0, problem.arrays.graph)
      >>> found.columns([0])["match_statistic"]
      array([[ 1.,  1., inf]], dtype=float32)
    """

    def __init__(
        self,
        problem: Problem,
        panel: Panel | None = None,
        labels: np.ndarray | None = None,
        controls: ControlGraphs | None = None,
        num_controls: int = 0,
        harm: HarmReading | None = None,
    ) -> None:
        self.problem, self.panel, self.harm = problem, panel, harm
        self.controls = controls if panel is not None and num_controls > 0 else None
        self.num_controls = num_controls
        self.always: dict[str, _Answer] = {}  # controls that are asked once for all metamers
        self.forms = jax.tree.map(lambda form: form[0], match_forms(matched_vector(problem)[None]))
        self.edges = None
        if problem.edge_kind == "edge_weights":
            self.edges = edge_set(problem.graph)
        self.simple_edges = problem.edge_kind == "simple_edges"
        self.moves_features = problem.features is not None
        self.before = jax.device_get(self.ask(problem.arrays.graph))
        if panel is not None:
            self.labels = np.asarray(labels)
            self.read = self.classes(self.before)

    def ask(self, graph: jraph.GraphsTuple) -> _Answer:
        """Start what is to be known of one graph.

        Args:
          graph: hard, on the device.
        """
        problem = self.problem
        if self.simple_edges:  # their number differs from metamer to metamer
            graph = few_shapes(graph)
        with highest_precision():
            answer = _answer(problem.matching, problem.arrays, self.forms, graph)
        classes = self.panel.classes(graph) if self.panel is not None else None
        return answer._replace(classes=classes)

    def ask_controls(self, seed_id: int, graph: jraph.GraphsTuple) -> list[_Answer]:
        """Start what is to be known of the controls of one metamer.

        Args:
          seed_id: of the metamer.
          graph: its hard graph, on the device.
        """
        assert self.controls is not None
        graphs = self.controls.of(seed_id, graph)
        answers = {name: self.always.get(name) or self.ask(one) for name, one in graphs.items()}
        kept = {name: one._replace(matched=_NOTHING) for name, one in answers.items()}
        self.always |= {name: kept[name] for name in self.controls.always}
        return list(kept.values())

    def classes(self, answer: _Answer) -> np.ndarray:
        """Return the classes [1 + judges, t] at the nodes of the panel, the maker's first.

        Args:
          answer: on the host, of an examination with a panel.
        """
        assert self.panel is not None
        own = np.asarray(select(answer.own, self.panel.nodes))
        return np.concatenate([own[None], answer.classes])

    def started(self) -> "Examined":
        """Return an empty collection for the metamers of one block."""
        return Examined(self)

    def readings(self, classes: Sequence[np.ndarray]) -> Columns:
        """Return how maker and judges read b graphs, [b, 1 + judges] of each of `READINGS`.

        Args:
          classes: of each graph, [1 + judges, t].
        """
        shape = (len(classes), *self.read.shape)
        read = np.stack(classes) if len(classes) else np.zeros(shape, np.int16)
        members = [
            recognition_of_classes(own, read[:, place], self.labels)
            for place, own in enumerate(self.read)
        ]
        return {
            name: np.stack([getattr(one, name) for one in members], axis=1) for name in READINGS
        }


class Examined:
    """What was asked of the metamers of one block.

    Args:
      examination: asks.
    """

    def __init__(self, examination: Examination) -> None:
        self.by = examination
        self.answers: dict[int, _Answer] = {}
        self.controls: dict[int, list[_Answer]] = {}
        self.harm: dict[int, jax.Array] = {}
        self.kept: list[int] = []
        self.weight_distance: dict[int, float] = {}
        self.matched = ToHost()

    def add(self, seed_id: int, graph: jraph.GraphsTuple, *, kept: bool = False) -> None:
        """Ask about one metamer, and about its controls.

        Args:
          seed_id: of the metamer.
          graph: its hard graph, on the device.
          kept: whether its matched activations and its classes are.
        """
        answer = self.by.ask(graph)
        if kept:
            self.kept.append(seed_id)
            self.matched.add(seed_id, answer.matched)
        self.answers[seed_id] = answer._replace(matched=_NOTHING)
        if self.by.edges is not None:
            self.weight_distance[seed_id] = edge_jaccard_distance(self.by.edges, edge_set(graph))
        if self.by.harm is not None:
            self.harm[seed_id] = self.by.harm.read(seed_id, graph)
        if self.by.controls is not None and seed_id < self.by.num_controls:
            self.controls[seed_id] = self.by.ask_controls(seed_id, graph)

    def columns(self, seeds: Sequence[int]) -> Columns:
        """Return the columns of a block, one row a metamer; of controls one row a seed with them.

        Args:
          seeds: all of its seed ids, in order.
        """
        answers = jax.device_get([self.answers[seed] for seed in seeds])
        columns = {"match_statistic": _rows([one.statistics for one in answers], (3,))}
        columns |= self._of_kept([seed for seed in seeds if seed in self.kept])
        if self.by.moves_features:
            distances = [one.feature_distance for one in answers]
            columns["feature_distance"] = _rows(distances, ())
        if self.by.edges is not None:
            distances = [self.weight_distance[seed] for seed in seeds]
            columns["weight_distance"] = np.array(distances, np.float32)
        if self.by.harm is not None:
            columns |= self.by.harm.columns([self.harm[seed] for seed in seeds])
        if self.by.panel is None:
            return columns
        read = self.by.readings([self.by.classes(one) for one in answers])
        columns |= {f"reading_{name}": value for name, value in read.items()}
        return columns | self._of_controls([seed for seed in seeds if seed in self.controls])

    def _of_kept(self, seeds: Sequence[int]) -> Columns:
        """Return [k, q] matched activations and [k, n] classes of k seeds."""
        before = self.by.before
        own = jax.device_get([self.answers[seed].own for seed in seeds])
        return {
            "stored_activation": self.matched.of(seeds, before.matched.shape),
            "stored_class": np.array(own, before.own.dtype).reshape(-1, *before.own.shape),
        }

    def _of_controls(self, seeds: Sequence[int]) -> Columns:
        """Return [k, controls] losses and [k, controls, 1 + judges] readings of k seeds."""
        if self.by.controls is None:
            return {}
        count = len(self.by.controls.names)
        answers = jax.device_get([self.controls[seed] for seed in seeds])
        flat = [one for row in answers for one in row]
        read = self.by.readings([self.by.classes(one) for one in flat])
        apart = (len(seeds), count)
        columns = {
            "control_seed_id": np.array(seeds, np.int64),
            "control_loss": _rows([one.loss for one in flat], ()).reshape(apart),
        }
        whole = (*apart, len(self.by.read))
        return columns | {f"control_{name}": rows.reshape(whole) for name, rows in read.items()}


@compile_function(static=1)
def _answer(
    matching: Matching, arrays: Arrays, target: MatchForms, graph: jraph.GraphsTuple
) -> _Answer:
    activations = matching.model.activations(arrays.params, graph)
    rows = [select(activations[name], arrays.nodes).ravel() for name in matching.layers]
    vector = jnp.concatenate(rows)
    own = jax.tree.map(lambda form: form[0], match_forms(vector[None]))
    distance = normalized_euclidean(arrays.graph.nodes, graph.nodes)
    loss = relative_squared_error(target.plain, vector)
    classes = classes_of(activations["logits"])
    return _Answer(match_statistics(target, own), distance, loss, classes, vector)


def _rows(values: Sequence[jax.Array], shape: tuple[int, ...]) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, *shape)
