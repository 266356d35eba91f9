"""statsmodels' exact McNemar, Clopper-Pearson and weighted mean of the rows of an .npz, as one line of JSON."""

import json
import sys

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

rows = np.load(sys.argv[1])
ours, theirs = rows["ours"], rows["theirs"]
table = [[(ours & theirs).sum(), (ours & ~theirs).sum()], [(~ours & theirs).sum(), (~ours & ~theirs).sum()]]
low, high = proportion_confint(int(ours.sum()), len(ours), alpha=0.05, method="beta")
print(
    json.dumps(
        {
            "exact McNemar": float(mcnemar(table, exact=True).pvalue),
            "Clopper-Pearson, low": float(low),
            "Clopper-Pearson, high": float(high),
            "weighted mean": float(DescrStatsW(rows["values"], rows["weights"]).mean),
        }
    )
)
