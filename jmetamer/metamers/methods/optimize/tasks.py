"""Tasks that share lanes: one program and data of equal shapes, or a message that says why not."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax

from jmetamer._base.errors import InputError
from jmetamer.metamers.methods.method import USUAL, Execution, Task
from jmetamer.metamers.methods.optimize.lanes import Program
from jmetamer.metamers.methods.optimize.program import limits_of, program_of

_SHARED = {
    "model": "the network",
    "layers": "the matched layers",
    "vary": "what may vary",
    "loss": "the loss",
    "identity_backward": "the layers that gradients pass unchanged",
    "share": "the share of target nodes at which the error of a node is judged",
    "optimizer": "the optimizer (its learning rate may differ)",
    "chunk": "the steps between two looks of the host",
    "precision": "the precision of the loop",
}
_REMEDY = (
    "problems of one call must have one network (its parameters may differ), the same layers, loss "
    "and parameterization, one method but for learning rate, steps and stop rules, and as many "
    "nodes, features, edges and target nodes; pad the graphs to equal numbers, or call `generate` "
    "for each"
)


def shared_program(
    tasks: Sequence[Task], execution: Execution = USUAL
) -> tuple[Program, list[tuple[Any, Any]]]:
    """Return the program of all tasks, and (arrays, limits) of each.

    Args:
      tasks: at least one.
      execution: where lanes live, and how they step.

    Raises:
      InputError: they need different programs or shapes; the first difference is named.

    Example:
      >>> import jmetamer as jm
      >>> data = jm.load_dataset("karate")
      >>> trained = jm.train(jm.GCN(hidden=4), data, settings=jm.TrainSettings(epochs=0))
      >>> first, last = (jm.Problem(trained, data.graph, layer=n) for n in ("conv1", "logits"))
      >>> methods = [jm.default_method(each) for each in (first, last)]
      >>> shared_program([Task(first, 0, methods[0], 1e-4), Task(last, 0, methods[1], 1e-4)])
      Traceback (most recent call last):
      ...
      jmetamer._base.errors.InputError: `problem` 0 and 1 cannot share lanes: the matched layers
      are ('conv1',) and ('logits',); problems of one call must have ...
    """
    program, data = None, []
    for number, task in enumerate(tasks):
        own, arrays = program_of(task, execution)
        program = program or own
        data.append((arrays, limits_of(task)))
        difference = next(_differences(program, own, data[0], data[-1]), None)
        if difference is not None:
            raise InputError(
                f"`problem` 0 and {number} cannot share lanes: {difference}; {_REMEDY}"
            )
    assert program is not None
    return program, data


def _differences(
    one: Program, other: Program, first: tuple[object, object], second: tuple[object, object]
) -> Iterator[str]:
    for name, title in _SHARED.items():
        homes = (one.matching, other.matching) if hasattr(one.matching, name) else (one, other)
        values = [getattr(home, name) for home in homes]
        if values[0] != values[1]:
            yield f"{title} {_verb(name)} {values[0]!r} and {values[1]!r}"
    leaves = [
        jax.tree_util.tree_flatten_with_path({"data": data[0], "limits": data[1]})[0]
        for data in (first, second)
    ]
    for (path, array), (path_of_other, other_array) in zip(*leaves, strict=False):
        if path != path_of_other:
            break
        shapes = [(leaf.shape, leaf.dtype.name) for leaf in (array, other_array)]
        if shapes[0] != shapes[1]:
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            yield " and ".join(
                [
                    f"{name} has shape {shapes[0][0]} {shapes[0][1]}",
                    f"{shapes[1][0]} {shapes[1][1]}",
                ]
            )
    structures: list[object] = [jax.tree.structure(data) for data in (first, second)]
    if structures[0] != structures[1]:
        names = [
            {jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in each}
            for each in leaves
        ]
        apart = ", ".join(sorted(names[0] ^ names[1])) or "in its structure"
        yield f"one of them has data that the other lacks or has otherwise: {apart}"


def _verb(name: str) -> str:
    return "are" if name in ("layers", "identity_backward", "chunk") else "is"
