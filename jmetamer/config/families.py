"""Which table names the objects that an annotation asks for: one line a family."""

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, ClassVar, get_type_hints

from jmetamer._base.arguments import OneOf, Positive, Seed
from jmetamer._base.paths import user_path
from jmetamer.config.places import FAMILIES, place_of
from jmetamer.graphs import DATASETS, Dataset, load_dataset
from jmetamer.graphs.graph_npz import load_graph_npz
from jmetamer.graphs.load import reader_of_path
from jmetamer.metamers.losses import LOSSES, Loss
from jmetamer.metamers.methods import METHODS, Method
from jmetamer.metamers.methods.optimize.optimizers import (
    MOMENTS,
    OPTIMIZERS,
    SCHEDULES,
    WITH_MOMENTS,
    WITHOUT_RATE,
    Optimizer,
)
from jmetamer.metamers.vary import DOMAINS, VARY, Domain, Vary
from jmetamer.metamers.vary.initialization import INITIALIZATIONS, Initialization
from jmetamer.models import MODELS, Network
from jmetamer.models.perturbation import PERTURBATIONS, Perturbation

Schedule = Annotated[str, OneOf(SCHEDULES)]
Moments = Annotated[str, OneOf(MOMENTS)]


class Source:
    """A dataset by name or path, not loaded yet; its fields are the options of its loader."""

    name: ClassVar[str]

    def load(self) -> Dataset:
        """Load it."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        options = {field.name: getattr(self, field.name) for field in fields}
        return load_dataset(self.name, **{k: v for k, v in options.items() if v is not None})


@functools.cache
def _source(name: str, loader: Callable[..., Dataset]) -> type[Source]:
    whole = loader.func if isinstance(loader, functools.partial) else loader
    hints = get_type_hints(inspect.unwrap(whole), include_extras=True)
    fields: list[tuple[str, object, object]] = []
    for one in inspect.signature(loader).parameters.values():
        if one.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if one.name == "seed":  # the top-level seed takes its place
            fields.append((one.name, Seed | None, None))
        elif one.name == "root":  # where the files lie changes no number
            root = dataclasses.field(default=one.default, metadata={"decides": False})
            fields.append((one.name, str | None, root))
        else:
            fields.append((one.name, hints[one.name], one.default))
    return dataclasses.make_dataclass(
        name, fields, bases=(Source,), frozen=True, namespace={"name": name}
    )


class _Sources(Mapping[str, type[Source]]):
    """All names of `DATASETS` and, beside them, every path that can be read."""

    also = " A .npz file is allowed too, or a folder of the Open Graph Benchmark."

    def __getitem__(self, name: str) -> type[Source]:
        plain = name.lower().replace("-", "_")
        if plain in DATASETS:
            return _source(plain, DATASETS[plain])
        loader = reader_of_path(name)
        if loader is load_graph_npz and not os.path.isfile(user_path(name)):
            raise KeyError(name)
        return _source(name, loader)

    def __iter__(self) -> Iterator[str]:
        return iter(DATASETS)

    def __len__(self) -> int:
        return len(DATASETS)


def _optimizer(name: str) -> Callable[..., Optimizer]:
    """Return what makes an optimizer from the settings that it has."""

    def alone() -> Optimizer:
        return Optimizer(name)

    def stepping(*, learning_rate: Positive = 0.05, schedule: Schedule = "cosine") -> Optimizer:
        return Optimizer(name, learning_rate, schedule)

    def averaging(
        *,
        learning_rate: Positive = 0.05,
        schedule: Schedule = "cosine",
        moments: Moments = "float32",
    ) -> Optimizer:
        return Optimizer(name, learning_rate, schedule, moments)

    if name in WITHOUT_RATE:
        return alone
    return averaging if name in WITH_MOMENTS else stepping


FAMILIES.update(
    {
        Source: _Sources(),
        Network: MODELS,
        Vary: VARY,
        Method: METHODS,
        Loss: LOSSES,
        Domain: DOMAINS,
        Initialization: INITIALIZATIONS,
        Optimizer: {name: _optimizer(name) for name in OPTIMIZERS},
        Perturbation: PERTURBATIONS,
    }
)

__all__ = ["Source", "place_of"]
