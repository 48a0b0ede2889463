"""Where numbers came from: versions, revision, device, precision."""

import datetime
import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import jax

_PACKAGES = ("jmetamer", "jax", "jaxlib", "flax", "optax", "jraph", "numpy", "orbax-checkpoint")


def provenance(loop_precision: str = "default") -> dict[str, object]:
    """Return versions, git revision, device, precision and time as JSON-able values.

    Starts the accelerator, because it names the device.

    Args:
      loop_precision: of the loop's matrix products; "default" is what JAX is set to.

    Example:
      >>> sorted(provenance())[:3]
      ['device', 'dtype', 'finished']
    """
    devices = jax.devices()
    own = str(getattr(jax.config, "jax_default_matmul_precision", None) or "default")
    return {
        "versions": {name: version_of(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git_revision": git_revision(),
        "device": f"{len(devices)} x {devices[0].device_kind} ({devices[0].platform})",
        "matmul_precision": {
            "loop": own if loop_precision == "default" else loop_precision,
            "references and final losses": "highest",
        },
        "dtype": "float32; Jacobians float64 on the host",
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def version_of(package: str) -> str:
    """Return the installed version of a package, or "not installed".

    Example:
      >>> version_of("no-such-package")
      'not installed'
    """
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "from source" if package == "jmetamer" else "not installed"


@functools.cache
def git_revision() -> str:
    """Return the revision of the source tree, "-dirty" with changes, or "unknown"."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return "unknown"
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        described = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return described.stdout.strip()
