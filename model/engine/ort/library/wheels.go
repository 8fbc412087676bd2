package library

import (
	"slices"
	"strings"
)

// Wheel is a pinned wheel of ONNX Runtime for one platform.
type Wheel struct {
	Platform string // "linux/amd64"
	SHA256   string // of the wheel, hex
	Library  string // file name of the library, in the wheel's onnxruntime/capi
}

// Wheels returns the pinned wheels for an operating system, sorted by platform: what an image or a lock file of another
// tool can pin too.
func Wheels(goos string) []Wheel {
	var list []Wheel
	for platform, p := range pins() {
		if w := p.wheel; w.sum != "" && strings.HasPrefix(platform, goos+"/") {
			list = append(list, Wheel{Platform: platform, SHA256: w.sum, Library: w.files[0].name})
		}
	}
	slices.SortFunc(list, func(a, b Wheel) int { return strings.Compare(a.Platform, b.Platform) })
	return list
}
