"""`Manifest`: the files of one folder of the store with their sums, and readers that check them.

    manifest.json   {"files": {"record.json": {"bytes": 812, "sha256": "..."}}, "sha256": "..."}

The last sum is that of `files`. A folder without the file was written before there were manifests:
it can be read, and nothing vouches for it.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path

import zarr
from zarr.abc.store import ByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import LocalStore

from jmetamer._base.errors import StoreError

MANIFEST = "manifest.json"
_Prototype = BufferPrototype | None
_Range = ByteRequest | None
_Content = Buffer | None


@dataclasses.dataclass(frozen=True, eq=False)
class Manifest:
    """What a folder should hold, and readers that refuse anything else.

    Args:
      folder: a cell, a reference graph or a trained network.
      files: path within the folder, with slashes -> (bytes, sha256); None where nothing is known.
    """

    folder: Path
    files: Mapping[str, tuple[int, str]] | None

    def read(self, name: str) -> bytes:
        """Return the bytes of a file that are those that were written.

        Args:
          name: path within the folder, with slashes.

        Raises:
          StoreError: the file is missing, was not written with the others, or was changed.
        """
        if self.files is not None and name not in self.files:
            raise self.damaged(name, f"it is not among the files that `{MANIFEST}` lists")
        try:
            content = (self.folder / name).read_bytes()
        except OSError as error:
            raise self.damaged(name, error.strerror or str(error)) from error
        self.check(name, content)
        return content

    def check(self, name: str, content: bytes) -> None:
        """Refuse content that is not what was written.

        Args:
          name: path within the folder, with slashes.
          content: its bytes.

        Raises:
          StoreError: size or sha256 differ.
        """
        size, digest = (self.files or {}).get(name, (None, ""))
        if size is not None and size != len(content):
            raise self.damaged(name, f"it has {len(content)} bytes, {size} were written")
        if size is not None and digest != hashlib.sha256(content).hexdigest():
            raise self.damaged(name, "its bytes are not those that were written (sha256)")

    def check_sizes(self) -> None:
        """Refuse a folder in which a file is missing or has another size, without reading any.

        Raises:
          StoreError: names the first such file.
        """
        for name, (size, _) in (self.files or {}).items():
            try:
                now = (self.folder / name).stat().st_size
            except OSError as error:
                raise self.damaged(name, error.strerror or str(error)) from None
            if now != size:
                raise self.damaged(name, f"it has {now} bytes, {size} were written")

    def problems(self) -> list[str]:
        """Return what is wrong with each file; every byte is read."""
        wrong = []
        for name in self.files or {}:
            try:
                self.read(name)
            except StoreError as error:
                wrong.append(str(error))
        return wrong

    def open_group(self, name: str) -> zarr.Group:
        """Open a Zarr group of the folder whose chunks are checked when they are read.

        Args:
          name: of the group's folder.

        Raises:
          StoreError: the group cannot be read, or is not what was written.
        """
        with self.decoding(name):
            return zarr.open_group(store=self.group_store(name), mode="r", zarr_format=3)

    @contextlib.contextmanager
    def decoding(self, name: str) -> Iterator[None]:
        """Say which file is damaged where a decoder fails: damage can make it raise anything."""
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            raise self.damaged(name, str(error)) from error

    def group_store(self, name: str) -> LocalStore:
        """Return the Zarr store of a group of the folder, for readers that open it themselves."""
        if self.files is None:
            return LocalStore(self.folder / name, read_only=True)
        return _CheckedStore(self, name)

    def damaged(self, name: str, reason: str) -> StoreError:
        """Return the error about one file."""
        # A sweep makes a reference or a network again for a cell that it computes.
        shared = self.folder.parent.name in ("models", "references")
        it = "it and the cells that need it" if shared else "it"
        return StoreError(
            f"`{self.folder / name}` is damaged: {reason}. Copy `{self.folder}` again from where "
            f"it is whole; or move {it} away and compute again with the same command"
        )


class _CheckedStore(LocalStore):
    """A Zarr store that knows the files of a manifest and nothing else."""

    def __init__(self, manifest: Manifest, group: str) -> None:
        super().__init__(manifest.folder / group, read_only=True)
        self._manifest, self._group = manifest, group
        assert manifest.files is not None
        self._names = {
            name.removeprefix(f"{group}/") for name in manifest.files if name.startswith(group)
        }

    def with_read_only(self, read_only: bool = True) -> "_CheckedStore":
        """Return the store itself: nothing may be written."""
        return self

    def get_sync(
        self, key: str, *, prototype: _Prototype = None, byte_range: _Range = None
    ) -> _Content:
        """Return checked bytes; None for what was never written."""
        if key not in self._names:  # Zarr asks for files of other formats too
            return None
        content = self._manifest.read(f"{self._group}/{key}")
        prototype = prototype or default_buffer_prototype()
        return _part(prototype.buffer.from_bytes(content), byte_range)

    async def get(
        self, key: str, prototype: _Prototype = None, byte_range: _Range = None
    ) -> _Content:
        """Return checked bytes; None for what was never written."""
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, _Range]]
    ) -> list[_Content]:
        """Return checked bytes of several files."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Return whether such a file was written."""
        return key in self._names

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List what was written; files of other programs beside it are passed over."""
        start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        below = (name[len(start) :] for name in sorted(self._names) if name.startswith(start))
        for name in dict.fromkeys(rest.split("/", 1)[0] for rest in below):
            yield name


def _part(content: Buffer, byte_range: _Range) -> Buffer:
    """Return the asked range of a buffer, as the request of Zarr says."""
    if byte_range is None:
        return content
    if isinstance(byte_range, SuffixByteRequest):
        return content[max(0, len(content) - byte_range.suffix) :]
    if isinstance(byte_range, RangeByteRequest):
        return content[byte_range.start : byte_range.end]
    return content[byte_range.offset :]


def write_manifest(folder: Path) -> None:
    """Write the manifest of all files that are in a folder now.

    Args:
      folder: complete but for its manifest.
    """
    files = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps({"files": files, "sha256": _sum(files)}, indent=0)
    (folder / MANIFEST).write_text(text + "\n")


def read_manifest(folder: Path, *, needed: bool = False) -> Manifest:
    """Read the manifest of a folder.

    Args:
      folder: a cell, a reference graph or a trained network.
      needed: refuse a folder without one, where its version says that it was written with one.

    Raises:
      StoreError: the manifest is damaged, or missing where it is needed.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as name:
      ...     folder = Path(name)
      ...     _ = (folder / "record.json").write_text("{}")
      ...     write_manifest(folder)
      ...     read_manifest(folder).read("record.json")
      b'{}'
    """
    path, unknown = folder / MANIFEST, Manifest(folder, None)
    if not path.exists():
        if needed:
            raise unknown.damaged(MANIFEST, "it is missing")
        return unknown
    try:
        document = json.loads(path.read_bytes())
        files = document["files"]
        if document["sha256"] != _sum(files):
            raise ValueError("its content does not match its own sha256")
        sums = {name: (int(one["bytes"]), str(one["sha256"])) for name, one in files.items()}
    except OSError as error:
        raise unknown.damaged(MANIFEST, error.strerror or str(error)) from error
    except Exception as error:  # damaged content can make any of this raise anything
        raise unknown.damaged(MANIFEST, str(error)) from error
    return Manifest(folder, sums)


def _sum(files: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
