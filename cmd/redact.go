package cmd

import (
	"net/url"
	"strings"
)

// secretNames are parts of names of headers whose values are nobody's business: reports are passed on.
var secretNames = []string{"auth", "cookie", "token", "secret", "key", "password", "session"}

// redacted returns the arguments of a command line without the secrets in them: the values of headers that speak of a
// secret, and passwords in URLs.
func redacted(args []string) []string {
	out := make([]string, len(args))
	header := false
	for i, a := range args {
		switch {
		case header:
			a, header = redactHeader(a), false
		case a == "-H" || a == "--header":
			header = true
		case strings.HasPrefix(a, "--header="):
			a = "--header=" + redactHeader(strings.TrimPrefix(a, "--header="))
		case strings.HasPrefix(a, "-H"):
			a = "-H" + redactHeader(a[2:])
		case strings.Contains(a, "://"):
			a = redactURL(a)
		}
		out[i] = a
	}
	return out
}

func redactHeader(line string) string {
	name, value, ok := strings.Cut(line, ":")
	if !ok || strings.TrimSpace(value) == "" {
		return line
	}
	for _, s := range secretNames {
		if strings.Contains(strings.ToLower(name), s) {
			return name + ": …"
		}
	}
	return line
}

// redactURL takes the password out of a URL, which may stand behind a flag and an equals sign.
func redactURL(a string) string {
	before, text := "", a
	if flag, rest, ok := strings.Cut(a, "="); ok && strings.HasPrefix(flag, "--") {
		before, text = flag+"=", rest
	}
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return a
	}
	return before + u.Redacted()
}
