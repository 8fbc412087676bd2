package library

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// needed returns the symbol versions that an ELF file needs, by library. Nil where it says nothing.
func needed(path string) map[string][]string {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	needs, _ := f.DynamicVersionNeeds() // none: an error too, and no need
	out := map[string][]string{}
	for _, n := range needs {
		for _, v := range n.Needs {
			out[n.Name] = append(out[n.Name], v.Dep)
		}
	}
	return out
}

// imports returns the libraries that an ELF file names as needed.
func imports(path string) []string {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.ImportedLibraries()
	return names
}

// provided returns the symbol versions that an ELF library defines.
func provided(path string) []string {
	f, err := elf.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	versions, _ := f.DynamicVersions()
	var out []string
	for _, v := range versions {
		out = append(out, v.Name)
	}
	return out
}

// newest returns the highest number among the versions with a prefix, "" where there is none: "2.36" of GLIBC_2.36.
func newest(versions []string, prefix string) string {
	best := ""
	for _, v := range versions {
		if n, ok := strings.CutPrefix(v, prefix); ok && n != "" && n[0] >= '0' && n[0] <= '9' && (best == "" || less(best, n)) {
			best = n
		}
	}
	return best
}

// less compares dotted numbers.
func less(a, b string) bool {
	number := func(s string) []int {
		var out []int
		for part := range strings.SplitSeq(s, ".") {
			n, _ := strconv.Atoi(part)
			out = append(out, n)
		}
		return out
	}
	return slices.Compare(number(a), number(b)) < 0
}

// resolve returns the file that the loader takes for a needed library, looking in before first; "" when there is none.
func (o Options) resolve(name string, before []string) string {
	for _, dir := range append(slices.Clone(before), o.loaderDirs()...) {
		path := filepath.Join(dir, name)
		if f, err := elf.Open(path); err == nil {
			same := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[o.goarch] == f.Machine
			f.Close()
			if same {
				return path
			}
		}
	}
	return ""
}

// unresolved returns what an ELF file needs and the loader will not find, looking in more too: libraries, and symbol
// versions of libraries that are here. It looks one step deep. The C library's versions are left to the finding about glibc.
func (o Options) unresolved(path string, more []string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("not a whole ELF library")
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("not a whole ELF library")
	}
	before := append(runPath(f, path), more...)
	needs := needed(path)
	var missing []string
	for _, name := range libraries {
		// provider libraries are opened by the runtime, from its own folder, before those that need them
		if strings.HasPrefix(name, "libonnxruntime") && exists(filepath.Join(filepath.Dir(realPath(path)), name)) {
			continue
		}
		found := o.resolve(name, before)
		if found == "" {
			missing = append(missing, name)
			continue
		}
		have := provided(found)
		for _, v := range needs[name] {
			if len(have) > 0 && !slices.Contains(have, v) && !strings.HasPrefix(v, "GLIBC_") {
				missing = append(missing, v+" of "+name)
			}
		}
	}
	return missing, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// builtin returns the execution providers compiled into the library, beyond "cpu": those whose C++ class has type
// information in the file (Itanium C++ ABI, 5.1.4: the length and the name of the class). The names alone prove
// nothing, every build has them all.
func builtin(ctx context.Context, path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	classes := map[string]string{
		"webgpu": "N11onnxruntime23WebGpuExecutionProviderE", "xnnpack": "N11onnxruntime24XnnpackExecutionProviderE",
		"dnnl": "N11onnxruntime21DnnlExecutionProviderE", "acl": "N11onnxruntime20ACLExecutionProviderE",
	}
	const overlap = 64 // longer than any name
	buffer := make([]byte, overlap+1<<20)
	kept := 0
	var out []string
	for {
		n, err := io.ReadFull(reader{ctx, f}, buffer[kept:])
		chunk := buffer[:kept+n]
		for name, class := range classes {
			if bytes.Contains(chunk, []byte(class)) {
				out = append(out, name)
				delete(classes, name)
			}
		}
		if err != nil {
			slices.Sort(out)
			return out
		}
		kept = copy(buffer, chunk[len(chunk)-overlap:])
	}
}

// hasLocale reports whether glibc has a compiled locale: a folder of that name, or an entry in the locale archive,
// whose header gives offset and length of the names (glibc, locale/locarchive.h).
func (o Options) hasLocale(name string) bool {
	for _, dir := range unique(append(filepath.SplitList(o.env("LOCPATH")), o.rooted("usr/lib/locale"))) {
		if exists(filepath.Join(dir, name, "LC_CTYPE")) || exists(filepath.Join(dir, strings.Replace(name, "utf8", "UTF-8", 1), "LC_CTYPE")) {
			return true
		}
	}
	f, err := os.Open(o.rooted("usr/lib/locale/locale-archive"))
	if err != nil {
		return false
	}
	defer f.Close()
	var header [8]uint32 // magic, serial, hash table (offset, used, size), strings (offset, used, size)
	if err := binary.Read(f, binary.NativeEndian, &header); err != nil {
		return false
	}
	names, err := io.ReadAll(io.NewSectionReader(f, int64(header[5]), min(int64(header[6]), 1<<20)))
	return err == nil && bytes.Contains(append([]byte{0}, names...), []byte("\x00"+name+"\x00"))
}
