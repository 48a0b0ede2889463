"""The interval of a mean over two crossed samples: by hand and in simulated studies."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from jmetamer._base.errors import InputError
from jmetamer.results import crossed_summary, t_interval

STUDY = Path(__file__).parents[2] / "experiments" / "intervals" / "crossed.py"


def study():
    spec = importlib.util.spec_from_file_location("crossed", STUDY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_by_hand():
    found = crossed_summary([[0.1, 0.5], [0.2, 0.2], [0.6, 0.8]])
    rows, columns = [0.3, 0.2, 0.7], [0.3, 0.5]
    square = sum(
        (stats.t.ppf(0.975, len(means) - 1) * stats.sem(means)) ** 2 for means in (rows, columns)
    )
    expected = (0.4, 0.4 - square**0.5, 0.4 + square**0.5, 3, 2)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_where_one_side_does_not_vary_it_is_students():
    seeds = np.array([0.2, 0.5, 0.3, 0.9])
    table = np.repeat(seeds[:, None], 3, axis=1)
    np.testing.assert_allclose(crossed_summary(table)[1:3], t_interval(seeds))
    np.testing.assert_allclose(crossed_summary(table.T)[1:3], t_interval(seeds))


def test_one_member_of_either_has_no_spread_and_rows_without_values_do_not_count():
    for table in ([[0.1, 0.3]], [[0.1], [0.3]]):
        assert crossed_summary(table)[1:3] == (-np.inf, np.inf)
    found = crossed_summary([[0.1, 0.3], [np.nan, 9.0], [0.2, 0.4]])
    assert found == crossed_summary([[0.1, 0.3], [0.2, 0.4]])
    assert found.num_rows == 2
    assert np.isnan(crossed_summary([[np.nan, 1.0]]).mean)


def test_limits_stay_in_the_range_of_the_quantity():
    found = crossed_summary([[1.0, 0.2], [-0.6, 0.9]], bounds=(-1, 1))
    assert (found.low, found.high) == (-1, 1)


@pytest.mark.parametrize("makers", [3, 6, 9])
def test_it_covers_at_least_what_it_says_whatever_varies(makers):
    of, rng = study(), np.random.default_rng(makers)
    for ratio in of.RATIOS:
        tables = of.studies(rng, of.DRAWS["normal"], 500, makers, 3, ratio)
        low, high = of.crossed(tables)
        # 4 standard errors of a share of 500.
        assert np.mean((low <= 0) & (high >= 0)) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 500), ratio


def test_an_interval_over_makers_alone_does_not_cover_other_judges():
    of, rng = study(), np.random.default_rng(0)
    low, high = of.by_makers(of.studies(rng, of.DRAWS["normal"], 500, 6, 3, (1, 4, 1)))
    assert np.mean((low <= 0) & (high >= 0)) < 0.75


def test_misuse_is_refused():
    for values in ([0.1, 0.2], np.zeros((2, 0)), [[np.inf, 1.0]]):
        with pytest.raises(InputError, match="`values`"):
            crossed_summary(values)
    with pytest.raises(InputError, match="`level`"):
        crossed_summary([[1.0]], level=1.0)


def test_equal_values_say_nothing_about_the_spread():
    found = crossed_summary(np.full((3, 2), 0.3), bounds=(-2, 2))
    assert found == (pytest.approx(0.3), -np.inf, np.inf, 3, 2)
