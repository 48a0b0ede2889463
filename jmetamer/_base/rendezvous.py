"""`python -m jmetamer._base.rendezvous`: meet the other processes of a sweep, and say who is who.

Runs as a child of each process, because JAX ties the processes that it connects together: it
aborts all when one dies or does not come, and libraries wait for all of them when they write. The
child prints one line of JSON, waits for a line of input, and ends when all the others got theirs.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import jax

_VISIBLE = "jax_cuda_visible_devices"


def introduce(settings: Mapping[str, Any]) -> dict[str, object]:
    """Connect to the other processes.

    Args:
      settings: keyword arguments of `jax.distributed.initialize`.

    Returns:
      `index`, `count` and the `visible` accelerators that the cluster gives this process; or
      `alone`, why there is no cluster; or `failed`, why it cannot be reached.

    Example:
      >>> sorted(introduce({"cluster_detection_method": "deactivate"})) in (["alone"], ["failed"])
      True
    """
    try:
        jax.distributed.initialize(**settings)
        index, count = jax.process_index(), jax.process_count()
    except ValueError as error:  # as JAX says that nothing was found
        return {"alone": _line(error)}
    except Exception as error:  # whatever the network or the cluster's tools raise
        return {"failed": _line(error)}
    return {"index": index, "count": count, "visible": jax.config.read(_VISIBLE)}


def main() -> int:
    """Run the child: settings as JSON in the first argument, the answer on standard output."""
    answer = introduce(json.loads(sys.argv[1]))
    print(json.dumps(answer), flush=True)
    if "index" not in answer:
        return 1
    if not sys.stdin.readline():  # the parent has died
        return 1
    jax.distributed.shutdown()  # returns when all have come so far
    return 0


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
