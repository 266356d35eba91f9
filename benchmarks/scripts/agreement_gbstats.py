"""gbstats' variance of a ratio, and theta and variance of a regression-adjusted mean, of an .npz, as one line of JSON."""

import json
import sys

import numpy as np
from gbstats.models.statistics import RatioStatistic, RegressionAdjustedStatistic, SampleMeanStatistic, compute_theta

rows = np.load(sys.argv[1])
x, y = rows["numerators"], rows["denominators"]
ratio = RatioStatistic(
    n=len(x),
    m_statistic=SampleMeanStatistic(n=len(x), sum=x.sum(), sum_squares=(x**2).sum()),
    d_statistic=SampleMeanStatistic(n=len(y), sum=y.sum(), sum_squares=(y**2).sum()),
    m_d_sum_of_products=(x * y).sum(),
)
post, pre = rows["values"], rows["before"]
adjusted = RegressionAdjustedStatistic(
    n=len(post),
    post_statistic=SampleMeanStatistic(n=len(post), sum=post.sum(), sum_squares=(post**2).sum()),
    pre_statistic=SampleMeanStatistic(n=len(pre), sum=pre.sum(), sum_squares=(pre**2).sum()),
    post_pre_sum_of_products=(post * pre).sum(),
    theta=0.0,
)
theta = compute_theta(adjusted, adjusted)
adjusted.theta = theta
print(
    json.dumps(
        {
            "ratio": float(ratio.mean),
            "ratio's variance": float(ratio.variance),
            "CUPED's theta": float(theta),
            "CUPED's variance": float(adjusted.variance),
        }
    )
)
