package baseline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"infer/internal/fault"
	"infer/report"
)

// gitFile is a file in the tree of a git ref, in the repository around the current folder. It is read and written by git's
// plumbing: the work tree and the index stay as they are. What is added stays in this repository until the user pushes it.
type gitFile struct {
	ref  string // as typed
	path string // clean, with slashes, from the root of the tree
}

// parseGit reads what follows "git:".
func parseGit(spec string) (gitFile, error) {
	ref, file, has := strings.Cut(spec, ":")
	if !has {
		file = "baseline.jsonl"
	}
	g := gitFile{ref, file}
	odd := func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`~^?*[\`, r)
	}
	if ref == "" || ref[0] == '-' || strings.ContainsFunc(ref, odd) || strings.Contains(ref, "..") || strings.Contains(ref, "@{") {
		return g, fault.New(fault.Usage, hintSpec, "%q is not the name of a git ref", ref)
	}
	inGit := func(part string) bool { return strings.EqualFold(part, ".git") }
	switch parts := strings.Split(file, "/"); {
	case file == "", path.IsAbs(file), path.Clean(file) != file, parts[0] == "..", file == ".",
		strings.ContainsFunc(file, unicode.IsControl), strings.Contains(file, `\`), slices.ContainsFunc(parts, inGit):
		return g, fault.New(fault.Usage, "give a path from the root of the tree, such as perf/baseline.jsonl", "%q is not a plain path in a git tree", file)
	case path.Ext(file) != ".json" && path.Ext(file) != ".jsonl":
		return g, fault.New(fault.Usage, "give a path that ends in .jsonl, or in .json for one document", "%q has no ending of a baseline", file)
	}
	return g, nil
}

func (g gitFile) where() string { return "git:" + g.ref + ":" + g.path }

func (g gitFile) read() ([]Run, error) {
	commit, err := g.commit()
	if err != nil {
		return nil, err
	}
	if commit == "" {
		return nil, fault.New(fault.Usage, hintFirst, "%w", absent{"this git repository has no ref " + g.ref})
	}
	return g.at(commit)
}

// commit is what the ref points to, "" where there is no such ref.
func (g gitFile) commit() (string, error) {
	if _, err := runGit(nil, nil, "rev-parse", "--git-dir"); err != nil {
		return "", err
	}
	// The ref is read once: between two looks somebody else may make or move it.
	id, err := runGit(nil, nil, "rev-parse", "--verify", "--quiet", g.ref)
	var failed *gitError
	if errors.As(err, &failed) && failed.code == 1 {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	out, err := runGit(nil, nil, "rev-parse", "--verify", "--quiet", strings.TrimSpace(id)+"^{commit}")
	if errors.As(err, &failed) && failed.code == 1 {
		return "", fault.New(fault.Usage, hintSpec, "git ref %s is not a commit", g.ref)
	}
	return strings.TrimSpace(out), err
}

// at reads the file in the tree of a commit.
func (g gitFile) at(commit string) ([]Run, error) {
	out, err := runGit(nil, nil, "ls-tree", "--full-tree", "-z", commit, "--", g.path)
	if err != nil {
		return nil, err
	}
	entry, _, _ := strings.Cut(out, "\t")
	switch f := strings.Fields(entry); {
	case len(f) == 0:
		return nil, fault.New(fault.Usage, hintFirst, "%w", absent{fmt.Sprintf("git ref %s has no file %s", g.ref, g.path)})
	case len(f) != 3 || f[1] != "blob" || f[0] == "120000":
		return nil, fault.New(fault.Usage, hintSpec, "%s of git ref %s is not a file", g.path, g.ref)
	default:
		b, err := runGit(nil, nil, "cat-file", "blob", f[2])
		if err != nil {
			return nil, err
		}
		return decode(g.where(), []byte(b))
	}
}

// tries is how often an addition is begun anew because somebody else added at the same moment.
const tries = 30

// add commits the file with the run and moves the ref from the commit that was read to the new one, or, where somebody
// else has moved it meanwhile, begins anew.
func (g gitFile) add(r Run, keep int) error {
	ref, err := g.fullRef()
	if err != nil {
		return err
	}
	var moved error
	for try := range tries {
		old, err := g.commit()
		if err != nil {
			return err
		}
		next, err := g.commitWith(old, r, keep)
		if err != nil || next == "" {
			return err
		}
		_, moved = runGit(nil, nil, "update-ref", "-m", "infer: accept a run", ref, next, old) // "" for old: there is no such ref yet
		if moved == nil {
			return nil
		}
		if now, err := g.commit(); err != nil || now == old && !strings.Contains(moved.Error(), "lock") {
			return moved
		}
		time.Sleep(time.Duration(rand.N(10*(try+1))) * time.Millisecond)
	}
	return fault.New(fault.Internal, "try again; where no other git runs, remove the .lock file that one left", "git ref %s could not be moved in %d tries: %w", g.ref, tries, moved)
}

// commitWith makes a commit on old ("" for none) with the run in the file, and returns "" where nothing changes.
func (g gitFile) commitWith(old string, r Run, keep int) (string, error) {
	var runs []Run
	if old != "" {
		var err error
		if runs, err = g.at(old); err != nil && !errors.As(err, &absent{}) {
			return "", err
		}
	}
	text, err := encode(g.path, runs, r, keep)
	if err != nil {
		return "", err
	}
	tree, err := g.tree(old, text)
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", tree, "-F", "-"}
	if old != "" {
		if before, err := runGit(nil, nil, "rev-parse", old+"^{tree}"); err != nil || strings.TrimSpace(before) == tree {
			return "", err
		}
		args = append(args, "-p", old)
	}
	out, err := runGit(identity(), []byte(message(r.Document)), args...)
	return strings.TrimSpace(out), err
}

// tree is that of commit old with text as the file. It is made in an index of its own, not in the user's.
func (g gitFile) tree(old string, text []byte) (string, error) {
	blob, err := runGit(nil, text, "hash-object", "-w", "--stdin")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "infer-baseline-")
	if err != nil {
		return "", fmt.Errorf("a temporary index for git: %w", err)
	}
	defer os.RemoveAll(dir)
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if old != "" {
		if _, err := runGit(env, nil, "read-tree", old); err != nil {
			return "", err
		}
	}
	if _, err := runGit(env, nil, "update-index", "--add", "--cacheinfo", "100644,"+strings.TrimSpace(blob)+","+g.path); err != nil {
		return "", err
	}
	tree, err := runGit(env, nil, "write-tree")
	return strings.TrimSpace(tree), err
}

// fullRef is the ref to move: one under refs/ that nobody has checked out, since the work tree of a branch that moves
// under it looks as if the baseline had been deleted from it.
func (g gitFile) fullRef() (string, error) {
	out, err := runGit(nil, nil, "rev-parse", "--symbolic-full-name", "--verify", "--quiet", g.ref)
	ref := strings.TrimSpace(out)
	var failed *gitError
	switch {
	case errors.As(err, &failed) && failed.code == 1:
		ref = g.ref // not there yet
	case err != nil:
		return "", err
	}
	const hint = "give a ref of its own, such as git:refs/infer/baseline"
	if strings.HasPrefix(ref, "refs/remotes/") {
		return "", fault.New(fault.Usage, hint, "no run can be added to git ref %q: the next fetch would take it away again", g.ref)
	}
	if _, err := runGit(nil, nil, "check-ref-format", ref); err != nil || !strings.HasPrefix(ref, "refs/") || strings.HasPrefix(ref, "refs/tags/") {
		return "", fault.New(fault.Usage, hint, "no run can be added to git ref %q: it is neither a branch that is there nor under refs/", g.ref)
	}
	worktrees, err := runGit(nil, nil, "worktree", "list", "--porcelain")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(worktrees) {
		if strings.TrimSpace(line) == "branch "+ref {
			return "", fault.New(fault.Usage, hint, "no run can be added to git ref %q: it is the branch that is checked out", g.ref)
		}
	}
	return ref, nil
}

// message is that of the commit which adds d.
func message(d *report.Document) string {
	text := fmt.Sprintf("infer: accept a %s run of %s\n", d.Kind, d.Created.UTC().Format(time.RFC3339))
	for i, a := range acceptances(d) {
		if i == 0 {
			text += "\n"
		}
		text += strings.Join(strings.Fields(a.Metric+": "+a.Reason), " ") + "\n"
	}
	return text
}
