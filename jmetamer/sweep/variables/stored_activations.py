"""What the network makes of the stored metamers, for checks by other code."""

from jmetamer.evaluation.examination import Examination
from jmetamer.results import Variable
from jmetamer.sweep.block import Block


def stored_activation_variables(block: Block, examination: Examination) -> dict[str, Variable]:
    """Return matched activations and predicted classes of the stored metamers and the reference.

    Args:
      block: arrays of all metamers.
      examination: examined them.
    """
    problem, before = examination.problem, examination.before
    shapes = [[name, *map(int, problem.arrays.targets[name].shape)] for name in problem.layers]
    layout = {
        "meaning": "of the matched layers at the target nodes, layer by layer, highest precision",
        "layers": shapes,  # name, target nodes, channels
    }
    classes = {"meaning": "predicted by the network; -1 where its logits are not finite"}
    return {
        "stored_activation": Variable(("stored", "activation"), block["stored_activation"], layout),
        "stored_class": Variable(("stored", "node"), block["stored_class"], classes),
        "reference_activation": Variable(("activation",), before.matched, layout),
        "reference_class": Variable(("node",), before.own, classes),
    }
