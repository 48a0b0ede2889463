"""Files of public datasets: where they are looked for, how they are fetched, and their checksums.

Looked for, in this order, in the `root` that is given, in the folder that the environment
variable `JMETAMER_DATA` names, and in the cache folder (`JMETAMER_CACHE`, or else the platform's,
which is ~/.cache/jmetamer on Linux). In each of them three layouts are known:

    <base>/<collection>/<file>      planetoid/ind.cora.graph, heterophilous/texas.npz
    <base>/<file>                   ind.cora.graph
    <base>/<name>/raw/<file>        Cora/raw/ind.cora.graph, as PyTorch Geometric leaves it

A file that is nowhere is downloaded into the cache, if its sha256 is pinned here.
"""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator, Sequence

from jmetamer._base.errors import DataError, InputError
from jmetamer._base.paths import user_path

DATA_VARIABLE = "JMETAMER_DATA"
CACHE_VARIABLE = "JMETAMER_CACHE"
# By collection and file name, as `sha256sum` writes. A file that is not listed is read from local
# folders only, never downloaded.
_PINNED = pathlib.Path(__file__).with_name("digests.sha256").read_text().split()
SHA256: dict[str, str] = dict(zip(_PINNED[1::2], _PINNED[::2], strict=True))


@dataclasses.dataclass(frozen=True)
class DataFile:
    """One file of a public dataset.

    Attributes:
      collection: folder of the flat layout, as "planetoid".
      dataset: name of the dataset, as "cora".
      name: file name, as "ind.cora.graph".
      base_url: address of the folder that holds it.
    """

    collection: str
    dataset: str
    name: str
    base_url: str

    @property
    def sha256(self) -> str | None:
        """The pinned digest, or None if none is known."""
        return SHA256.get(f"{self.collection}/{self.name}")


def read_data_files(
    files: Sequence[DataFile], root: str | os.PathLike[str] | None = None
) -> dict[str, bytes]:
    """Find or fetch every file and check those whose digest is pinned.

    Args:
      files: the files of one dataset.
      root: folder to look in first.

    Returns:
      The bytes of each file by its name: exactly the bytes that were checked.

    Raises:
      InputError: `root` is no folder.
      DataError: a file is missing and cannot be fetched, or is not what its digest says.
    """
    if root is not None and not os.path.isdir(user_path(root, "root")):
        raise InputError(f"`root` is {str(root)!r}, which is no folder; give an existing one.")
    paths = {file: _find(file, root) for file in files}
    missing = [file for file, path in paths.items() if path is None]
    for file in missing:
        if file.sha256 is None:
            reason = f"No checksum of {file.name} is pinned, so it is not downloaded."
            raise _missing(missing, root, reason)
    for file in missing:
        paths[file] = _download(file, missing, root)
    return {file.name: _checked_bytes(file, path) for file, path in paths.items() if path}


def digest_of(contents: dict[str, bytes]) -> str:
    """Return the sha256 of one file, or of the sorted `sha256sum` lines of several.

    Example:
      >>> digest_of({"a": b""}) == hashlib.sha256(b"").hexdigest()
      True
    """
    return joint_digest(
        {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    )


def joint_digest(digests: dict[str, str]) -> str:
    """Return the sha256 of one file as it is, or that of the sorted `sha256sum` lines of several.

    Args:
      digests: file name -> sha256 as a hex string.

    Example:
      >>> joint_digest({"a": "e3b0c442"})
      'e3b0c442'
    """
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def cache_folder() -> pathlib.Path:
    """Return the folder for downloads: `JMETAMER_CACHE`, or else the platform's cache folder."""
    folder = os.environ.get(CACHE_VARIABLE)
    if folder:
        return user_path(folder, CACHE_VARIABLE)
    import pooch

    return pathlib.Path(pooch.os_cache("jmetamer"))


def base_folders(root: str | os.PathLike[str] | None = None) -> list[pathlib.Path]:
    """Return the folders in which files are looked for, in that order."""
    bases = {"root": root, DATA_VARIABLE: os.environ.get(DATA_VARIABLE)}
    return [user_path(base, name) for name, base in bases.items() if base] + [cache_folder()]


def _find(file: DataFile, root: str | os.PathLike[str] | None) -> pathlib.Path | None:
    for base in base_folders(root):
        try:
            for path in _candidates(base, file):
                if path.is_file():
                    return path
        except OSError as error:
            raise DataError(
                f"{str(base)!r} cannot be searched for {file.name}: {error.strerror}; make the "
                f"folder readable, or change `root`, {DATA_VARIABLE} or {CACHE_VARIABLE}."
            ) from None
    return None


def _candidates(base: pathlib.Path, file: DataFile) -> Iterator[pathlib.Path]:
    yield base / file.collection / file.name
    yield base / file.name
    if os.path.isdir(base):
        for folder in sorted(base.iterdir()):
            if folder.name.lower().replace("-", "_") == file.dataset:
                yield folder / "raw" / file.name


def _download(
    file: DataFile, missing: Sequence[DataFile], root: str | os.PathLike[str] | None
) -> pathlib.Path:
    import pooch

    try:
        path = pooch.retrieve(
            f"{file.base_url}/{file.name}",
            known_hash=f"sha256:{file.sha256}",
            fname=file.name,
            path=cache_folder() / file.collection,
            downloader=pooch.HTTPDownloader(progressbar=True, timeout=30),
        )
    except (OSError, ValueError) as error:  # no network, no such page, no space, a wrong digest
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _missing(missing, root, f"The download failed: {reason}.") from None
    return pathlib.Path(path)


def _missing(
    missing: Sequence[DataFile], root: str | os.PathLike[str] | None, reason: str
) -> DataError:
    first = missing[0]
    names = ", ".join(file.name for file in missing)
    searched = ", ".join(str(base) for base in base_folders(root))
    return DataError(
        f"dataset {first.dataset!r} needs {len(missing)} file(s) that are in none of the folders "
        f"searched ({searched}): {names}. {reason} Get them from {first.base_url} and put them "
        f"into {cache_folder() / first.collection}, or set {DATA_VARIABLE} to a folder that "
        f"holds {first.collection}/{first.name}, or pass `root=` with a PyTorch Geometric folder "
        f"that holds {first.dataset}/raw/{first.name}."
    )


def _checked_bytes(file: DataFile, path: pathlib.Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from None
    digest = hashlib.sha256(content).hexdigest()
    if file.sha256 not in (None, digest):
        raise DataError(
            f"{str(path)!r} has sha256 {digest}; {file.collection}/{file.name} must have "
            f"{file.sha256}. Nothing in it was used. It is damaged or was tampered with; move "
            f"it away, and get it again from {file.base_url}."
        )
    return content
