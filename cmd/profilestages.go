package cmd

import (
	"infer/internal/child"
	"infer/internal/fault"
	"infer/profile"
)

// addCommands lets a profile measure the commands of --pre and --post, in place of what is declared. One that cannot be
// started is told now, not after the model was measured.
func (f *profileFlags) addCommands(t *profile.Target) error {
	for _, c := range []struct{ flag, command string }{{"--pre", f.pre}, {"--post", f.post}} {
		if c.command == "" {
			continue
		}
		if err := (child.Spec{Command: c.command}).Validate(); err != nil {
			return fault.Wrap(err, "%s", c.flag)
		}
	}
	t.PreCommand, t.PostCommand = f.pre, f.post
	return nil
}
