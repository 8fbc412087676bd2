"""A FastAPI app as people write them: a route of its own with a JSON body, and TensorFlow Serving's predict.

    python fastapi_app.py PORT [wrong]
"""
import sys

import fastapi
import numpy as np
import pydantic
import uvicorn

import affine

app = fastapi.FastAPI()
wrong = sys.argv[2:] == ["wrong"]


class Rows(pydantic.BaseModel):
    rows: list[list[float]]


@app.get("/healthz")
def health():
    return {"status": "ok"}


@app.post("/classify")
def classify(rows: Rows):
    y, c = affine.run(np.array(rows.rows, np.float32), wrong)
    return {"scores": y.tolist(), "classes": c.tolist()}


@app.post("/predict")
@app.post("/v1/models/affine:predict")
def predict(body: dict):
    return affine.nested(body, wrong)


@app.get("/v1/models/affine")
def status():
    return {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
