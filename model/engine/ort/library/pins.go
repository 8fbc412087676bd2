package library

import (
	"fmt"
	"strings"
)

// download is one file that a source gives for a platform.
type download struct {
	name  string // as the source names it
	sum   string // sha256, hex; "" is not known, and then the download is refused
	bytes int64
	files []member // what is taken out of it, the library first
}

// room returns the bytes of disk that an install takes: clients keep a temporary copy beside the final one.
func (d download) room() uint64 { return uint64(2*d.bytes + d.files[0].bytes) }

// member is one file inside a download.
type member struct {
	entry string // path inside the archive
	name  string // in the cache
	sum   string // sha256, hex
	bytes int64
}

// pinned is what is known about one platform. A source with an empty name has no build for it.
type pinned struct {
	tag                 string // the wheel's platform tag
	wheel, npm, release download
}

// releases is where the project publishes its archives. It is no package registry.
const releases = "https://github.com/microsoft/onnxruntime/releases/download/v" + Pinned + "/"

// pins returns the platforms, by "os/arch", with the sums of their downloads and of the files inside. The sums were
// measured on the published wheels and on the published npm tarball, once, and a change of the release changes all of them.
// The archives on the project's release page have not been measured yet: their sums are empty, so that source is refused
// until someone fills in sum, bytes and the library's sum from a download that can be trusted.
func pins() map[string]pinned {
	npm := func(folder, file, name, sum string, bytes int64) download {
		return download{
			name: "onnxruntime-node-" + Pinned + ".tgz", sum: "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75", bytes: 113507888,
			files: []member{{"package/bin/napi-v6/" + folder + "/" + file, name, sum, bytes}},
		}
	}
	wheel := func(tag, sum string, bytes int64, files ...member) download {
		return download{name: "onnxruntime-" + Pinned + "-cp312-cp312-" + tag + ".whl", sum: sum, bytes: bytes, files: files}
	}
	capi := func(name, sum string, bytes int64) member {
		return member{"onnxruntime/capi/" + name, name, sum, bytes}
	}
	release := func(name, entry, file string) download {
		return download{name: name, files: []member{{entry: strings.TrimSuffix(name, ".tgz") + entry, name: file}}}
	}
	so, dylib, dll := fileName("linux"), fileName("darwin"), fileName("windows")
	const shared = "libonnxruntime_providers_shared.so"
	return map[string]pinned{
		"linux/amd64": {
			tag: "manylinux_2_28_x86_64",
			wheel: wheel("manylinux_2_28_x86_64", "fa688e7891a6aa206636fe7372e27ee75fd17713289f6b4fc7b190e0a7de9328", 23585654,
				capi(so, "c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed", 28985152),
				capi(shared, "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d", 14632)),
			npm:     npm("linux/x64", "libonnxruntime.so.1", so, "ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23", 45828512),
			release: release("onnxruntime-linux-x64-"+Pinned+".tgz", "/lib/"+so, so),
		},
		"linux/arm64": {
			tag: "manylinux_2_28_aarch64",
			wheel: wheel("manylinux_2_28_aarch64", "6c32a000d5139a38ba9349030b0032e3331acb559d596b22738d9d2b343a2b83", 21345202,
				capi(so, "8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789", 25135496),
				capi(shared, "3b6be288fbfb7dff8770d08a23defdde18e8f7e0f5a2b344a0e5e238c999ea88", 198792)),
			npm:     npm("linux/arm64", "libonnxruntime.so.1", so, "1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76", 25135496),
			release: release("onnxruntime-linux-aarch64-"+Pinned+".tgz", "/lib/"+so, so),
		},
		"darwin/arm64": {
			tag: "macosx_14_0_arm64",
			wheel: wheel("macosx_14_0_arm64", "001ed726c9bd5e2bc92faade7d37d889e9606a350b7d5529f0227df2e3bb57fd", 21544867,
				capi(dylib, "b46713ea6a25a5227541c21001f6422c1ccdeaecc369aa026a61b752520325c3", 33209560)),
			npm:     npm("darwin/arm64", dylib, dylib, "685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d", 44589928),
			release: release("onnxruntime-osx-arm64-"+Pinned+".tgz", "/lib/"+dylib, dylib),
		},
		"windows/amd64": {
			tag: "win_amd64",
			wheel: wheel("win_amd64", "f3501472571f1b1eee50e017851e7929f5ea37312d2d8c2494a19e8fc58b4a38", 14311470,
				capi(dll, "e42c5c917207ff706530315177e39dca2539695a6a8d968a22225e34291b1f12", 18446176),
				capi("onnxruntime_providers_shared.dll", "46b999f9d5cd9d284091407e9f50a262624e6a71265fc428a1dfbd42d149bd81", 21856)),
			npm: npm("win32/x64", dll, dll, "508c362f5673483dd3a086379c392795b2e42d10d5e6f3f90ebd7ac21c97af67", 28754232),
		},
		"windows/arm64": {
			npm: npm("win32/arm64", dll, dll, "6c3a2abf5c6aca11c48a0d338a91af309f2266f25ce2e4084e6a87bbcb0fbfd0", 29815136),
		},
	}
}

// libraries returns the pinned library file of every source of the platform.
func (o Options) libraries() []member {
	p := o.pins[o.platform()]
	var out []member
	for _, d := range []download{p.wheel, p.npm, p.release} {
		if d.sum != "" && len(d.files) > 0 {
			out = append(out, d.files[0])
		}
	}
	return out
}

// mismatch is a file that is not the one that was pinned: a broken mirror, a broken disk or something worse. It ends an
// install instead of leading to the next source, because whoever runs the first source has to hear of it.
type mismatch struct {
	name, want, got string
}

func (m *mismatch) Error() string {
	return fmt.Sprintf("%s has sha256 %s, expected %s", m.name, m.got, m.want)
}
