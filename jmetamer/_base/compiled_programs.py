"""Compiled programs: shared by equal static arguments, few at a time, and given back."""

import contextlib
import dataclasses
import functools
import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jmetamer._base.composition import Composition
from jmetamer._base.platform import platform, traced_for
from jmetamer._base.precision import in_float64, narrowed, usual_types

KEPT = 64  # programs of one function, each for one value of its static arguments
KEPT_OF_UNSHARED = 16  # of these with what users make anew for each call, as an optax optimizer
SHAPES = 128  # of the arguments of one of them
_records: list["list[Call]"] = []  # of those who listen, in whatever thread the calls are made
_MAPS, _MOST_MAPS = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")


def release_when_crowded(share: float = 0.5, maps: Path = _MAPS, most: Path = _MOST_MAPS) -> bool:
    """Forget all compiled programs if the process has used up much of its memory maps.

    XLA maps the code of every compiled program into memory by itself, about six maps each, and
    JAX keeps the programs. Linux allows a process 65,530 maps by default (`vm.max_map_count`);
    beyond that the next compilation ends in a segmentation fault (seen with jax 0.10.2 after some
    ten thousand programs). What is needed again is compiled again.

    Args:
      share: of the allowed maps, from which on programs are given back.
      maps: file with one line a map.
      most: file with the number allowed; where either is missing, as on other systems, nothing
        is done.

    Returns:
      Whether programs were given back.

    Example:
      >>> release_when_crowded(share=1.0)
      False
    """
    try:
        with maps.open() as lines:
            used = sum(1 for _ in lines)
        allowed = int(most.read_text())
    except (OSError, ValueError):
        return False
    if used <= share * allowed:
        return False
    jax.clear_caches()
    gc.collect()
    return True


class CompiledFunction:
    """What `compile_function` makes of a function."""

    def __init__(self, function: Callable, static: int, donate: tuple[int, ...]) -> None:
        functools.update_wrapper(self, function)
        self.function, self._static = function, static
        self._donate = tuple(place - static for place in donate)
        self._programs: OrderedDict[tuple[object, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Run the program of the static arguments."""
        program = self._program(args)
        for calls in _records:
            calls.append(self.call(*args, **named))
        with usual_types():
            outputs = program(*narrowed(args[self._static :]), **narrowed(named))
        if program._cache_size() > SHAPES:
            program.clear_cache()
        return outputs

    def call(self, *args: Any, **named: Any) -> "Call":
        """Return what a call is compiled for."""
        shapes, named_shapes = jax.tree.map(_shape, (args[self._static :], named))
        return Call(self, args[: self._static], shapes, named_shapes, in_float64())

    def eval_shape(self, *args: Any, **named: Any) -> Any:
        """Return the shapes of what a call returns, as `jax.jit` does."""
        with usual_types():
            return self._program(args).eval_shape(*narrowed(args[self._static :]), **named)

    def trace(self, *args: Any, **named: Any) -> Any:
        """Return the traced program of a call, as `jax.jit` does."""
        with usual_types():
            return self._program(args).trace(*narrowed(args[self._static :]), **named)

    def lower(self, *args: Any, **named: Any) -> Any:
        """Return the lowered program of a call, as `jax.jit` does."""
        with usual_types():
            return self._program(args).lower(*narrowed(args[self._static :]), **named)

    def _program(self, args: tuple[object, ...]) -> Any:
        static = args[: self._static]
        key = platform(), *static
        with self._lock:
            program = self._programs.get(key)
            if program is None:
                # A `jax.jit` of its own, for JAX gives executables of one back all together.
                bound = functools.wraps(self.function)(functools.partial(self.function, *static))
                program = self._programs[key] = jax.jit(bound, donate_argnums=self._donate)
                self._give_back()
            else:
                self._programs.move_to_end(key)
        return program

    def _give_back(self) -> None:
        """Forget what was not used for longest."""
        unshared = [static for static in self._programs if _is_unshared(static)]
        for static in (*unshared[:-KEPT_OF_UNSHARED], *list(self._programs)[:-KEPT]):
            if static in self._programs:
                self._programs.pop(static).clear_cache()


def _is_unshared(value: object) -> bool:
    """Return whether some part of a static argument is compared by how it was made."""
    if isinstance(value, tuple):
        return any(map(_is_unshared, value))
    if dataclasses.is_dataclass(value):
        return any(_is_unshared(getattr(value, field.name)) for field in dataclasses.fields(value))
    return isinstance(value, Composition)


class Call(NamedTuple):
    """What a call of a compiled function is compiled for.

    Attributes:
      function: what is called.
      static: its static arguments.
      arguments, named: the others; arrays as shapes.
      on_host: whether it runs in float64 on the host, whatever the accelerator.
    """

    function: CompiledFunction
    static: tuple[object, ...]
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    on_host: bool

    @property
    def name(self) -> str:
        """Module and name of the function, within the package."""
        function = self.function.function
        return f"{function.__module__.removeprefix('jmetamer.')}.{function.__qualname__}"

    @property
    def result(self) -> Any:
        """Shapes of what it returns."""
        return self.function.eval_shape(*self.static, *self.arguments, **self.named)

    def lower(self, *platforms: str) -> Any:
        """Return the program as it is lowered for these platforms, of which none need be here."""
        with traced_for({"cuda": "gpu"}.get(platforms[0], platforms[0])):
            traced = self.function.trace(*self.static, *self.arguments, **self.named)
            return traced.lower(lowering_platforms=platforms)


@contextlib.contextmanager
def recorded_calls() -> Iterator[list[Call]]:
    """Record what compiled functions are called with, in every thread.

    Example:
      >>> double = compile_function()(lambda x: 2 * x)
      >>> with recorded_calls() as calls:
      ...     y = double(jax.numpy.ones(3))
      >>> calls[0].arguments[0].shape, "stablehlo" in calls[0].lower("tpu", "cuda").as_text()
      ((3,), True)
    """
    calls: list[Call] = []
    _records.append(calls)
    try:
        yield calls
    finally:
        _records[:] = [others for others in _records if others is not calls]


def _shape(leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
        return leaf
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=getattr(leaf, "weak_type", False))


def compile_function(
    *, static: int = 0, donate: tuple[int, ...] = ()
) -> Callable[[Callable[..., Any]], CompiledFunction]:
    """Compile a function as `jax.jit` does, but keep few programs and give the others back.

    Args:
      static: number of leading arguments that are static: hashable, compared by value, and given
        by position.
      donate: positions of arguments that are given away.

    Example:
      >>> import jax.numpy as jnp
      >>> @compile_function(static=1)
      ... def power(exponent, x):
      ...     return x**exponent
      >>> power(3, jnp.arange(3))
      Array([0, 1, 8], dtype=int32)
    """
    return lambda function: CompiledFunction(function, static, donate)
