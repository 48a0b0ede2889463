"""The study of mitigations: effects that were put into a made-up run come out of its script."""

import importlib.util
import itertools
import json
import pathlib
import sys

import numpy as np
import pytest

from jmetamer.results import Record, RunStore, Variable, hash_settings, make_reference, open_run

SCRIPT = pathlib.Path(__file__).parents[1] / "experiments/mitigations/mitigations.py"
LEVELS = (("relu", "elu"), (False, True), (None, "adversarial", "random"))
REFERENCE = make_reference(np.eye(1), [], [], [], [0], {"name": "made up"})


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("mitigations", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def record_of(activation, residual, training, seed, *, judges=True):
    """One cell: ELU and the adversary raise the rank, which raises kappa; ELU costs accuracy."""
    draw = np.random.default_rng([seed, len(activation), residual, len(training or "none")])
    rank = 20 + 6 * (activation == "elu") + 2 * (training == "adversarial") + seed
    rank = rank + draw.integers(0, 4)
    kappa = 0.01 * rank + 0.3 * (training == "random") + 0.001 * draw.normal(size=(3, 2))
    settings = {
        "dataset": {"made up": {}},
        "model": {"gcn": {"activation": activation, "residual": residual}},
        "training": {"seed": seed, "perturbation": training and {training: {"size": 0.1}}},
        "metamers": {"layer": "conv1"},
    }
    metamer = ("metamer",)
    variables = {
        "status": Variable(metamer, np.array([1, 1, 3]), {"table": {"1": "CONVERGED", "3": "X"}}),
        "class_agreement": Variable(metamer, np.array([1.0, 0.5, 0.0])),
        "measure": Variable(("measure",), np.array(["features/cosine"])),
        # The last one does not match, so it is no metamer and must not count.
        "deviation": Variable(("metamer", "measure"), np.array([[0.2], [0.4], [9.0]])),
        "rank_post": Variable(("target",), np.array([rank, rank, 0])),
        "dimension_post": Variable(("target",), 100 - np.array([rank, rank, rank])),
    }
    if judges:
        variables |= {
            "judge": Variable(("judge",), np.array(["gcn/1000", "gat/1000"])),
            "judge_architecture": Variable(("judge",), np.array(["gcn", "gat"])),
            "recognition_kappa": Variable(("metamer", "judge"), kappa),
        }
    accuracy = 0.8 - 0.1 * (activation == "elu") + 0.01 * seed
    return Record(
        settings=settings,
        settings_hash=hash_settings(settings),
        variables=variables,
        scalars={"test_accuracy": accuracy},
        status_counts={"CONVERGED": 2, "X": 1},
        provenance={},
        reference=REFERENCE.digest,
    )


def write(folder, trainings=LEVELS[2], seeds=range(6), **options):
    store = RunStore(folder)
    store.write_reference(REFERENCE)
    names = []
    for cell in itertools.product(LEVELS[0], LEVELS[1], trainings, seeds):
        names.append("-".join(map(str, cell)))
        store.write(names[-1], record_of(*cell, **options))
    store.register(names)
    return folder


def effect(study, outcome, *factors):
    (found,) = (one for one in study.effects[outcome] if one.factors == factors)
    return found


@pytest.fixture(scope="module")
def found(script, tmp_path_factory):
    return script.effects_of(open_run(write(tmp_path_factory.mktemp("run")))).studies


def test_there_is_a_part_for_each_pair_of_trainings(found):
    pairs = [(None, "adversarial"), (None, "random"), ("random", "adversarial")]
    assert [study.grid.pairs["perturbation"] for study in found] == pairs
    for study in found:
        assert {len(effects) for effects in study.effects.values()} == {7}
        assert all(one.num_seeds == 6 for _, one in study.all)
        assert not study.without


def test_effects_that_were_put_in_come_out(found):
    against, control, beyond = found
    cost = effect(against, "test accuracy", "activation")
    assert cost.mean == pytest.approx(-0.1)
    assert cost.all_equal  # at all six seeds, which says nothing of their spread
    assert cost.is_clear
    rank = effect(against, "rank", "activation")
    assert rank.low < 6 < rank.high
    # The random flips act on kappa without the rank; against them, so does their absence.
    for study, sign in ((control, 1), (beyond, -1)):
        kappa = effect(study, "judges' kappa", "perturbation")
        assert kappa.mean == pytest.approx(0.3 * sign, abs=0.03)
        assert kappa.p_value == 2**-5
        assert kappa.adjusted_p == pytest.approx(7 * 2**-5)


def test_rank_alone_explains_what_goes_through_it_and_not_what_does_not(found):
    at_equal_rank = {one.outcome: one for one in found[0].at_equal_rank}
    through = at_equal_rank["judges' kappa"]
    assert through.verdict == "rank alone explains it"
    assert through.plain.mean == pytest.approx(0.06, abs=0.03)
    assert -0.25 < through.direct.share_low < through.direct.share_high < 0.25
    accuracy = at_equal_rank["test accuracy"]
    assert accuracy.verdict == "a part is left at equal rank"
    assert accuracy.direct.high < -0.09


@pytest.mark.parametrize(("trainings", "size"), [((None,), 3), ((None, "random"), 7)])
def test_a_grid_with_fewer_levels_is_read_too(script, tmp_path, trainings, size):
    run = open_run(write(tmp_path, trainings=trainings, seeds=range(3), judges=False))
    (study,) = script.effects_of(run).studies
    assert {len(effects) for effects in study.effects.values()} == {size}
    assert "judges' kappa" not in study.effects


def test_ends_with_tables_and_the_same_numbers_as_json(script, tmp_path, monkeypatch, capsys):
    run = write(tmp_path / "run", trainings=(None, "adversarial"), seeds=range(3))
    out = tmp_path / "mitigations"
    monkeypatch.setattr(sys, "argv", ["mitigations.py", str(run), "--out", str(out)])
    script.main()
    printed = capsys.readouterr().out
    assert printed.startswith("## made up")
    assert "; perturbation adversarial instead of " in printed
    assert "| test accuracy | activation | -0.1 | all 3 equal |" in printed
    assert out.with_suffix(".md").read_text() == printed
    text = out.with_suffix(".json").read_text()
    (study,) = json.loads(text, parse_constant=pytest.fail)  # neither NaN nor Infinity is JSON
    assert len(study["rows"]) == 24
    (cost,) = (
        one["mean"]
        for one in study["effects"]
        if one["outcome"] == "test accuracy" and one["factors"] == ["activation"]
    )
    assert cost == pytest.approx(-0.1)


def test_an_unfinished_run_is_named_as_one(script, tmp_path, monkeypatch, capsys):
    run = write(tmp_path, trainings=(None,), seeds=[0, 1])
    (run / "cells/elu-True-None-1/record.json").unlink()
    monkeypatch.setattr(sys, "argv", ["mitigations.py", str(run)])
    script.main()
    printed = capsys.readouterr().out
    # Each factor where the other is as it was.
    assert printed.count("| rank | activation |") == printed.count("| rank | residual |") == 1
    assert "no main effects and interactions of activation and residual, as only" in printed
    (run / "cells/relu-False-None-1/record.json").unlink()
    with pytest.raises(SystemExit, match=r"no setting that differs .* in its 6 cells; .*2 are"):
        script.main()
