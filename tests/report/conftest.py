"""A run that exists in memory only, with the surface of `jmetamer.results.Run`."""

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import xarray as xr
from sklearn.datasets import load_digits

from jmetamer.results import Record, RunStore, Variable, hash_settings, make_reference

LAYERS = ("conv1.pre", "conv1", "conv2.pre", "logits")
MEASURES = ("features/cosine", "features/log_norm", "features/euclidean")
CHANCE = (0.38, 0.11, 0.46)
STATUS_ATTRS = {
    "table": {"1": "CONVERGED", "2": "STALLED", "3": "STEPS_EXHAUSTED", "5": "ZERO_TARGET"},
    "messages": {"STALLED": "the loss stopped falling above the tolerance"},
    "remedies": {"STALLED": "lower the learning rate", "STEPS_EXHAUSTED": "raise `steps`"},
}


class Reference(NamedTuple):
    digest: str
    nodes: np.ndarray
    senders: np.ndarray
    receivers: np.ndarray
    weight: np.ndarray
    labels: np.ndarray
    attrs: dict


class FakeRun:
    """Holds what a store would read."""

    def __init__(self, path, cells, failures=()):
        self.folder = Path(path)
        self._cells = cells
        self.failures = dict(failures)
        self.unfinished = ()

    @property
    def cells(self):
        return tuple(self._cells)

    def readable(self):
        return self.cells, {}

    def settings(self, cell):
        return self._cells[cell]["settings"]

    def dataset(self, cell):
        return self._cells[cell]["data"]

    def reference_data(self, cell):
        return self._cells[cell]["reference"]

    def status_counts(self, cell):
        return self._cells[cell]["status_counts"]

    def metamers(self, cell):
        return self._cells[cell]["metamers"]

    def provenance(self, cell):
        return self._cells[cell]["provenance"]


def digits_reference():
    digits = load_digits()
    return Reference(
        "d" * 64, (digits.data / 16).astype(np.float32), np.zeros(0, np.int32),
        np.zeros(0, np.int32), np.zeros(0, np.float32), digits.target.astype(np.int32),
        {"name": "digits", "feature_kind": "continuous", "feature_shape": [8, 8],
         "feature_range": [0.0, 1.0], "num_classes": 10},
    )  # fmt: skip


def words_reference(num_nodes=60, width=300):
    rng = np.random.default_rng(7)
    popularity = 0.6 * rng.power(0.12, width)
    nodes = (rng.random((num_nodes, width)) < popularity).astype(np.float32)
    return Reference(
        "w" * 64, nodes, np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32),
        (np.arange(num_nodes) % 7).astype(np.int32),
        {"name": "words", "feature_kind": "binary", "feature_shape": None, "feature_range": None,
         "num_classes": 7},
    )  # fmt: skip


def _losses(rng, count, tolerance, num_stalled):
    steps = np.arange(0, 1001, 10, dtype=np.int32)
    rate = rng.uniform(0.010, 0.016, (count, 1))
    start = rng.uniform(0.6, 1.4, (count, 1))
    trace = start * np.exp(-rate * steps) * np.exp(rng.normal(0, 0.08, (count, len(steps))))
    trace[:num_stalled] = np.maximum(trace[:num_stalled], 4 * tolerance)
    stop = np.where(trace <= 0.7 * tolerance, steps, 10**9).min(axis=1)
    trace[steps[None] > stop[:, None]] = np.nan
    return steps, trace.astype(np.float32)


def geometry(rng, activation, num_inputs=832, width=16, num_targets=8):
    """Singular values with a gap, and a ReLU that loses what is inactive."""
    pre = np.sort(10 ** rng.uniform(-1.2, 0.7, (num_targets, width)), axis=1)[:, ::-1]
    post, rank_post = pre.copy(), np.full(num_targets, width)
    if activation == "relu":
        rank_post = rng.integers(6, 12, num_targets)
        for row, rank in enumerate(rank_post):
            post[row, rank:] = 0.0
    else:
        post *= rng.uniform(0.35, 0.95, pre.shape)
        post = np.sort(post, axis=1)[:, ::-1]
    rank_pre = np.full(num_targets, width)
    change = np.where(
        rank_post == width,
        np.log(np.where(post > 0, post, 1)).sum(1) - np.log(pre).sum(1),
        np.nan,
    )
    found = {
        "geometry_node": ("target", rng.choice(1797, num_targets, replace=False).astype(np.int32)),
        "num_inputs": ("target", np.full(num_targets, num_inputs, np.int32)),
        "num_outputs": ("target", np.full(num_targets, width, np.int32)),
        "volume_change": ("target", change),
        "rank_loss": ("target", (rank_pre - rank_post).astype(np.int32)),
    }
    for where, values, rank in (("pre", pre, rank_pre), ("post", post, rank_post)):
        found[f"singular_values_{where}"] = (("target", "singular"), values)
        for name in ("rank", "rank_low", "rank_high"):
            found[f"{name}_{where}"] = ("target", rank.astype(np.int32))
        found[f"rank_cutoff_{where}"] = ("target", np.full(num_targets, 1e-12))
    return found


START = 1.25  # deviation of the start of a search, in those of its metamer


def features_of(domain):
    """What varies: features that are real numbers."""
    return {"continuous_features": {"domain": {domain: {}}}}


def make_cell(
    reference, layer="conv1", activation="relu", count=64, stored=8, num_stalled=2, seed=0,
    with_geometry=True, name=None, vary=None, **more_settings,
):  # fmt: skip
    """A cell with plausible numbers."""
    rng = np.random.default_rng(seed)
    tolerance = 1e-4
    steps, trace = _losses(rng, count, tolerance, num_stalled)
    final = np.nanmin(trace, axis=1)
    status = np.where(np.arange(count) < num_stalled, 2, 1).astype(np.int8)
    match = 10 ** rng.normal([-0.6, -4.3, -3.0, -3.6], 0.2, (count, 4))
    deviation = np.abs(rng.normal([0.31, 0.09, 0.41], [0.02, 0.008, 0.015], (count, 3)))
    variables = {
        "seed_id": ("metamer", np.arange(count)),
        "status": ("metamer", status, STATUS_ATTRS),
        "steps_used": ("metamer", np.full(count, 700, np.int32)),
        "loss_final": ("metamer", final),
        "loss_hardened": ("metamer", final * 1.01),
        "trace_step": ("trace", steps),
        "loss_trace": (("metamer", "trace"), trace),
        "layer_match": (("metamer", "layer"), match.astype(np.float32)),
        "class_agreement": ("metamer", rng.uniform(0.97, 1.0, count).astype(np.float32)),
        "deviation": (("metamer", "measure"), deviation.astype(np.float32)),
        "deviation_start": (("metamer", "measure"), deviation * START, {"reason": ""}),
        "deviation_chance": ("measure", np.array(CHANCE)),
        "stored_seed_id": ("stored", np.arange(stored)),
    }
    if with_geometry:
        variables |= geometry(rng, activation)
    coordinates = {"layer": list(LAYERS), "measure": list(MEASURES)}
    attrs = {"test_accuracy": 0.957, "class_agreement_chance": 0.102, "seconds": 11.4}
    return {
        "settings": {
            "dataset": {name or reference.attrs["name"]: {}},
            "model": {"gcn": {"activation": activation, "layers": 2, "hidden": 16}},
            "metamers": {"layer": layer, "vary": vary or features_of("box"), "count": count,
                         "tolerance": tolerance, **more_settings},
        },
        "data": xr.Dataset(variables, coords=coordinates, attrs=attrs),
        "reference": reference,
        "status_counts": {"CONVERGED": count - num_stalled, "STALLED": num_stalled},
        "metamers": [
            SimpleNamespace(nodes=_vary(rng, reference)) for _ in range(stored)
        ],
        "provenance": {"command": "python -m jmetamer.sweep configs/quickstart.yaml",
                       "jmetamer": "0.1.0", "jax": "0.10.2",
                       "device": "cpu", "dtype": "float32", "matmul_precision": "highest"},
    }  # fmt: skip


def _vary(rng, reference):
    if reference.attrs["feature_kind"] == "binary":
        flat = rng.permutation(reference.nodes.ravel()).reshape(reference.nodes.shape)
        return np.where(rng.random(flat.shape) < 0.3, reference.nodes, flat)
    noise = rng.normal(reference.nodes.mean(), reference.nodes.std(), reference.nodes.shape)
    return np.clip(0.45 * reference.nodes + 0.6 * noise, 0, 1).astype(np.float32)


def ring_reference(num_nodes=12, chords=()):
    """A ring with chords, both directions stored, and one self loop."""
    pairs = [(i, (i + 1) % num_nodes) for i in range(num_nodes)] + list(chords)
    both = np.array([*pairs, *((j, i) for i, j in pairs), (0, 0)], np.int32)
    rng = np.random.default_rng(0)
    return Reference(
        "r" * 64, rng.normal(size=(num_nodes, 3)).astype(np.float32), both[:, 0], both[:, 1],
        np.ones(len(both), np.float32), (np.arange(num_nodes) % 2).astype(np.int32),
        {"name": "ring", "feature_kind": "continuous", "feature_shape": None,
         "feature_range": None, "num_classes": 2},
    )  # fmt: skip


def with_edges(reference, added, removed, weight=None):
    """The graph with some undirected pairs more and others less."""
    gone = {*removed, *((j, i) for i, j in removed)}
    stored = zip(reference.senders.tolist(), reference.receivers.tolist(), strict=True)
    kept = [pair for pair in stored if pair not in gone]
    edges = np.array([*kept, *added, *((j, i) for i, j in added)], np.int32)
    weights = np.ones(len(edges), np.float32) if weight is None else weight
    return SimpleNamespace(
        nodes=reference.nodes, senders=edges[:, 0], receivers=edges[:, 1],
        edges=SimpleNamespace(weight=weights),
    )  # fmt: skip


EDGES = {"binary_edges": {"start": "noise"}}


def make_edge_cell(reference, metamers, features=False, count=6, **more_settings):
    """A cell whose edges vary; `metamers` are (added pairs, removed pairs), best first."""
    made = make_cell(
        reference, count=count, stored=len(metamers), num_stalled=0, with_geometry=False,
        vary={"together": [features_of("free"), EDGES]} if features else EDGES, **more_settings,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    relaxed = rng.uniform(1e-6, 1e-5, count)
    added = np.array([len(one) for one, _ in metamers] + [3] * (count - len(metamers)))
    variables = {
        "loss_hardened": ("metamer", np.sort(10 * relaxed)),
        "loss_relaxed": ("metamer", relaxed), "loss_rounded": ("metamer", 1000 * relaxed),
        "loss_flipped": ("metamer", 10 * relaxed),
        "num_flips": ("metamer", np.arange(count)), "rounding": ("metamer", np.zeros(count)),
        "num_changed": ("metamer", 2 * added), "edges_added": ("metamer", added),
        "edges_removed": ("metamer", added), "edge_jaccard": ("metamer", added / (12 + added)),
        "flip_sender": ("flip", np.zeros(0, np.int32), {"directed": False}),
    }  # fmt: skip
    if features:
        variables["features"] = (("stored", "node", "feature"), np.zeros((len(metamers), 12, 3)))
    made["data"] = made["data"].assign(variables)
    made["data"].attrs["edge_jaccard_chance"] = 0.9
    made["metamers"] = [with_edges(reference, *one) for one in metamers]
    return made


JUDGES = (("gcn", 1000), ("gcn", 1001), ("gat", 1000), ("gat", 1001), ("gin", 1000))
CONTROLS = ("start", "displacement", "neighbor", "identity")


def make_judged(made, seed=0, own="gcn", kappa=0.4, gap=0.3, passed=None, judges=JUDGES, p=0.001):
    """The cell with criteria of success, a null test, judges and controls.

    Judges of the maker's own architecture have kappa + gap, others kappa; the start has 0.
    """
    rng = np.random.default_rng(100 + seed)
    count, samples = made["data"].sizes["metamer"], 3
    passed = np.arange(count) >= 2 if passed is None else np.asarray(passed)
    shape = (count, len(judges))
    level = kappa + gap * np.array([name == own for name, _ in judges])
    undefined = np.zeros(shape, bool)
    of_control = np.zeros((len(CONTROLS), samples, len(judges)))
    of_control[1], of_control[2], of_control[3] = 0.55, 0.1, 1.0
    chance = 0.2
    agreement, of_control_agreement = (
        chance + (1 - chance) * k for k in (np.broadcast_to(level, shape), of_control)
    )
    metamer, judge, control = ("metamer",), ("judge",), ("control", "sample", "judge")
    of_judge = {
        "judge": np.array([f"{name}/{number}" for name, number in judges]),
        "judge_architecture": np.array([name for name, _ in judges]),
        "judge_seed": np.array([number for _, number in judges], np.int32),
        "judge_settings": np.array(
            [
                json.dumps({"model": {name: {"activation": "relu", "residual": False}}})
                for name, _ in judges
            ]
        ),
        "judge_test_accuracy": np.full(len(judges), 0.9),
        "judge_reference_accuracy": np.full(len(judges), 0.91),
    }
    of_metamer = {
        "success": passed, "success_matches": passed, "success_matches_everywhere": passed,
        "success_same_classes": np.ones(count, bool), "success_distinct": np.ones(count, bool),
        "success_beats_null": np.ones(count, bool), "null_p_value": np.full(count, p),
        "own_accuracy": np.full(count, 0.95), "own_kappa": np.full(count, 0.99),
    }  # fmt: skip
    variables = {name: (metamer, values.copy()) for name, values in of_metamer.items()}
    variables |= {name: (judge, values) for name, values in of_judge.items()}
    variables |= {
        "match_statistic": (("metamer", "statistic"), rng.normal([0.99, 0.995, 35], 1e-3,
                                                                 (count, 3))),
        "null_max": ("statistic", np.array([0.8, 0.85, 9.0])),
        "statistic": ("statistic", np.array(["spearman", "pearson", "snr"])),
        "recognition_kappa": (("metamer", "judge"), np.broadcast_to(level, shape).copy()),
        "recognition_undefined": (("metamer", "judge"), undefined),
        "recognition_agreement": (("metamer", "judge"), agreement),
        "recognition_accuracy": (("metamer", "judge"), 0.9 * agreement),
        "recognition_chance": (("metamer", "judge"), np.full(shape, chance)),
        "control": ("control", np.array(CONTROLS)),
        "control_kappa": (control, of_control),
        "control_agreement": (control, of_control_agreement),
        "control_accuracy": (control, 0.9 * of_control_agreement),
        "control_chance": (control, np.full(of_control.shape, chance)),
        "control_loss": (control[:2], np.array([[1.3], [0.2], [0.05], [0.0]]) * np.ones(samples)),
        "control_own_kappa": (control[:2], np.array([[0.0], [0.6], [0.2], [1.0]])
                              * np.ones(samples)),
    }  # fmt: skip
    data = made["data"].assign(variables).set_coords(["judge", "statistic", "control"])
    data.attrs |= {"null_pairs": 999, "null_others": 64}
    settings = made["settings"]
    settings = settings | {
        "model": {own: next(iter(settings["model"].values()))},
        "training": settings.get("training", {}) | {"seed": seed},
        "success": {"worst_node": 0.05, "agreement": 1.0, "distance": 0.1,
                    "null_test": {"alpha": 0.05, "pairs": 999, "others": 64}},
        "recognition": {"judges": ["gcn", "gat", "gin"], "seeds": 2, "first_seed": 1000,
                        "hidden": 16},
    }  # fmt: skip
    return made | {"data": data, "settings": settings}


def make_crossed(reference, accuracies):
    """Judged cells of activation x residual connection at every seed.

    `accuracies` are test accuracies: seed -> those of relu, relu with residual, elu, elu with it.
    """
    cells = {}
    for seed, found in accuracies.items():
        combinations = itertools.product(("relu", "elu"), (False, True))
        for (activation, residual), accuracy in zip(combinations, found, strict=True):
            plain = make_cell(reference, activation=activation, count=4, stored=0, num_stalled=0,
                              seed=len(cells))  # fmt: skip
            plain["settings"]["model"]["gcn"]["residual"] = residual
            plain["data"].attrs["test_accuracy"] = accuracy
            cells[f"c{len(cells)}"] = make_judged(plain, seed=seed)
    return cells


@pytest.fixture(scope="session")
def crossed():
    """The builder of cells that cross two settings."""
    return make_crossed


@pytest.fixture(scope="session")
def judged():
    """The builder of cells whose metamers were judged."""
    return make_judged


@pytest.fixture(scope="session")
def ring():
    """The builder of rings."""
    return ring_reference


@pytest.fixture(scope="session")
def changed_edges():
    """The builder of graphs whose edges differ from a reference."""
    return with_edges


@pytest.fixture(scope="session")
def edge_cell():
    """The builder of cells whose edges vary."""
    return make_edge_cell


@pytest.fixture(scope="session")
def digits():
    return digits_reference()


@pytest.fixture(scope="session")
def words():
    return words_reference()


@pytest.fixture
def make_run(tmp_path):
    """Build a run in a temporary folder from cells."""

    def build(cells, failures=None):
        return FakeRun(tmp_path, cells, failures or {})

    return build


@pytest.fixture(scope="session")
def cell():
    """The builder of plausible cells."""
    return make_cell


@pytest.fixture(scope="session")
def run_of():
    """The run that exists in memory only."""
    return FakeRun


def write_made(folder, made, words):
    """Put one cell into a run folder, beside one that failed."""
    data = made["data"]
    variables = {
        name: Variable(tuple(map(str, found.dims)), found.values, found.attrs)
        for name, found in data.variables.items()
    }
    features = np.stack([graph.nodes for graph in made["metamers"]]).astype(bool)
    variables["features"] = Variable(
        ("stored", "node", "byte"), np.packbits(features, axis=-1), {"packed_bits": 300}
    )
    edges = np.arange(5)
    reference = make_reference(
        words.nodes, edges, edges[::-1], np.ones(5), words.labels, words.attrs
    )
    record = Record(
        settings=made["settings"],
        settings_hash=hash_settings(made["settings"]),
        variables=variables,
        scalars=dict(data.attrs),
        status_counts=made["status_counts"],
        provenance=made["provenance"],
        reference=reference.digest,
    )
    store = RunStore(folder)
    store.register(["good", "bad"])
    store.write_reference(reference)
    store.write("good", record)
    store.write_failure("bad", made["settings"], "Traceback:\nValueError: boom")
    return store.folder


@pytest.fixture(scope="session")
def write_stored():
    """The writer of run folders."""
    return write_made
