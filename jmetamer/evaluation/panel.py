"""`Panel`: the judges of a model's metamers, and the classes that they predict."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import jraph
import numpy as np

from jmetamer._base.compiled_programs import compile_function
from jmetamer._base.errors import InputError
from jmetamer._base.precision import highest_precision
from jmetamer.measures.predictions import UNREAD
from jmetamer.metamers.problem import select
from jmetamer.models import TrainedModel
from jmetamer.models.architectures import architecture_name
from jmetamer.models.protocol import Model, Params


class _Models(NamedTuple):
    """Trained models of one architecture with the same settings: one program, several parameters.

    Attributes:
      model: the network.
      params: their parameters, with a leading axis.
      places: of each in the panel.
    """

    model: Model
    params: Params
    places: tuple[int, ...]


class Panel:
    """Models that read the metamers of another one.

    Args:
      maker: the model whose metamers they are.
      judges: other trained models of the same data, at least one; none shares its seed with the
        maker.
      nodes: [t] nodes that are read, or None for all.

    Raises:
      InputError: two judges have one name, or a judge is of other data or of the maker's seed.

    Attributes:
      names: of the judges, "gcn/1000", architecture and training seed.

    Example:
      >>> import jmetamer as jm
      >>> data, untrained = jm.load_dataset("karate"), jm.TrainSettings(epochs=0)
      >>> maker, judge = (jm.train(jm.GCN(hidden=4), data, s, untrained) for s in (0, 1000))
      >>> panel = Panel(maker, [judge], nodes=np.array([0, 33]))
      >>> panel.names, panel.classes(jax.tree.map(jnp.asarray, data.graph)).shape
      (['gcn/1000'], (1, 2))
    """

    def __init__(
        self,
        maker: TrainedModel,
        judges: Sequence[TrainedModel],
        nodes: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        self.judges = list(judges)
        self.names = [f"{architecture_name(one.model)}/{one.seed}" for one in judges]
        _check(maker, self.judges, self.names)
        self.nodes = None if nodes is None else jnp.asarray(nodes, jnp.int32)
        alike: dict[Model, list[int]] = {}
        for place, one in enumerate(self.judges):
            alike.setdefault(one.model, []).append(place)
        self._groups = [
            _Models(model, _stacked([self.judges[place].params for place in places]), tuple(places))
            for model, places in alike.items()
        ]
        order = [place for group in self._groups for place in group.places]
        self._order = np.argsort(order)

    def classes(self, graph: jraph.GraphsTuple) -> jax.Array:
        """Return the predicted class of every node that is read, asked of the device.

        Args:
          graph: on the device.

        Returns:
          [judges, t] int16; -1 where a judge's logits are not finite.
        """
        with highest_precision():
            read = [
                _classes(group.model, group.params, graph, self.nodes) for group in self._groups
            ]
        return jnp.concatenate(read)[self._order]


@compile_function(static=1)
def _classes(
    model: Model, params: Params, graph: jraph.GraphsTuple, nodes: jax.Array | None
) -> jax.Array:
    """Return the classes [m, t] that m models of one program predict, one after the other."""

    def one(params: Params) -> jax.Array:
        return classes_of(select(model.activations(params, graph)["logits"], nodes))

    return jax.lax.map(one, params)


def classes_of(logits: jax.Array) -> jax.Array:
    """Return the class of every node, [n] int16, pure jax; -1 where some logit is not finite.

    Args:
      logits: [n, c].

    Example:
      >>> classes_of(jnp.array([[1.0, 2.0], [3.0, 2.0]])).tolist()
      [1, 0]
    """
    read = jnp.where(jnp.isfinite(logits).all(), logits.argmax(-1), UNREAD)
    return read.astype(jnp.int16)


def _stacked(params: Sequence[Params]) -> Params:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)


def _check(maker: TrainedModel, judges: Sequence[TrainedModel], names: Sequence[str]) -> None:
    for name, judge in zip(names, judges, strict=True):
        if judge.seed == maker.seed:
            raise InputError(
                f"the judge {name} was trained with seed {judge.seed}, as the model whose metamers "
                "it is to judge, so that the two may share their first parameters; train judges "
                "with other seeds."
            )
        if judge.dataset_digest != maker.dataset_digest:
            raise InputError(
                f"the judge {name} was trained on {judge.dataset!r}, whose content is not that of "
                f"{maker.dataset!r} which the maker saw; judges need the same data."
            )
    if len(set(names)) < len(names):
        raise InputError(
            f"judges are {list(names)}; each needs an architecture and seed of its own"
        )
