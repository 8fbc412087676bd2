package deploy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/atomicfile"
	"infer/internal/fault"
)

// listName is the file of the folder that names what was written into it, so that the next run knows what is whose.
const listName = ".infer-deploy"

const listHead = "# Written by infer deploy, one file a line. With --force the next run removes those that it does not write again."

// readList returns the paths that an earlier Write put into dir; none where there was none.
func readList(dir string) ([]string, error) {
	body, err := os.ReadFile(filepath.Join(dir, listName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "name another folder with -o", "%w", err)
	}
	var list []string
	for line := range strings.Lines(string(body)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !filepath.IsLocal(filepath.FromSlash(line)) {
			return nil, fault.New(fault.Usage, "remove that line, or name another folder with -o", "%s: %q is no path inside the folder", filepath.Join(dir, listName), line)
		}
		list = append(list, line)
	}
	return list, nil
}

func writeList(dir string, list []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	slices.Sort(list)
	return atomicfile.Write(filepath.Join(dir, listName), func(out io.Writer) error {
		w := bufio.NewWriter(out)
		fmt.Fprintln(w, listHead)
		for _, p := range slices.Compact(list) {
			fmt.Fprintln(w, p)
		}
		return w.Flush()
	})
}

func paths(files []File) []string {
	var list []string
	for _, f := range files {
		list = append(list, f.Path)
	}
	return list
}

// gone returns what is in earlier and not in now.
func gone(earlier, now []string) []string {
	return slices.DeleteFunc(slices.Clone(earlier), func(p string) bool { return slices.Contains(now, p) })
}

// remove removes files of dir, and the folders that get empty by it. It returns those that were there. Nothing outside
// dir is touched, also where a folder in it is a link by now.
func remove(dir string, list []string) (removed []string, err error) {
	if len(list) == 0 {
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	for _, p := range list {
		switch err := root.Remove(filepath.FromSlash(p)); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return removed, fault.Wrap(err, "remove what an earlier run wrote")
		}
		removed = append(removed, p)
		for parent := path.Dir(p); parent != "."; parent = path.Dir(parent) {
			if root.Remove(filepath.FromSlash(parent)) != nil {
				break // something else is in it
			}
		}
	}
	return removed, nil
}
