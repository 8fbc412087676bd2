package cmd

import (
	"strings"

	"infer/internal/fault"
	"infer/profile"
)

// addCommands lets a profile measure the commands of --pre and --post, in place of what is declared.
func (f *profileFlags) addCommands(t *profile.Target) error {
	for _, c := range []struct {
		flag, command string
		to            *string
	}{{"pre", f.pre, &t.PreCommand}, {"post", f.post, &t.PostCommand}} {
		if c.command != "" && strings.TrimSpace(c.command) == "" {
			return fault.New(fault.Usage, "give a command, such as --"+c.flag+" 'python3 "+c.flag+".py'", "--%s is blank", c.flag)
		}
		*c.to = c.command
	}
	return nil
}
