"""ranx' ranking metrics of the candidates of an .npz (none tied, every query with something to find), as one line of JSON."""

import json
import sys

import numpy as np
from ranx import Qrels, Run, evaluate

rows = np.load(sys.argv[1])
relevant, scored = {}, {}
for i, (query, score, grade) in enumerate(zip(rows["queries"], rows["scores"], rows["grades"], strict=True)):
    scored.setdefault(f"q{query}", {})[f"d{i}"] = float(score)
    if grade > 0:
        relevant.setdefault(f"q{query}", {})[f"d{i}"] = int(grade)
found = evaluate(Qrels(relevant), Run(scored), ["ndcg", "ndcg@5", "mrr", "recall@5", "map", "map@5"])
print(json.dumps({name: float(value) for name, value in found.items()}))
