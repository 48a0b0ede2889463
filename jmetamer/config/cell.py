"""`CellSettings`: one point of the grid, with every default written out."""

import dataclasses
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from jmetamer.config.judging import PlantedSettings, RecognitionSettings, SuccessSettings
from jmetamer.config.settings import (
    DatasetSettings,
    GeometrySettings,
    MetamerSettings,
    ModelSettings,
    StoreSettings,
    TrainingSettings,
)
from jmetamer.results.record import hash_settings


@dataclasses.dataclass(frozen=True)
class CellSettings:
    """What one cell computes. Made by `cells`, which fills in every default that it can know.

    Attributes:
      dataset, model, training, metamers, geometry, success, recognition, planted, store: see
        `jmetamer.config.settings`; the three seeds are numbers, and settings that do not apply are
        None.
      measures: names of `MEASURES`.

    Example:
      >>> cell = CellSettings(measures=("features/cosine",))
      >>> cell.id.startswith("digits-gcn-relu-conv1-"), cell.settings["model"]["hidden"]
      (True, 64)
    """

    dataset: DatasetSettings = dataclasses.field(default_factory=DatasetSettings)
    model: ModelSettings = dataclasses.field(default_factory=ModelSettings)
    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    metamers: MetamerSettings = dataclasses.field(default_factory=MetamerSettings)
    geometry: GeometrySettings = dataclasses.field(default_factory=GeometrySettings)
    measures: tuple[str, ...] = ()
    success: SuccessSettings = dataclasses.field(default_factory=SuccessSettings)
    recognition: RecognitionSettings = dataclasses.field(default_factory=RecognitionSettings)
    planted: PlantedSettings = dataclasses.field(default_factory=PlantedSettings)
    store: StoreSettings = dataclasses.field(default_factory=StoreSettings)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What the cell's numbers depend on, as JSON holds it; the `settings` of its record.

        Left out are `dataset.root` and `metamers.lanes`, which change no number.
        """
        return _plain(self)

    @cached_property
    def hash(self) -> str:
        """Hex digest of `settings`; the `settings_hash` of the cell's record."""
        return hash_settings(self.settings)

    @cached_property
    def id(self) -> str:
        """Readable name with the first eight digits of `hash`; names the cell's folder."""
        words = [Path(self.dataset.name).stem, self.model.architecture, self.model.activation]
        words.append(self.metamers.layer)
        if self.metamers.vary != "continuous_features":
            words.append(self.metamers.vary.removesuffix("_features"))
        readable = re.sub(r"[^A-Za-z0-9._+-]+", "_", "-".join(words))
        return f"{readable[:80]}-{self.hash[:8]}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = [f for f in dataclasses.fields(value) if f.metadata.get("identity", True)]
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
