"""Test accuracy of every architecture with its default settings; see README.md.

python experiments/accuracy/accuracy.py cora digits
python experiments/accuracy/accuracy.py digits --activation elu --only gcn
"""

import argparse
import dataclasses
import time

import numpy as np

from jmetamer.graphs import load_dataset
from jmetamer.models import MODELS, default_settings, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--only", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--set", nargs="*", default=[], metavar="SETTING=VALUE")
    parser.add_argument("--option", nargs="*", default=[], metavar="OPTION=VALUE")
    arguments = parser.parse_args()
    changes = {k: _value(v) for k, v in (pair.split("=") for pair in arguments.set)}
    options = {k: _value(v) for k, v in (pair.split("=") for pair in arguments.option)}
    print("dataset   model      mean test  std    per seed (0, 1, ...)                 seconds")
    for name in arguments.datasets:
        data = load_dataset(name)
        for architecture in arguments.only:
            model = MODELS[architecture](activation=arguments.activation, **options)
            settings = dataclasses.replace(default_settings(architecture), **changes)
            start = time.perf_counter()
            runs = [train(model, data, seed, settings) for seed in range(arguments.seeds)]
            accuracy = 100 * np.array([run.scores["test"] for run in runs])
            each = " ".join(f"{value:.1f}" for value in accuracy)
            spread = f"{accuracy.mean():6.2f} %  {accuracy.std(ddof=1):5.2f}"
            seconds = time.perf_counter() - start
            print(f"{name:9s} {architecture:10s} {spread}  {each:36s} {seconds:6.1f}", flush=True)


def _value(text: str) -> object:
    if text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text]
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


if __name__ == "__main__":
    main()
