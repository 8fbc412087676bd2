"""A model of Seldon's MLServer."""
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, MetadataTensor

import affine


class Affine(MLModel):
    async def load(self):
        self.inputs = [MetadataTensor(name="X", datatype="FP32", shape=[-1, affine.INPUTS])]
        self.outputs = [MetadataTensor(name="Y", datatype="FP32", shape=[-1, affine.OUTPUTS]), MetadataTensor(name="C", datatype="INT64", shape=[-1, 1])]
        return True

    async def predict(self, payload):
        y, c = affine.run(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [NumpyCodec.encode_output("Y", y), NumpyCodec.encode_output("C", c)]
        return InferenceResponse(model_name=self.name, model_version=self.version, id=payload.id, outputs=outputs)
