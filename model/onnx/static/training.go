package static

// trainingRules are losses and optimizers.
func trainingRules() map[string]rule {
	const preview = "ai.onnx.preview.training:"
	return map[string]rule{
		"NegativeLogLikelihoodLoss": func(c *call) { c.loss(1) },
		"SoftmaxCrossEntropyLoss": func(c *call) {
			c.loss(1)
			c.like(1, 0, c.dtype(0))
		},
		preview + "Adagrad": optimizer(2), preview + "Momentum": optimizer(2), preview + "Adam": optimizer(3),
	}
}

// loss is a scalar, or one for each element of the targets, input i.
func (c *call) loss(i int) {
	if c.node.Str("reduction", "mean") == "none" {
		c.like(0, i, c.dtype(0))
	} else {
		c.put(0, c.dtype(0))
	}
}

// optimizer has the rate and the count, then groups of n tensors: values, gradients and the states. It returns all
// groups but the gradients, where there are this many.
func optimizer(groups int) rule {
	return func(c *call) {
		n := (len(c.in) - 2) / (groups + 1)
		if n < 1 || (len(c.in)-2)%(groups+1) != 0 {
			c.invalid()
			return
		}
		for i := range c.out {
			from := 2 + i
			if i >= n {
				from += n
			}
			c.like(i, from, c.dtype(from))
		}
	}
}
