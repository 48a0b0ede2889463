"""From a YAML file, `smoke` and `--set` to plain nested mappings; no meaning is read into them."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import yaml

from jmetamer._base.errors import ConfigError, shortened
from jmetamer._base.paths import read_regular, user_path

Tree = dict[str, Any]


MAX_VALUES = 200_000  # of a file, aliases written out: more take minutes before anything is said
_MAX_DEPTH = 40
_LARGEST = 2**63
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_MERGE = "tag:yaml.org,2002:merge"
# 017 is 15 and 1:30 is 90 to YAML 1.1, which nobody who writes them means.
_UNCLEAR = re.compile(r"[-+]?(0[\d_]+$|[\d_]+:)")


class _StrictLoader(yaml.SafeLoader):
    """YAML that reads 1e-3 as a number and refuses a key that is given twice.

    A file of a few lines can stand for more values than fit into memory, by aliases of aliases, or
    be nested deeper than Python can follow; both are refused while the file is read.
    """

    def __init__(self, stream: str | TextIO) -> None:
        super().__init__(stream)
        self._depth = self._count = 0
        self._sizes: dict[int, int] = {}  # of finished nodes, aliases written out

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node and count it."""
        line = self.peek_event().start_mark.line + 1
        before, self._depth = self._count, self._depth + 1
        self._count += 1
        if self._depth > _MAX_DEPTH:
            raise ConfigError(f"line {line}: nested deeper than {_MAX_DEPTH} levels")
        alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if alias:
            if id(node) not in self._sizes:
                raise ConfigError(f"line {line}: an alias stands inside of what it stands for")
            self._count += self._sizes[id(node)] - 1
        if self._count > MAX_VALUES:
            raise ConfigError(
                f"line {line}: more than {MAX_VALUES:,} values, aliases written out; a grid or a "
                "list of nodes has fewer"
            )
        self._depth -= 1
        self._sizes[id(node)] = self._count - before
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        """Return the value of a node; where it has none, say on which line."""
        if node.tag in _NUMBERS and _UNCLEAR.match(node.value):
            raise ConfigError(
                f"line {node.start_mark.line + 1}: {shortened(node.value)} is in old YAML a number "
                "in base 8 or 60; write it without 0 in front and without `:`, or in quotes if it "
                "is text"
            )
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, TypeError, OverflowError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            text = node.value if isinstance(node.value, str) else node.tag
            raise ConfigError(
                f"line {node.start_mark.line + 1}: {shortened(text)} cannot be read ({error})"
            ) from None
        if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
            raise ConfigError(
                f"line {node.start_mark.line + 1}: {shortened(node.value)} is too large; allowed: "
                "whole numbers below 2^63"
            )
        return value


class _Dumper(yaml.SafeDumper):
    pass


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> Tree:
    places: dict[str, yaml.Node] = {}
    merged: Tree = {}
    own: Tree = {}
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            if "<<" in places:
                raise ConfigError(
                    f"line {key_node.start_mark.line + 1}: `<<` is given twice, first on line "
                    f"{places['<<'].start_mark.line + 1}; write one list of aliases, as "
                    "`<<: [*first, *second]`, in which the first that has a key wins"
                )
            places["<<"] = key_node
            below = loader.construct_object(value_node, deep=True)
            for one in below if isinstance(below, list) else [below]:
                if not isinstance(one, dict):
                    raise ConfigError(
                        f"line {key_node.start_mark.line + 1}: `<<` is {shortened(one)}; allowed: "
                        "an alias of a mapping, or a list of them"
                    )
                merged = one | merged
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise ConfigError(
                f"line {key_node.start_mark.line + 1}: the key {key!r} is not text; "
                "put it in quotes if it is meant as a name"
            )
        if key in places:
            raise ConfigError(
                f"line {key_node.start_mark.line + 1}: the key {key!r} is given twice, first on "
                f"line {places[key].start_mark.line + 1}; remove one, or write a list for a grid"
            )
        places[key] = key_node
        own[key] = loader.construct_object(value_node, deep=True)
    return merged | own


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_EXPONENT = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")
for _yaml in (_StrictLoader, _Dumper):  # text that looks like a number is written in quotes
    _yaml.add_implicit_resolver(_NUMBERS[0], re.compile(r"^[-+]?0\d+$"), list("-+0"))
    _yaml.add_implicit_resolver(_NUMBERS[1], _EXPONENT, list("-+.0123456789"))


def read_yaml(path: Path) -> Tree:
    """Read a YAML file that holds one mapping.

    Args:
      path: the file.

    Returns:
      Nested mapping.

    Raises:
      ConfigError: no such file, not YAML, a key given twice, or not a mapping.

    Example:
      >>> read_yaml(Path("no_such.yaml"))
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.ConfigError: cannot read the config `no_such.yaml`: No such file or
      directory
    """
    try:
        text = read_regular(path).decode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the config `{path}`: {reason}") from error
    try:
        tree = parse_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"cannot read the config `{path}`: {error}") from error
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise ConfigError(
            f"the config `{path}` holds {shortened(tree)}, but it must be a mapping of settings, "
            "as in `dataset: digits`"
        )
    return tree


def parse_yaml(text: str) -> Any:
    """Parse YAML text strictly.

    Args:
      text: YAML; also a single value.

    Returns:
      The value.

    Raises:
      ConfigError: not YAML, or a key given twice.

    Example:
      >>> parse_yaml("[1e-3, 2, relu]")
      [0.001, 2, 'relu']
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except RecursionError:
        raise ConfigError(f"nested deeper than {_MAX_DEPTH} levels") from None
    except yaml.YAMLError as error:
        raise ConfigError(" ".join(f"not valid YAML: {error}".split())) from error


def dump_yaml(tree: Mapping[str, object]) -> str:
    """Return the tree as YAML that `parse_yaml` reads back.

    Example:
      >>> print(dump_yaml({"seed": [0, 1]}), end="")
      seed: [0, 1]
    """
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=100)


def parse_override(text: str) -> Tree:
    """Read one `--set` argument.

    Args:
      text: "dotted.key=value" with a YAML value.

    Returns:
      Nested mapping with this one value.

    Raises:
      ConfigError: no "=", an empty key, or a value that is not YAML.

    Example:
      >>> parse_override("metamers.layer=[conv1, logits]")
      {'metamers': {'layer': ['conv1', 'logits']}}
    """
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > _MAX_DEPTH:
        raise ConfigError(
            f"--set got {shortened(text)}, but it takes key=value with a dotted key of up to "
            f"{_MAX_DEPTH} parts, as in --set metamers.count=500"
        )
    try:
        tree = parse_yaml(value)
    except ConfigError as error:
        raise ConfigError(f"--set {shortened(text)}: {error}") from error
    for part in reversed(parts):
        tree = {part: tree}
    return tree


def find_config(argument: str | None, packaged: Sequence[Path]) -> Path:
    """Return the file that a CONFIG argument means.

    Args:
      argument: a path, or the name of a packaged config with or without `configs/` and `.yaml`;
        None means quickstart.
      packaged: the configs that come with jmetamer.

    Returns:
      Path of the file.

    Raises:
      ConfigError: neither a file nor a packaged config.

    Example:
      >>> find_config("cora", [Path("/lib/configs/cora.yaml")]).name
      'cora.yaml'
    """
    if argument is not None and os.path.isfile(user_path(argument)):
        return user_path(argument)
    path = Path("configs/quickstart.yaml" if argument is None else argument)
    if path.parent in (Path("."), Path("configs")):
        for packaged_path in packaged:
            if packaged_path.stem == path.name.removesuffix(".yaml"):
                return packaged_path
    names = ", ".join(sorted(packaged_path.stem for packaged_path in packaged)) or "none were found"
    raise ConfigError(
        f"there is no config `{path}` here; give the path of a YAML file, or one that comes "
        f"with jmetamer: {names}"
    )


def packaged_configs() -> list[Path]:
    """Return the configurations that come with jmetamer, from a checkout or an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "configs", package / "configs"):
        if (folder / "quickstart.yaml").is_file():
            return sorted(folder.glob("*.yaml"))
    return []
