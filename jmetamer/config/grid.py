"""From a configuration to the cells of its grid."""

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from jmetamer._base.errors import ConfigError, shortened, unknown_setting
from jmetamer.config.former import refuse_former
from jmetamer.config.places import Section, fields_of
from jmetamer.config.reading import Tree, parse_override, read_yaml
from jmetamer.config.resolving import resolve
from jmetamer.config.settings import CellSettings, Settings

_HEAD = ("name", "report", "max_cells")
_RUN_KEYS = (*_HEAD, "runs", "smoke")
MAX_CELLS = 10_000
_SETTINGS = Section(Settings)


@dataclasses.dataclass(frozen=True, eq=False)
class RunSettings:
    """A configuration after `smoke` and `--set` were merged.

    Attributes:
      name: names the run folder.
      report: whether to write report.html at the end.
      blocks: one raw tree per block of `runs`, merged over what they share; lists span grids.
      max_cells: a grid with more is refused, as lists multiply.
    """

    name: str
    report: bool
    blocks: tuple[Mapping[str, Any], ...]
    max_cells: int = MAX_CELLS

    def tree(self) -> Tree:
        """Return a configuration that gives the same cells, without `smoke` and overrides."""
        head: Tree = {"name": self.name, "report": self.report}
        if self.max_cells != MAX_CELLS:
            head["max_cells"] = self.max_cells
        if len(self.blocks) == 1:
            return head | dict(self.blocks[0])
        return head | {"runs": [dict(block) for block in self.blocks]}


def read_config(path: Path, overrides: Sequence[str] = (), *, smoke: bool = False) -> RunSettings:
    """Read a configuration strictly.

    What is shared, then the block of `runs`, then `smoke`, then the overrides are laid over each
    other; the later wins.

    Args:
      path: YAML file with the fields of `Settings`, and optionally `name` (default: the file's
        name), `report` (default true), `max_cells` (default 10,000), `runs` (a list of blocks, each
        a grid of its own over what is shared) and `smoke` (changes that make the run small).
      overrides: "dotted.key=value" texts with YAML values.
      smoke: apply the `smoke` block; `name` then gets the ending "-smoke".

    Returns:
      The settings, checked for unknown keys and wrong types.

    Raises:
      ConfigError: names the full path, the value and what is allowed.

    Example:
      >>> from jmetamer.config.reading import find_config, packaged_configs
      >>> run = read_config(find_config("cora", packaged_configs()), ["seed=[0, 1]"], smoke=True)
      >>> run.name, len(run.blocks)
      ('cora-smoke', 2)
    """
    tree = read_yaml(path)
    _check_top(tree)
    if smoke and "smoke" not in tree:
        raise ConfigError(
            f"--smoke was given, but the config `{path}` has no `smoke` block; "
            "add one with the settings that make the run small"
        )
    changes = [*([tree["smoke"]] if smoke else []), *_overrides(overrides)]
    usual: dict[str, Any] = {"name": path.stem, "report": True, "max_cells": MAX_CELLS}
    head, blocks = usual | _head(tree), tree.get("runs", [{}])
    for change in changes:
        head, blocks = head | _head(change), change.get("runs", blocks)
    shared, *changed = (
        {k: v for k, v in t.items() if k not in _RUN_KEYS} for t in (tree, *changes)
    )
    return RunSettings(
        name=head["name"] + ("-smoke" if smoke else ""),
        report=head["report"],
        blocks=tuple(_laid_over(shared, block, *changed) for block in blocks),
        max_cells=head["max_cells"],
    )


def _laid_over(below: Tree, *changes: Tree) -> Tree:
    for change in changes:
        below = cast(Tree, _SETTINGS.laid_over(below, change))
    return below


def cells(run: RunSettings) -> tuple[CellSettings, ...]:
    """Return every point of the grid, blocks in order, the last list varying fastest.

    Args:
      run: from `read_config`.

    Returns:
      Resolved cells; a point that occurs twice is kept once.

    Raises:
      ConfigError: an unknown name, or settings that contradict each other.

    Example:
      >>> model = {"gcn": {"hidden": [8, 16]}}
      >>> grid = cells(RunSettings("x", False, ({"model": model, "seed": [0, 1]},)))
      >>> [(cell.model.hidden, cell.metamers.seed) for cell in grid]
      [(8, 0), (8, 1), (16, 0), (16, 1)]
    """
    _check_size(run)
    points = itertools.chain.from_iterable(map(_SETTINGS.points, run.blocks))
    resolved = [resolve(_SETTINGS.value(point, "")) for point in points]
    return tuple({cell.hash: cell for cell in resolved}.values())


def _check_size(run: RunSettings) -> None:
    """Refuse a grid that is too large, before any point of it is made."""
    count = 0
    for block in run.blocks:
        count += _SETTINGS.count(block)
        if count > run.max_cells:
            lists = ", ".join(f"`{name}` ({length})" for name, length in _lists(block))
            raise ConfigError(
                f"the grid has {count:,} cells or more, of the lists {lists}; allowed are "
                f"`max_cells` = {run.max_cells:,}. Shorten the lists, or raise `max_cells`; a list "
                "that is one value takes one list more"
            )


def _lists(tree: object, path: str = "") -> Iterator[tuple[str, int]]:
    """Yield place and length of the lists of a tree."""
    if isinstance(tree, list) and len(tree) > 1:
        yield path, len(tree)
    for key, value in tree.items() if isinstance(tree, Mapping) else ():
        yield from _lists(value, f"{path}.{key}" if path else key)


def take_shard(grid: Sequence[CellSettings], shard: str | None) -> tuple[CellSettings, ...]:
    """Return the cells i, i + n, i + 2 n, ... of shard "i/n"; i counts from 0.

    Args:
      grid: all cells.
      shard: "i/n", or None for all of them.

    Returns:
      The shard's cells; the n shards together hold every cell once.

    Raises:
      ConfigError: not of this form, or i is not below n.

    Example:
      >>> take_shard(["a", "b", "c"], "1/2")
      ('b',)
    """
    if shard is None:
        return tuple(grid)
    match = re.fullmatch(r"(\d{1,18})/(\d{1,18})", shard)
    if not match or not int(match[1]) < int(match[2]):
        raise ConfigError(
            f"--shard got {shortened(shard)}; allowed is i/n with i from 0 to n - 1, "
            "as 0/4, 1/4, 2/4 and 3/4 for four processes"
        )
    return tuple(grid[int(match[1]) :: int(match[2])])


def _check_top(tree: Tree) -> None:
    _check_block(tree, "", _RUN_KEYS)
    _check_head(tree, "")
    _check_runs(tree, "")
    if "smoke" in tree:
        smoke = tree["smoke"]
        _check_block(smoke, "smoke.", (*_HEAD, "runs"))
        _check_head(smoke, "smoke.")
        _check_runs(smoke, "smoke.")


def _check_block(tree: object, path: str, extra: Sequence[str]) -> None:
    """Check the fields of `Settings` in a tree that may also hold the keys in `extra`."""
    if isinstance(tree, Mapping):
        fields = fields_of(Settings)
        for key, value in tree.items():
            if key not in fields and key not in extra:
                if "." in key:
                    refuse_former(f"{path}{key}", value)
                    nested = functools.reduce(lambda below, one: f"{{{one}: {below}}}",
                                              reversed(key.split(".")), "...")  # fmt: skip
                    raise ConfigError(
                        f"`{path}{key}` is a dotted key, which only --set understands; write it "
                        f"nested: {nested[1:-1]}"
                    )
                raise unknown_setting(f"{path}{key}", [*extra, *fields])
        tree = {key: value for key, value in tree.items() if key not in extra}
    _SETTINGS.check(tree, path)


def _check_head(tree: Mapping[str, object], path: str) -> None:
    name, report = tree.get("name", "x"), tree.get("report", True)
    most = tree.get("max_cells", MAX_CELLS)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}", name):
        raise ConfigError(
            f"`{path}name` is {shortened(name)}; allowed: text of up to 100 letters, digits and "
            "the signs . _ + -, because it names the run folder"
        )
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise ConfigError(f"`{path}max_cells` is {most!r}; allowed: a whole number from 1 on")
    if not isinstance(report, bool):
        hint = "; write it without quotes" if isinstance(report, str) else ""
        raise ConfigError(f"`{path}report` is {report!r}; allowed: true or false{hint}")


def _check_runs(tree: Mapping[str, object], path: str) -> None:
    if "runs" not in tree:
        return
    blocks = tree["runs"]
    if not isinstance(blocks, list) or not blocks:
        raise ConfigError(
            f"`{path}runs` is {blocks!r}; allowed: a list of one or more blocks of settings, each "
            "a grid of its own"
        )
    for index, block in enumerate(blocks):
        _check_block(block, f"{path}runs[{index}].", ())


def _overrides(texts: Sequence[str]) -> Iterator[Tree]:
    for text in texts:
        tree = parse_override(text)
        try:
            _check_block(tree, "", _HEAD)
            _check_head(tree, "")
        except ConfigError as error:
            raise ConfigError(f"--set {text}: {error}") from None
        yield tree


def _head(tree: Mapping[str, object]) -> Tree:
    return {key: tree[key] for key in _HEAD if key in tree}
