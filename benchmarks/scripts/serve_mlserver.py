"""The peer MLServer: the same ONNX graph in a runtime of its own, no process hop. ``serve_mlserver.py MODEL HTTP_PORT
GRPC_PORT BATCH``; serves until it is told to stop. ``BATCH`` is 0 (no adaptive batching) or the largest batch."""

import json
import os
import sys
import tempfile
from pathlib import Path

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Forest(MLModel):
    """100 trees over 20 features, under onnxruntime with one thread."""

    async def load(self) -> bool:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            self.settings.parameters.uri, options, providers=["CPUExecutionProvider"]
        )
        self.input = self.session.get_inputs()[0].name
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0]).astype("float32")
        scores = self.session.run(None, {self.input: rows})[-1]
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probabilities", scores)])


def main(model: str, http_port: str, grpc_port: str, batch: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="mlserver-"))
    server = {"http_port": int(http_port), "grpc_port": int(grpc_port), "metrics_port": int(http_port) + 2}
    server |= {"host": "127.0.0.1", "parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(server))
    settings = {"name": "forest", "implementation": "serve_mlserver.Forest", "parameters": {"uri": model}}
    if int(batch):
        settings |= {"max_batch_size": int(batch), "max_batch_time": 0.001}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    os.execv(Path(sys.executable).with_name("mlserver"), ["mlserver", "start", str(folder)])


if __name__ == "__main__":
    main(*sys.argv[1:5])
