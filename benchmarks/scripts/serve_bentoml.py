"""The peer BentoML: one worker, adaptive batching, the same ONNX graph. ``serve_bentoml.py MODEL PORT``; serves until it
is told to stop. POST /predict with {"rows": [[…20 numbers…]]}."""

import os
import sys
from pathlib import Path

import numpy as np

MODEL = os.environ.get("BENCH_MODEL", "")

import bentoml  # noqa: E402


@bentoml.service(workers=1, traffic={"timeout": 30}, metrics={"enabled": True}, logging={"access": {"enabled": False}})
class Forest:
    """100 trees over 20 features, under onnxruntime with one thread."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=1000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.input: rows.astype(np.float32)})[-1]


if __name__ == "__main__":
    model, port = sys.argv[1:3]
    os.environ["BENCH_MODEL"] = model
    folder = Path(__file__).resolve().parent
    os.chdir(folder)
    words = [sys.executable, "-m", "bentoml", "serve", "serve_bentoml:Forest", "--port", port, "--host", "127.0.0.1"]
    os.execv(sys.executable, words)
