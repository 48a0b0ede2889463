"""Compiled programs kept on disk, so that the next process does not compile them again."""

import hashlib
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

VARIABLE = "JMETAMER_COMPILATION_CACHE"
OFF = "off"
# Programs that compile faster than this are compiled anew: reading them takes as long.
_LEAST_SECONDS = 0.2


class CompilationCache(NamedTuple):
    """Where compiled programs are kept.

    Attributes:
      folder: None where they are not kept.
      warning: one line that says why they are not, or an empty one.
    """

    folder: Path | None
    warning: str = ""


def keep_compiled_programs() -> CompilationCache:
    """Keep the programs that this process compiles, and use those that others have kept.

    The folder is that of the environment variable `JMETAMER_COMPILATION_CACHE`, where "off" keeps
    nothing, or else `jmetamer/compiled` in the user's folder for caches. A folder that JAX has
    been given already (`JAX_COMPILATION_CACHE_DIR`) is left as it is. Call it before anything is
    compiled.

    Example:
      >>> os.environ["JMETAMER_COMPILATION_CACHE"] = "off"
      >>> keep_compiled_programs().folder is None
      True
      >>> del os.environ["JMETAMER_COMPILATION_CACHE"]
    """
    import jax

    config: Any = jax.config  # type checkers do not know all of its attributes
    named = os.environ.get(VARIABLE, "").strip()
    if config.jax_compilation_cache_dir:
        return CompilationCache(Path(config.jax_compilation_cache_dir))
    if named.lower() == OFF:
        return CompilationCache(None)
    try:
        base = Path(named).expanduser() if named else user_cache_folder() / "compiled"
        folder = base / _processor()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError) as error:  # the latter where nobody has a home
        reason = getattr(error, "strerror", None) or error
        place = getattr(error, "filename", None) or named or "the user's folder for caches"
        return CompilationCache(
            None,
            f"warning: compiled programs are not kept, so the next run compiles again: `{place}`: "
            f"{reason}; set {VARIABLE} to a folder that can be written, or to {OFF}",
        )
    config.update("jax_compilation_cache_dir", str(folder))
    config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)
    config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return CompilationCache(folder)


def user_cache_folder(
    system: str = sys.platform, environment: Mapping[str, str] = os.environ
) -> Path:
    """Return the folder for what this library may lose: the platform's usual place.

    Args:
      system: as `sys.platform`.
      environment: as `os.environ`.

    Raises:
      RuntimeError: the user has no home.

    Example:
      >>> user_cache_folder("linux", {"XDG_CACHE_HOME": "/var/cache"}).as_posix()
      '/var/cache/jmetamer'
    """
    if system == "win32" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"]) / "jmetamer" / "Cache"
    if system == "darwin":
        return Path.home() / "Library" / "Caches" / "jmetamer"
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jmetamer"


def _processor() -> str:
    """Return a name of the kind of processor: machine code of another kind may not run here.

    Machines of a cluster often share their users' folders.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    features = [line for line in lines if line.startswith(("flags", "Features", "model name"))]
    text = "\n".join(sorted(set(features or lines)))
    return f"{platform.machine() or 'any'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
