"""What one cell says in single numbers, so that cells of a grid can be compared."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from jmetamer.report.cells import setting
from jmetamer.report.reading import converged, mean, median, scalar, values

ACCURACY, RANK = "test accuracy", "rank"


def cell_outcomes(
    settings: Mapping[str, Any], data: xr.Dataset, makers: Collection[str] = ()
) -> dict[str, float]:
    """Return name -> number for what a cell holds, NaN where a number is not defined.

    Class agreement, deviations and kappa are means over the metamers that match, since others are
    none. Not over those that succeed: success asks for agreement and distance, which are outcomes
    here.

    Args:
      settings: resolved settings of the cell.
      data: variables of the cell; scalars in its attributes.
      makers: architectures that make metamers in the grid; judges of these and of the cell's own
        are left out, so that all cells are read by the same networks.

    Returns:
      "test accuracy"; "rank", the median over nodes after the activation; "share that succeed", or
      "share that match" where the store knows no success; "class agreement"; "judges' kappa"; and
      "deviation M" for each measure M.
    """
    return dict(_outcomes(settings, data, {*makers, setting(settings, "model.architecture")}))


def _outcomes(
    settings: Mapping[str, Any], data: xr.Dataset, makers: Collection[Any]
) -> Iterator[tuple[str, float]]:
    matches = converged(data)
    if "success_matches" in data:
        matches = values(data, "success_matches").astype(bool)
    yield ACCURACY, scalar(data, "test_accuracy", "accuracy_test")
    if "rank_post" in data:
        yield RANK, median(values(data, "rank_post"))
    if "success" in data:
        yield "share that succeed", mean(values(data, "success"))
    else:
        yield "share that match", mean(matches)
    if "class_agreement" in data:
        yield "class agreement", mean(values(data, "class_agreement")[matches])
    if "recognition_kappa" in data:
        names, seeds = values(data, "judge_architecture").tolist(), values(data, "judge_seed")
        own = setting(settings, "training.seed")
        strangers = [
            column
            for column, name in enumerate(names)
            if name not in makers and (not seeds.size or seeds[column] != own)
        ]
        kappa = data["recognition_kappa"].transpose("metamer", "judge").values
        yield "judges' kappa", mean(kappa[matches][:, strangers])
    if "deviation" in data:
        found = data["deviation"].transpose("metamer", "measure")
        for column, measure in enumerate(found["measure"].values.tolist()):
            yield f"deviation {measure}", mean(np.asarray(found.values)[matches, column])
