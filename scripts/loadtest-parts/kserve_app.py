"""KServe's Python server with one model, over its v1 and v2 protocols.

    python kserve_app.py --http_port N --grpc_port N
"""
import argparse
import uuid

import kserve

import affine


class Affine(kserve.Model):
    def __init__(self):
        super().__init__(affine.NAME)
        self.ready = True

    def get_input_types(self):
        return [{"name": "X", "datatype": "FP32", "shape": [-1, affine.INPUTS]}]

    def get_output_types(self):
        return [{"name": "Y", "datatype": "FP32", "shape": [-1, affine.OUTPUTS]}, {"name": "C", "datatype": "INT64", "shape": [-1, 1]}]

    def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, dict):
            return affine.nested(payload)
        y, c = affine.run(payload.inputs[0].as_numpy())
        outputs = [kserve.InferOutput("Y", list(y.shape), "FP32"), kserve.InferOutput("C", list(c.shape), "INT64")]
        binary = payload.inputs[0].data is None or payload.from_grpc
        for o, values in zip(outputs, (y, c)):
            o.set_data_from_numpy(values, binary_data=binary)
        return kserve.InferResponse(payload.id or str(uuid.uuid4()), affine.NAME, outputs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    parser.parse_args()
    kserve.ModelServer().start([Affine()])
