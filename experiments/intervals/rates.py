"""How often does the interval of a rate over networks cover the mean rate? See README.md.

python experiments/intervals/rates.py      # 8 s of one core

Every row is 2,000 studies of 64 metamers a network. Rates of networks are drawn with standard
deviation 0.1: from a beta distribution, or from a normal one truncated to [0, 1]. "pooled" is
Wilson's interval over all metamers as if they came from one network, "t" Student's over the shares
of the networks, "ours" `jmetamer.results.rate_interval`. What was seen is in README.md.
"""

import numpy as np
from scipy import stats

from jmetamer.results import rate_interval, t_interval, wilson_interval

STUDIES, METAMERS, SPREAD = 2000, 64, 0.1


def main() -> None:
    print("| rates | networks | mean rate | pooled | t | ours |\n|---|---|---|---|---|---|")
    generator = np.random.default_rng(0)
    for law in ("beta", "truncated normal"):
        for networks in (2, 3, 6, 21):
            for mean in (0.5, 0.8, 0.9):
                rates, truth = drawn(law, mean, networks, generator)
                counts = generator.binomial(METAMERS, rates)
                totals = [METAMERS] * networks
                ours = np.array([rate_interval(study, totals) for study in counts.tolist()]).T
                pooled = np.array([wilson_interval(n, sum(totals)) for n in counts.sum(1)]).T
                each = (pooled, t_interval(counts / METAMERS), ours)
                shares = (np.mean((low <= truth) & (truth <= high)) for low, high in each)
                told = " | ".join(f"{100 * share:.1f}" for share in shares)
                print(f"| {law} | {networks} | {truth:.2f} | {told} |", flush=True)


def drawn(
    law: str, mean: float, networks: int, generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Return rates [studies, networks] and their true mean."""
    shape = STUDIES, networks
    if law == "beta":
        size = mean * (1 - mean) / SPREAD**2 - 1
        return generator.beta(mean * size, (1 - mean) * size, shape), mean
    normal = stats.truncnorm(-mean / SPREAD, (1 - mean) / SPREAD, mean, SPREAD)
    return normal.rvs(shape, random_state=generator), float(normal.mean())


if __name__ == "__main__":
    main()
