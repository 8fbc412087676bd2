"""A model behind FastAPI as it is usually written: a pydantic body, a plain function, lists.

    python fastapi_plain.py MODEL PORT
"""
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

session = onnxruntime.InferenceSession(sys.argv[1])
name = session.get_inputs()[0].name
app = FastAPI()


class Body(BaseModel):
    instances: list


@app.get("/v2/health/ready")
def ready():
    return {"ready": True}


@app.post("/predict")
def predict(body: Body):
    return {"predictions": session.run(None, {name: np.array(body.instances, np.float32)})[0].tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
