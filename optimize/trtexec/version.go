package trtexec

import (
	"fmt"
	"regexp"
	"strconv"
)

// Version is a release of TensorRT.
type Version struct{ Major, Minor, Patch int }

// String returns "10.16.1", and "" for the zero Version.
func (v Version) String() string {
	if v == (Version{}) {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}

// weak reports whether networks of this release take their precision from flags unless they are told not to.
// TensorRT 11 knows no other way than the types of the graph.
func (v Version) weak() bool { return v.Major <= 10 }

var (
	banner  = regexp.MustCompile(`&&&& [A-Z]+ TensorRT\.trtexec \[TensorRT v(\d{4,7})\]`)
	spelled = regexp.MustCompile(`TensorRT version: (\d{1,3})\.(\d{1,3})\.(\d{1,3})`)
)

// readVersion finds the version in what trtexec prints: in the banner, which --help has too, or in the line that
// comes once a device is chosen.
func readVersion(text string) (Version, bool) {
	if m := spelled.FindStringSubmatch(text); m != nil {
		return Version{number(m[1]), number(m[2]), number(m[3])}, true
	}
	m := banner.FindStringSubmatch(text)
	if m == nil {
		return Version{}, false
	}
	n := number(m[1])
	if n < 10000 { // releases before 10 gave the minor version one digit: 8601 is 8.6.1
		return Version{n / 1000, n / 100 % 10, n % 100}, true
	}
	return Version{n / 10000, n / 100 % 100, n % 100}, true
}

// number reads digits that a pattern has matched.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}
