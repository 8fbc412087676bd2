package convert

import (
	"context"
	"maps"

	"infer/internal/fault"
	"infer/model/engine"
)

// levels are the levels of optimization that an ORT file can be stored at, as --ort-level takes them, and what that means
// for where it runs.
var levels = []struct {
	name  string
	level engine.OptLevel
	means string
}{
	{"basic", engine.OptBasic, "operators of ONNX alone; the runtime runs them as they are, and fuses nothing when it loads the file"},
	{"extended", engine.OptExtended, "operators fused to ONNX Runtime's own; it runs on every CPU"},
	{"all", engine.OptAll, "laid out for this CPU: another one may refuse it, or run it slowly"},
}

// ParseLevel reads basic, extended or all.
func ParseLevel(text string) (engine.OptLevel, error) {
	for _, l := range levels {
		if l.name == text {
			return l.level, nil
		}
	}
	return 0, fault.New(fault.Usage, "use basic, extended or all", "--ort-level %q is not known", text)
}

// toORT lets the runtime write the graph that it makes of the model in its own format.
func (c *conversion) toORT(ctx context.Context) error {
	if c.isLarge() {
		return fault.New(fault.Unsupported, "store it as external-data", "the ORT format holds its weights inside and 2 GB at most, and the runtime needs the model in memory twice to write it: %.1f GB are too many",
			float64(c.Model.Bytes())/1e9)
	}
	config := c.Config
	config.OptLevel, config.OptimizedModelPath = c.Level, c.draft.Path()
	config.Entries = map[string]string{"session.save_model_format": "ORT"}
	maps.Copy(config.Entries, c.Config.Entries)
	s, err := c.Provider.Open(ctx, c.Model, config)
	if err != nil {
		return fault.Wrap(err, "write the ORT format")
	}
	if err := s.Close(); err != nil {
		return err
	}
	for _, l := range levels {
		if l.level == c.Level {
			c.note("stored as optimized to level " + l.name + ": " + l.means)
		}
	}
	if c.Level == engine.OptAll {
		c.doc.Warn("the file is laid out for this machine's CPU; --ort-level extended makes one for all")
	}
	return nil
}
