// Package declared owns MODEL.io.yaml: how an image or a text becomes the tensors of a model, and what its outputs
// mean (labels, top-k).
package declared
