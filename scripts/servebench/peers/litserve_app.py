"""A model behind LitServe.

    python litserve_app.py MODEL PORT
"""
import sys

import litserve
import numpy as np
import onnxruntime


class Model(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(sys.argv[1], options)
        self.name = self.session.get_inputs()[0].name

    def decode_request(self, request):
        return np.array(request["instances"], np.float32)

    def predict(self, rows):
        return self.session.run(None, {self.name: rows})[0]

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu", healthcheck_path="/v2/health/ready")
    server.run(host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, log_level="warning", generate_client_file=False)
