package static

import "infer/model/tensor"

// textRules are operators on strings and encoded images.
func textRules() map[string]rule {
	return map[string]rule{
		"StringConcat":    func(c *call) { c.broadcastAll(tensor.String, 0, 1) },
		"RegexFullMatch":  func(c *call) { c.like(0, 0, tensor.Bool) },
		"TfIdfVectorizer": tfIdf,
		"StringSplit": func(c *call) {
			c.dependent()
			c.open(0, tensor.String)
			c.like(1, 0, tensor.Int64)
			if x, ok := c.dims(0); ok {
				c.put(0, tensor.String, append(append([]dim(nil), x...), unknown)...)
			}
		},
		"StringNormalizer": func(c *call) {
			c.like(0, 0, tensor.String)
			x, ok := c.dims(0)
			if a := c.node.Attr("stopwords"); ok && len(x) > 0 && a != nil && len(a.Strings) > 0 {
				c.dependent()
				c.put(0, tensor.String, append(append([]dim(nil), x[:len(x)-1]...), unknown)...)
			}
		},
		"ImageDecoder": func(c *call) {
			c.dependent()
			channels := fixed(3)
			if c.node.Str("pixel_format", "RGB") == "Grayscale" {
				channels = fixed(1)
			}
			c.put(0, tensor.Uint8, unknown, unknown, channels)
		},
	}
}

// tfIdf counts n-grams: as many outputs as the highest index of one says.
func tfIdf(c *call) {
	x, ok := c.dims(0)
	list := c.node.Ints("ngram_indexes")
	if !ok || len(x) == 0 || len(x) > 2 || len(list) == 0 {
		return
	}
	last := int64(0)
	for _, i := range list {
		last = max(last, i)
	}
	c.put(0, tensor.Float32, append(append([]dim(nil), x[:len(x)-1]...), add(fixed(last), fixed(1)))...)
}
