// Package rest owns the HTTP front end: the Open Inference Protocol v2, TensorFlow Serving's and TorchServe's REST
// forms, the plain /predict, the administration of models, the access log and the limits. It is the only home of fasthttp.
package rest
