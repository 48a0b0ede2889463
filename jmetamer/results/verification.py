"""What a cell should be, compared with what is on disk; no model is started."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

import numpy as np

from jmetamer._base.errors import InputError, StoreError
from jmetamer.results.former_settings import as_objects
from jmetamer.results.manifest import Manifest, read_manifest
from jmetamer.results.record import SCHEMA_VERSION, Reference, arrays_digest, hash_settings
from jmetamer.results.setting_tree import setting
from jmetamer.results.zarr_group import GROUP, checksum, read_group

NETWORK_FORMAT = 1
_TEXTS = ("settings_hash", "reference")
_PARTS = ("settings", "settings_hash", "scalars", "status_counts", "provenance", "reference")
# What readers use of the settings and scalars, where it is there: sections before their parts.
_NUMBER = (int, float)
_OPTIONAL: tuple[tuple[tuple[type, ...], str, str], ...] = (
    ((dict,), "settings", "training metamers geometry success store recognition"),
    ((str,), "settings", "dataset model metamers.vary metamers.layer metamers.method"),
    ((int,), "settings", "dataset.seed training.seed"),
    ((list,), "settings", "metamers.nodes"),
    (_NUMBER, "settings", "metamers.method.weight metamers.tolerance success.null_test.alpha"),
    (_NUMBER, "scalars", "test_accuracy seconds seconds_metamers"),
)
_NAMED = re.compile(r"-[0-9a-f]{8}$")  # folders that a sweep makes
_ARRAYS = ("nodes", "senders", "receivers", "weight", "labels")


class CellCheck(NamedTuple):
    """What `Run.verify` says of one cell.

    Attributes:
      verified: whether the cell, its reference and its network have manifests, and everything
        agrees with them.
      problems: what is damaged or missing, with the file and what to do; empty where nothing is.
        A cell that was written before there were manifests may have none and is not verified.
    """

    verified: bool
    problems: tuple[str, ...]


class CellDocument(TypedDict):
    """What is in the record of a cell."""

    settings: dict[str, Any]
    settings_hash: str
    scalars: dict[str, Any]
    status_counts: dict[str, int]
    provenance: dict[str, Any]
    reference: str
    checksum: NotRequired[str]


def read_document(folder: Path) -> tuple[Manifest, CellDocument]:
    """Return the manifest of a cell and what is in its record, settings of any form as objects.

    Raises:
      StoreError: the record is damaged or that of a newer version.
    """
    manifest = read_manifest(folder)
    document = _json(manifest, "record.json")
    version = _version(manifest, "record.json", document)
    for name in _PARTS:
        kind = str if name in _TEXTS else dict
        if not isinstance(document.get(name), kind):
            raise manifest.damaged("record.json", _wrong(name, document.get(name), kind.__name__))
    cell = document.get("cell", folder.name)  # earlier records do not say whose they are
    if cell != folder.name:
        raise manifest.damaged("record.json", f"it is the record of cell {cell!r}")
    try:
        expected = hash_settings(document["settings"])
    except (InputError, RecursionError) as error:
        raise manifest.damaged("record.json", str(error)) from error
    if document["settings_hash"] != expected:
        raise manifest.damaged("record.json", "its settings do not hash to `settings_hash`")
    if _NAMED.search(folder.name) and not folder.name.endswith(expected[:8]):
        raise manifest.damaged("record.json", "its settings are not those that name its folder")
    try:
        document["settings"] = as_objects(document["settings"])
    except (TypeError, ValueError, AttributeError) as error:
        raise manifest.damaged("record.json", f"its settings: {error}") from error
    for kinds, part, names in _OPTIONAL:
        for name in names.split():
            value = setting(document[part], name)
            if value is not None and not isinstance(value, kinds):
                allowed = " or ".join(kind.__name__ for kind in kinds)
                raise manifest.damaged("record.json", _wrong(f"{part}.{name}", value, allowed))
    counts = document["status_counts"].values()
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise manifest.damaged("record.json", "`status_counts` are not counts")
    manifest = manifest if version < 2 else read_manifest(folder, needed=True)
    return manifest, cast(CellDocument, document)


def read_reference(folder: Path, digest: str) -> Reference:
    """Return a stored reference graph, which is the one that its digest names.

    Args:
      digest: of its arrays, as the record of the cell has it.

    Raises:
      StoreError: it is missing or damaged.
    """
    manifest = read_manifest(folder)
    document = _json(manifest, "reference.json")
    if _version(manifest, "reference.json", document) >= 2:
        manifest = read_manifest(folder, needed=True)
    attrs = document.get("attrs")
    if not isinstance(attrs, dict):
        raise manifest.damaged("reference.json", f"`attrs` is {attrs!r} and should be a mapping")
    group = manifest.open_group(GROUP)
    with manifest.decoding(GROUP):
        arrays = {name: v.values for name, v in read_group(group).items()}
    if set(arrays) != set(_ARRAYS) or digest != arrays_digest(
        (name, arrays[name]) for name in _ARRAYS
    ):
        raise manifest.damaged(GROUP, f"its arrays do not have the digest {digest} that names it")
    return Reference(digest, attrs=attrs, **arrays)


def check_cell(run_folder: Path, cell: str) -> CellCheck:
    """Compare all files of a cell, of its reference and of its network with their sums."""
    folder = run_folder / "cells" / cell
    try:
        manifest, document = read_document(folder)
    except StoreError as error:
        return CellCheck(False, (str(error),))
    has_sums = manifest.files is not None
    problems = manifest.problems() if has_sums else old_problems(manifest, document)
    digest, provenance = document["reference"], document["provenance"]
    places: list[tuple[Path, Callable[[], object]]]
    graph = run_folder / "references" / digest
    places = [(graph, lambda: read_reference(graph, digest))]
    if provenance.get("model_folder"):
        network = run_folder / "models" / str(provenance["model_folder"])
        params = provenance.get("params_sha256")
        places.append((network, lambda: read_network(network, params)))
    for place, read in places:
        try:
            read()
            beside = read_manifest(place)
        except StoreError as error:
            problems.append(str(error))
        else:
            has_sums &= beside.files is not None
            problems += beside.problems()
    return CellCheck(has_sums and not problems, tuple(problems))


def read_network(folder: Path, digest: str | None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the record of a stored network and its parameters by name, from plain arrays.

    Args:
      digest: of its parameters, as the cell that it made names it; None where it names none.

    Raises:
      StoreError: it is missing, damaged, of another format, or not the network that the cell names.
    """
    manifest, record = read_network_record(folder)
    if digest is not None and record.get("params_sha256") != digest:
        raise manifest.damaged("model.json", "it is not the network that made the cell")
    with (
        manifest.decoding("weights.npz"),
        np.load(folder / "weights.npz", allow_pickle=False) as stored,
    ):
        weights = {key: stored[key] for key in stored.files}
    require_parameters(manifest, "weights.npz", record, parameters_digest(weights))
    return record, weights


def read_network_record(folder: Path) -> tuple[Manifest, dict[str, Any]]:
    """Return the manifest of a stored network and the record of how it was made.

    Raises:
      StoreError: the record is missing, damaged or of another format.
    """
    manifest = read_manifest(folder)
    record = _json(manifest, "model.json")
    if record.get("record_sha256") != record_digest(record):
        raise manifest.damaged("model.json", "its content does not match its `record_sha256`")
    if record.get("format_version") != NETWORK_FORMAT:
        raise StoreError(
            f"`{folder / 'model.json'}` has format version {record.get('format_version')!r}, and "
            f"this version of jmetamer reads {NETWORK_FORMAT}; read it with the version that wrote "
            "it"
        )
    return manifest, record


def require_parameters(manifest: Manifest, name: str, record: dict[str, Any], digest: str) -> None:
    """Refuse parameters that are not those of the record.

    Args:
      name: what in the folder they were read from.

    Raises:
      StoreError: the digests differ.
    """
    if record.get("params_sha256") != digest:
        raise manifest.damaged(name, "its arrays do not have the `params_sha256` of model.json")


def record_digest(record: Mapping[str, object]) -> str:
    """Return the digest of a network's record, all but the digest itself."""
    content = {key: value for key, value in record.items() if key != "record_sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def parameters_digest(weights: dict[str, np.ndarray]) -> str:
    """Return the digest of parameters by name, the one that a network's record holds.

    Args:
      weights: "params/conv1/kernel" -> array.

    Example:
      >>> from jmetamer.models.digest import tree_digest
      >>> kernel = np.eye(2, dtype=np.float32)
      >>> tree_digest({"conv1": {"kernel": kernel}}) == parameters_digest({"conv1/kernel": kernel})
      True
    """
    paths = {"".join(f"['{part}']" for part in name.split("/")): name for name in weights}
    return arrays_digest((path, weights[paths[path]]) for path in sorted(paths))


def old_problems(manifest: Manifest, document: CellDocument) -> list[str]:
    """Return what is wrong with the arrays of a cell that has a checksum and no manifest."""
    try:
        sound = checksum(read_group(manifest.open_group(GROUP))) == document.get("checksum")
    except Exception:  # a flipped byte can make any decoder raise anything
        sound = False
    return [] if sound else [str(manifest.damaged(GROUP, "its arrays do not have their checksum"))]


def _json(manifest: Manifest, name: str) -> dict[str, Any]:
    try:
        document = json.loads(manifest.read(name))
    except (ValueError, RecursionError) as error:
        raise manifest.damaged(name, str(error)) from error
    if not isinstance(document, dict):
        raise manifest.damaged(name, f"it holds a {type(document).__name__} and no mapping")
    return document


def _wrong(name: str, value: object, allowed: str) -> str:
    return f"`{name}` is {value!r} and should be a {allowed}"


def _version(manifest: Manifest, name: str, document: Mapping[str, object]) -> int:
    version = document.get("schema_version", 1)
    if not isinstance(version, int) or version < 1:
        raise manifest.damaged(name, f"`schema_version` is {version!r}")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"`{manifest.folder / name}` has version {version}, and this version of jmetamer "
            f"reads versions up to {SCHEMA_VERSION}; read it with the version that wrote it"
        )
    return version
