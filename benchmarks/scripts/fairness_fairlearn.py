"""fairlearn's six metrics on the rows of an .npz, as one line of JSON."""

import json
import sys

import numpy as np
from fairlearn import metrics

rows = np.load(sys.argv[1])
known = {"y_true": rows["labels"], "y_pred": rows["scores"] >= 0.5, "sensitive_features": rows["groups"]}
found = {}
for criterion in ("demographic_parity", "equal_opportunity", "equalised_odds"):
    for kind in ("difference", "ratio"):
        theirs = f"{criterion}_{kind}".replace("equalised", "equalized")
        found[f"{criterion}_{kind}"] = float(getattr(metrics, theirs)(**known))
print(json.dumps(found))
