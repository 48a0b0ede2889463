"""Draw the picture of the README: reference digits above one metamer of every cell of a run.

python experiments/quickstart/picture.py runs/quickstart
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np

import jmetamer as jm

matplotlib.use("Agg")
from matplotlib import pyplot as plt

NAMES = {"relu": "ReLU", "elu": "ELU"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="folder of a finished run of the quickstart")
    parser.add_argument("--out", default=Path(__file__).with_name("metamers.png"))
    parser.add_argument("--index", type=int, default=0, help="which stored metamer")
    options = parser.parse_args()
    run = jm.open_run(options.run)
    reference = run.reference_data(run.cells[0])
    shown = np.array(
        [np.flatnonzero(reference.labels == c)[0] for c in np.unique(reference.labels)]
    )
    rows = [("reference", reference.nodes)]
    for cell in sorted(run.cells, key=lambda cell: _order(run, cell)):
        rows.append((_title(run, cell), np.asarray(run.metamers(cell)[options.index].nodes)))
    _draw(rows, shown, reference.attrs["feature_shape"], reference.attrs["feature_range"])
    plt.savefig(options.out, dpi=110, bbox_inches="tight", facecolor="white")
    print(options.out)


def _order(run: jm.Run, cell: str) -> tuple[str, bool]:
    settings = run.settings(cell)
    return settings["metamers"]["layer"], settings["model"]["gcn"]["activation"] != "relu"


def _title(run: jm.Run, cell: str) -> str:
    settings = run.settings(cell)
    activation = settings["model"]["gcn"]["activation"]
    return f"{settings['metamers']['layer']}, {NAMES.get(activation, activation)}"


def _draw(
    rows: list[tuple[str, np.ndarray]],
    shown: np.ndarray,
    shape: tuple[int, ...],
    limits: tuple[float, float],
) -> None:
    size = (0.62 * len(shown) + 1.0, 0.66 * len(rows))
    figure, axes = plt.subplots(len(rows), len(shown), figsize=size, squeeze=False)
    for (title, features), line in zip(rows, axes, strict=True):
        for node, axis in zip(shown, line, strict=True):
            image = features[node].reshape(shape)
            axis.imshow(image, cmap="gray_r", vmin=limits[0], vmax=limits[1])
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
    figure.subplots_adjust(wspace=0.08, hspace=0.08)


if __name__ == "__main__":
    main()
