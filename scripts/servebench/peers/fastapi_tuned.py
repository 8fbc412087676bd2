"""A model behind FastAPI as fast as it can be written in one process: no pydantic, orjson, on the event loop, one thread.

    python fastapi_tuned.py MODEL PORT
"""
import sys

import numpy as np
import onnxruntime
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
name = session.get_inputs()[0].name
app = FastAPI()


@app.get("/v2/health/ready")
async def ready():
    return Response(b"{}")


@app.post("/predict")
async def predict(request: Request):
    rows = np.array(orjson.loads(await request.body())["instances"], np.float32)
    answer = {"predictions": session.run(None, {name: rows})[0]}
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", loop="uvloop", http="httptools", access_log=False)
