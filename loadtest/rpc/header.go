package rpc

import (
	"strings"

	"google.golang.org/grpc/metadata"

	"infer/internal/fault"
)

// header makes the metadata of calls from header fields, whose names may be in any case.
func (t *Target) header(fields map[string][]string) error {
	t.agent = "infer-loadtest"
	for field, values := range fields {
		name := strings.ToLower(field)
		if err := check(name, values); err != nil {
			return err
		}
		switch name {
		case "user-agent":
			t.agent = strings.Join(values, " ")
		case "host":
			t.authority = strings.Join(values, "")
		default:
			if t.metadata == nil {
				t.metadata = metadata.MD{}
			}
			t.metadata.Append(name, values...)
		}
	}
	return nil
}

// check refuses what gRPC would refuse on every call, or leave out without a word.
func check(name string, values []string) error {
	switch {
	case name == "", strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
		return fault.New(fault.Usage, "names have letters, digits and -_. only", "header %q cannot be sent over gRPC", name)
	case strings.HasPrefix(name, "grpc-"), name == "content-type", name == "te", name == "connection", name == "transfer-encoding", name == "content-length":
		return fault.New(fault.Usage, "leave it out", "header %q is gRPC's own", name)
	}
	for _, v := range values {
		for _, c := range []byte(v) {
			if (c < ' ' || c > '~') && !strings.HasSuffix(name, "-bin") {
				return fault.New(fault.Usage, "values are printable ASCII; those of names that end in -bin may be anything", "header %q cannot be sent over gRPC", name)
			}
		}
	}
	return nil
}
