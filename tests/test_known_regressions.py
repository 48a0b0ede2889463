"""Warnings of slow releases: which, where, and only once."""

import logging

import jax
import pytest

from jmetamer._base import known_regressions
from jmetamer._base.known_regressions import (
    REGRESSIONS,
    regression_warnings,
    regressions_of,
    untold_warnings,
)
from jmetamer.sweep.progress import Terminal


@pytest.mark.parametrize(
    ("version", "platform", "number"),
    [
        ("0.9.1", "gpu", 0),
        ("0.9.2", "gpu", 1),
        ("0.10.1", "gpu", 1),
        ("0.10.2", "gpu", 2),
        ("0.10.2", "cuda", 2),
        ("0.11.0", "gpu", 2),
        ("0.11.0.dev20260701", "gpu", 2),
        ("0.11.1", "gpu", 0),
        ("0.12.0.1", "gpu", 0),
        ("0.10.2", "cpu", 0),
        ("0.10.2", "tpu", 0),
    ],
)
def test_a_release_is_warned_of_where_somebody_measured_it(version, platform, number):
    assert len(regressions_of(version, platform)) == number


def test_every_regression_is_cited_and_says_what_to_do():
    for known in REGRESSIONS:
        assert known.first <= known.last
        assert known.remedy
        assert all(issue.startswith("https://github.com/") for issue in known.issues)


def test_a_warning_is_one_line_with_release_effect_remedy_and_source():
    lines = regression_warnings("gpu", "0.11.0")
    assert not any("\n" in line for line in lines)
    assert lines[0].startswith("warning: jaxlib 0.11.0 on gpu: float32 sums over edges run up to")
    assert "use jaxlib 0.11.1 or later (https://github.com/jax-ml/jax/issues/38806" in lines[0]


@pytest.fixture
def slow_gpu(monkeypatch):
    monkeypatch.setattr(known_regressions, "_warned", set())
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(known_regressions.importlib.metadata, "version", lambda _: "0.10.2")


def test_a_process_is_told_once(slow_gpu):
    assert len(untold_warnings("gpu")) == 2
    assert untold_warnings("gpu") == []


def test_the_greeting_of_a_sweep_warns(slow_gpu, capsys, tmp_path):
    Terminal().greet(tmp_path)
    printed = capsys.readouterr().out
    assert printed.count("warning: jaxlib 0.10.2 on gpu: ") == 2


def test_a_process_without_defects_logs_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        assert untold_warnings("cpu") == []
    assert not caplog.records
