"""Everything that reads files, given what nobody wrote; see README.md.

python experiments/reliability/fuzz.py --cases 10000

Hypothesis draws texts and damaged files. A reader must return something that is what was written,
or raise an error of jmetamer, within seconds. Prints a line for each kind; exit code 1 otherwise.
"""

import argparse
import gzip
import inspect
import io
import json
import os
import pickle
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jmetamer._base.errors import JmetamerError
from jmetamer.config import cells, read_config
from jmetamer.config.places import Objects, Section, fields_of
from jmetamer.config.settings import Settings
from jmetamer.graphs import load_dataset
from jmetamer.graphs.planetoid import load_restricted
from jmetamer.results import Record, RunStore, Variable, hash_settings, make_reference, open_run

SHARES = {"yaml": 3, "npz": 2, "pickle": 3, "ogb": 1, "checkpoint": 1, "run folder": 1}
SECONDS_AT_MOST = 30
MARKER = "executed"


class HangError(Exception):
    """A reader took too long."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--kind", action="append", choices=list(SHARES), help="this alone")
    options = parser.parse_args()
    faults = total = 0
    for kind in options.kind or SHARES:
        cases = options.cases * SHARES[kind] // sum(SHARES.values()) + 1
        with tempfile.TemporaryDirectory() as folder:
            counts, wrong = fuzz(kind, cases, Path(folder))
        if not counts["read"]:
            wrong.append("nothing of this kind was ever read")
        faults, total = faults + len(wrong), total + sum(counts.values())
        print(f"{kind}: {dict(counts)}, {len(wrong)} with anything wrong", flush=True)
        for text, times in Counter(wrong).most_common(10):
            print(f"    {times} times {text}", flush=True)
    print(f"{total} cases, {faults} with anything wrong")
    return int(faults > 0)


def fuzz(kind: str, cases: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Draw cases of one kind; return what came of them, and what was wrong."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    strategy, read = READERS[kind](folder)

    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(drawn: Any) -> None:
        came, text = attempt(read, drawn)
        counts[came] += 1
        if text:
            wrong.append(text)

    one()
    if (folder / MARKER).exists():
        wrong.append("code was executed")
    return counts, wrong


def attempt(read: Callable[[Any], str], drawn: Any) -> tuple[str, str]:
    """Return what came of a case, and what is wrong with it, "" where nothing is."""

    def late(number: int, frame: Any) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS_AT_MOST)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = read(drawn)
        return "read", text
    except JmetamerError:
        return "refused", ""
    except Exception as error:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
        return "wrong", f"{type(error).__name__}: {str(error)[:150]} at {where}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def damaged(contents: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Draw bytes near some that can be read: flipped, cut, removed or inserted in some places."""

    @st.composite
    def draw(draw: Any) -> bytes:
        content = bytearray(draw(contents))
        for _ in range(draw(st.integers(0, 4))):
            place = draw(st.integers(0, max(0, len(content) - 1)))
            how = draw(st.sampled_from(("flip", "cut", "insert", "remove", "set")))
            if how == "flip" and content:
                content[place] ^= 1 << draw(st.integers(0, 7))
            elif how == "cut":
                del content[place:]
            elif how == "insert":
                content[place:place] = draw(st.binary(max_size=8))
            elif how == "remove":
                del content[place : place + draw(st.integers(1, 8))]
            elif content:
                content[place] = draw(st.integers(0, 255))
        return bytes(content)

    return draw()


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["gcn", "relu", "conv1", "binary_edges", "all", "auto", "../x", "~", "1e400", "nan"]
    )
    | st.dates()
    | st.binary(max_size=4)
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def _settings_at(place: Any) -> st.SearchStrategy[Any]:
    """Draw what may stand at a place of a configuration: names and keys that exist, and others."""
    if isinstance(place, Section):
        return _keys_of(fields_of(place.owner)) | _VALUES
    if not isinstance(place, Objects):
        return _VALUES
    names = st.sampled_from(sorted(place.table))
    full = names.flatmap(
        lambda name: _keys_of(fields_of(place.table[name])).map(lambda fields: {name: fields})
    )
    return names | full | st.lists(names | full, max_size=3) | _VALUES


def _keys_of(known: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Draw some keys, each with its default, what may stand there, or anything."""

    def value(field: Any) -> st.SearchStrategy[Any]:
        plain = st.builds(lambda: field.place.plain(field.default))
        drawn = _settings_at(field.place)
        return drawn if field.default is inspect.Parameter.empty else drawn | plain

    values = {key: st.deferred(lambda field=field: value(field)) for key, field in known.items()}
    some = st.lists(st.sampled_from([*known, ""]), max_size=3, unique=True)
    drawn = some.flatmap(
        lambda keys: st.fixed_dictionaries({key: values[key] for key in keys if key})
    )
    others = st.dictionaries(st.text(max_size=5), _VALUES, max_size=1)
    return st.builds(lambda one, other: other | one, drawn, others | st.just({}))


def yaml_files(folder: Path) -> tuple[st.SearchStrategy[Any], Callable[[Any], str]]:
    trees = st.builds(
        lambda parts, top: top | parts,
        _keys_of(fields_of(Settings)),
        st.dictionaries(
            st.sampled_from(["seed", "name", "report", "runs", "smoke", "max_cells", "x"]),
            _VALUES,
            max_size=2,
        ),
    )
    dumped = trees.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True).encode())
    texts = st.text(alphabet="abc:-{}[]&*!|>#?%@`'\"\\ \n\t019.~", max_size=60).map(str.encode)
    path = folder / "own.yaml"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        grid = cells(read_config(path))
        return "" if all(hash_settings(c.settings) == c.hash for c in grid[:3]) else "another hash"

    return st.one_of(dumped, damaged(dumped), texts, st.binary(max_size=80)), read


def npz_files(folder: Path) -> tuple[st.SearchStrategy[Any], Callable[[Any], str]]:
    numbers = st.sampled_from(
        [0, 1, 2, -1, 3, 2**31, 2**40, 0.5, 2.5, float("nan"), float("inf"), True, "a", None]
    )
    lists = st.lists(numbers, max_size=5) | st.lists(st.lists(numbers, max_size=3), max_size=4)
    sound: dict[str, Any] = {
        "node_features": np.eye(4, 3),
        "edges": np.array([[0, 1], [1, 2], [2, 3]]),
        "node_labels": np.array([0, 1, 0, 1]),
        "train_mask": np.array([1, 1, 0, 0], bool),
        "val_mask": np.array([0, 0, 1, 0], bool),
        "test_mask": np.array([0, 0, 0, 1], bool),
    }
    others = ["num_classes", "directed", "edge_weight", "edge_features", "class_names", "source"]
    others += ["oracle_labels", "feature_kind", "feature_range", "feature_shape"]
    keys = st.sampled_from([*sound, *others])

    def saved(changes: dict[str, Any], dropped: set[str], packed: bool) -> bytes:
        arrays = {name: value for name, value in sound.items() if name not in dropped}
        for name, value in changes.items():
            try:
                arrays[name] = np.array(value)
            except (ValueError, OverflowError):
                arrays[name] = np.array(value, object)
        file = io.BytesIO()
        (np.savez_compressed if packed else np.savez)(file, **arrays)
        return file.getvalue()

    likely: list[tuple[str, Any]] = [
        ("num_classes", 2), ("num_classes", 5), ("directed", True), ("edge_weight", [1, 2, 0.5]),
        ("edge_features", [[1], [2], [3.5]]), ("class_names", ["a", "b"]), ("source", "x"),
        ("feature_kind", "binary"), ("feature_range", [0, 1]), ("feature_shape", [1, 3]),
        ("node_labels", ["b", "a", "b", "a"]), ("node_labels", [5, 7, 5, 7]),
        ("node_features", [[1e30, 0], [2, 3], [4, 5], [6, 7]]), ("edges", [[3, 0], [3, 0]]),
    ]  # fmt: skip
    changes = st.lists(st.sampled_from(likely), max_size=3).map(dict)
    files = st.builds(
        saved,
        changes | st.dictionaries(keys, lists | numbers, max_size=2),
        st.just(set()) | st.sets(keys, max_size=1),
        st.booleans(),
    )
    path = folder / "own.npz"

    def read(content: bytes) -> str:
        path.write_bytes(content)
        data = load_dataset(path)
        with np.load(path) as stored:
            same = np.array_equal(data.graph.nodes, stored["node_features"].astype(np.float32))
            classes = int(stored["num_classes"]) if "num_classes" in stored else data.num_classes
        same &= classes == data.num_classes
        return sound_dataset(data) if same else "other features or classes than are stored"

    return st.one_of(files, files, damaged(files), st.binary(max_size=80)), read


def sound_dataset(data: Any) -> str:
    """Return what is wrong with a dataset that was read."""
    nodes, labels = np.asarray(data.graph.nodes), np.asarray(data.labels)
    ends = np.asarray([data.graph.senders, data.graph.receivers])
    if not np.isfinite(nodes).all():
        return "features that are not finite"
    if ends.size and (ends.min() < 0 or ends.max() >= len(nodes)):
        return "edges of nodes that are not there"
    if len(labels) != len(nodes) or labels.min() < 0 or labels.max() >= data.num_classes:
        return "labels outside the classes"
    return ""


class Malicious:
    """Runs a shell command when it is unpickled without care."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def pickles(folder: Path) -> tuple[st.SearchStrategy[Any], Callable[[Any], str]]:
    import scipy.sparse

    marker = str(folder / MARKER)
    values = st.one_of(
        _VALUES,
        st.sampled_from(
            [
                np.eye(3),
                np.arange(4, dtype=">i8"),
                np.array(["a", None], object),
                scipy.sparse.csr_matrix(np.eye(3)),
                scipy.sparse.csr_matrix(np.ones((2, 5), "f4")),
                {0: [1, 2], 1: [0]},
            ]
        ),
    )
    whole = st.builds(
        lambda value, protocol: pickle.dumps(value, protocol), values, st.integers(0, 5)
    )
    bad = st.integers(0, 5).map(lambda protocol: pickle.dumps([Malicious(marker)], protocol))
    pieces = (
        b"cos\nsystem\n", b"(", b"t", b"R", b".", b"N", b"]", b"a", b"0", b"\x80\x04", b"b", b"}",
        b"cnumpy\ndtype\n", b"S'touch x'\n", b"\x93", b"\x81", b"s", b"q\x00", b"h\x00", b"I1\n",
        b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy\nndarray\n", b"l", b"d",
    )  # fmt: skip
    words = st.lists(
        st.sampled_from(pieces),
        max_size=14,
    ).map(b"".join)

    def read(content: bytes) -> str:
        load_restricted(content, "file")
        return ""

    return st.one_of(whole, damaged(whole), damaged(bad), words), read


def ogb_folders(folder: Path) -> tuple[st.SearchStrategy[Any], Callable[[Any], str]]:
    texts = {
        "raw/edge": "0,1\n1,2\n2,3\n",
        "raw/node-feat": "0.5,1\n1.5,2\n0,1e-3\n4,5\n",
        "raw/node-label": "0\n1\n0\n1\n",
        "raw/num-node-list": "4\n",
        "raw/num-edge-list": "3\n",
        "split/time/train": "0\n1\n",
        "split/time/valid": "2\n",
        "split/time/test": "3\n",
    }
    own = folder / "ogb"
    lines = st.text(alphabet="0123456789.,-+eEnaif \n;x", max_size=30).map(str.encode)

    def read(drawn: tuple[str, bytes, bool]) -> str:
        changed, content, packed = drawn
        shutil.rmtree(own, ignore_errors=True)
        for name, text in texts.items():
            file = own / f"{name}.csv.gz"
            file.parent.mkdir(parents=True, exist_ok=True)
            new = content if name == changed else text.encode()
            file.write_bytes(gzip.compress(new) if packed or name != changed else content)
        return sound_dataset(load_dataset(own))

    changed = st.sampled_from(sorted(texts))
    near = changed.flatmap(
        lambda name: st.tuples(
            st.just(name),
            damaged(st.just(texts[name].encode())) | lines | st.binary(max_size=40),
            st.booleans(),
        )
    )
    return near, read


def _one_file(
    base: Path, work: Path, read: Callable[[Path], str], sound: str
) -> tuple[st.SearchStrategy[Any], Callable[[Any], str]]:
    """Draw a damaged file of a folder; what is read must be what was written."""
    files = sorted(p.relative_to(base) for p in base.rglob("*") if p.is_file())
    drawn = st.sampled_from(files).flatmap(
        lambda name: st.tuples(
            st.just(name), damaged(st.just((base / name).read_bytes())) | st.binary(max_size=40)
        )
    )

    def case(one: tuple[Path, bytes]) -> str:
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(base, work)
        (work / one[0]).write_bytes(one[1])
        return "" if read(work) == sound else f"another answer after a change of {one[0].name}"

    return drawn, case


def checkpoints(folder: Path) -> tuple[st.SearchStrategy[Any], Callable[[Any], str]]:
    import jax

    import jmetamer as jm

    settings_ = jm.TrainSettings(epochs=0)
    trained = jm.train(jm.GCN(hidden=4), load_dataset("karate"), settings=settings_)
    base = jm.save_model(trained, folder / "model")

    def read(path: Path) -> str:
        loaded = jm.load_model(path)
        arrays = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(loaded.params)]
        return repr([arrays, loaded.model, loaded.scores, loaded.seed, loaded.settings])

    return _one_file(base, folder / "work", read, read(base))


def run_folders(folder: Path) -> tuple[st.SearchStrategy[Any], Callable[[Any], str]]:
    base = folder / "run"
    store, draw = RunStore(base), np.random.default_rng(0)
    reference = make_reference(np.eye(4), [0, 1], [1, 0], [1, 1], [0, 1, 0, 1], {"name": "tiny"})
    chosen = {"dataset": {"name": "tiny"}, "metamers": {"layer": "conv1"}}
    variables = {
        "seed_id": Variable(("metamer",), np.arange(3)),
        "loss_hardened": Variable(("metamer",), draw.random(3, np.float32)),
        "layer": Variable(("layer",), np.array(["conv1"])),
        "features": Variable(("stored", "node", "feature"), draw.random((3, 4, 4), np.float32)),
    }
    counts, digest = {"CONVERGED": 3}, reference.digest
    record = Record(
        chosen, hash_settings(chosen), variables, {"test_accuracy": 0.5}, counts, {}, digest
    )
    store.register(["a"])
    store.write_reference(reference)
    store.write("a", record)

    def read(path: Path) -> str:
        run = open_run(path)
        data = run.dataset("a")
        arrays = [data[name].values.tobytes() for name in sorted(data.variables)]
        graphs = [graph.nodes.tobytes() for graph in run.metamers("a")]
        told = [run.settings("a"), run.status_counts("a"), run.scalars("a"), run.row("a")]
        return json.dumps([str(arrays), str(graphs), str(told), str(run.verify("a"))])

    return _one_file(base, folder / "work", read, read(base))


READERS = {
    "yaml": yaml_files,
    "npz": npz_files,
    "pickle": pickles,
    "ogb": ogb_folders,
    "checkpoint": checkpoints,
    "run folder": run_folders,
}


if __name__ == "__main__":
    sys.exit(main())
