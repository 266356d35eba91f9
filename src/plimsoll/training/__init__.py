"""TRAINING: runs that happen once, and can happen again.

A run is a step whose inputs are known by digest: data, code, parameters, environment, seed. What was run is not run
again; what is run again gives the same.
"""

from plimsoll.training.environment import code_digest, environment
from plimsoll.training.run import run_key, step
from plimsoll.training.train import Params, train

__all__ = ["Params", "code_digest", "environment", "run_key", "step", "train"]
