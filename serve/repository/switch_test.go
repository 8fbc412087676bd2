package repository

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

// publishVersion makes a version appear at once, as a careful user does.
func publishVersion(t testing.TB, v float32, dir string, version int) {
	t.Helper()
	save(t, plus(v), dir, ".new", modelStem+".onnx")
	if err := os.Rename(filepath.Join(dir, ".new"), filepath.Join(dir, fmt.Sprint(version))); err != nil {
		t.Fatal(err)
	}
}

// TestReloadUnderLoad switches through versions while calls go on: none fails, each gets the answer of the version that
// took it, the versions only grow, and the old ones are freed.
func TestReloadUnderLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	publishVersion(t, 1, dir, 1)
	seen := watchEvents()
	r := serve(t, Options{Watch: 2 * time.Millisecond, Observer: seen}, dir)
	seen.await(t, "ready", "1")
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			last := float32(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				added, by := ask(t, r, "m", "", "")
				if fmt.Sprint(added) != by || added < last {
					t.Errorf("version %s added %v after %v", by, added, last)
					return
				}
				last = added
			}
		})
	}
	for v := 2; v <= 6; v++ {
		publishVersion(t, float32(v), dir, v)
		seen.await(t, "switch", fmt.Sprint(v))
		seen.await(t, "unload", fmt.Sprint(v-1))
	}
	close(stop)
	clients.Wait()
	if v, err := r.Versions("m"); err != nil || len(v) != 1 || v[0] != "6" {
		t.Errorf("versions %v, %v", v, err)
	}
}

// TestBrokenVersion: what does not load is not taken, is said in the index, and is tried again when its files change.
func TestBrokenVersion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	publishVersion(t, 1, dir, 1)
	seen := watchEvents()
	r := serve(t, Options{Watch: 2 * time.Millisecond, Observer: seen}, dir)
	lay(t, dir, "2/model.onnx") // no model
	if e := seen.await(t, "failed", "2"); e.Err == nil {
		t.Error("an event without the reason")
	}
	if added, by := ask(t, r, "m", "", ""); added != 1 || by != "1" || !r.Ready() {
		t.Errorf("version %s adds %v, ready %v", by, added, r.Ready())
	}
	index := r.Index()
	if len(index) != 2 || index[0].State != stateReady || index[1].State != stateUnavailable || !strings.Contains(index[1].Reason, "ONNX model") {
		t.Errorf("index %+v", index)
	}
	if ok, err := r.ModelReady("m", "2"); ok || err != nil {
		t.Errorf("version 2 ready: %v, %v", ok, err)
	}
	if _, err := r.Acquire("m", "2", ""); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("version 2: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "2", modelStem+".onnx")); err != nil {
		t.Fatal(err)
	}
	save(t, plus(2), dir, "2", modelStem+".onnx")
	seen.await(t, "switch", "2")
	if added, _ := ask(t, r, "m", "", ""); added != 2 {
		t.Errorf("it adds %v", added)
	}
	if err := os.RemoveAll(filepath.Join(dir, "2")); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "switch", "1") // the version before comes back, and then goes the one that was deleted
	seen.await(t, "unload", "2")
	if added, _ := ask(t, r, "m", "", ""); added != 1 {
		t.Errorf("it adds %v", added)
	}
}

// TestFlatFile is replaced in place, by a rename and by a link as Kubernetes does.
func TestFlatFile(t *testing.T) {
	dir := t.TempDir()
	save(t, plus(1), dir, "..1", "m.onnx")
	save(t, plus(2), dir, "..2", "m.onnx")
	link := func(to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, "..tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	link("..1")
	if err := os.Symlink("..data/m.onnx", filepath.Join(dir, "m.onnx")); err != nil {
		t.Fatal(err)
	}
	seen := watchEvents()
	r := serve(t, Options{Watch: 2 * time.Millisecond, Observer: seen}, dir)
	link("..2")
	seen.await(t, "switch", "1")
	if added, by := ask(t, r, "m", "", ""); added != 2 || by != "1" {
		t.Errorf("version %s adds %v", by, added)
	}
	save(t, plus(3), dir, "..3", "m.onnx")
	if err := os.Rename(filepath.Join(dir, "..3", "m.onnx"), filepath.Join(dir, "m.onnx")); err != nil {
		t.Fatal(err)
	}
	seen.await(t, "switch", "1")
	if added, _ := ask(t, r, "m", "", ""); added != 3 {
		t.Errorf("it adds %v", added)
	}
}

// TestRemoved: a model whose files were removed is unloaded, and neither listed nor waited for any more; what lies beside
// it, and a folder that cannot be read, is left alone.
func TestRemoved(t *testing.T) {
	dir := t.TempDir()
	save(t, plus(1), dir, "flat.onnx")
	save(t, plus(2), dir, "stays.onnx")
	publishVersion(t, 3, filepath.Join(dir, "versions"), 1)
	publishVersion(t, 4, filepath.Join(dir, "locked"), 1)
	seen := watchEvents()
	var log safeLog
	r := serve(t, Options{Watch: 2 * time.Millisecond, Observer: seen, Log: slog.New(slog.NewTextHandler(&log, nil))}, dir)
	held, err := r.Acquire("flat", "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "locked"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "locked"), 0o700) })
	for _, path := range []string{"flat.onnx", "versions"} {
		if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	if e := seen.await(t, "unload", "1"); e.Model != "versions" {
		t.Errorf("%s was freed", e.Model)
	}
	held.Release()
	if e := seen.await(t, "unload", "1"); e.Model != "flat" {
		t.Errorf("%s was freed", e.Model)
	}
	if _, err := r.Acquire("flat", "", ""); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the removed model: %v", err)
	}
	if i := r.Index(); len(i) != 2 || i[0].Name != "locked" || i[1].Name != "stays" || !r.Ready() {
		t.Errorf("index %+v, ready %v", i, r.Ready())
	}
	if text := log.String(); !strings.Contains(text, "its files are gone\" model=flat") {
		t.Errorf("the log:\n%s", text)
	}
	if added, _ := ask(t, r, "locked", "", ""); added != 4 {
		t.Errorf("it adds %v", added)
	}
}

// TestReadyNeedsAModel: a server of which no model serves is not ready, unless models are loaded on request.
func TestReadyNeedsAModel(t *testing.T) {
	dir, seen := t.TempDir(), watchEvents()
	r := serve(t, Options{Watch: 2 * time.Millisecond, Observer: seen}, dir)
	for _, step := range []struct {
		do, await string
		ready     bool
	}{{"nothing", "", false}, {"broken", "failed", false}, {"good", "ready", true}, {"removed", "unload", false}} {
		var err error
		switch step.do {
		case "broken":
			err = os.WriteFile(filepath.Join(dir, "broken.onnx"), []byte("broken"), 0o600)
		case "good":
			save(t, plus(1), dir, "good.onnx")
		case "removed":
			err = os.Remove(filepath.Join(dir, "good.onnx"))
		}
		if err != nil {
			t.Fatal(err)
		}
		if step.await != "" {
			seen.await(t, step.await, "1")
		}
		if got := r.Ready(); got != step.ready {
			t.Errorf("%s: ready %v", step.do, got)
		}
	}
	if !serve(t, Options{Explicit: true}, t.TempDir()).Ready() {
		t.Error("a server that waits for a load is not ready")
	}
}

// TestGoneForAMoment: one look that finds a model, a version or a whole folder missing changes nothing.
func TestGoneForAMoment(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "models")
	save(t, plus(1), dir, "flat.onnx")
	publishVersion(t, 1, filepath.Join(dir, "m"), 1)
	publishVersion(t, 2, filepath.Join(dir, "m"), 2)
	r := serve(t, Options{}, dir)
	w := watcher{looked: time.Now(), seen: map[string]string{}}
	look := func(want string) {
		t.Helper()
		r.refresh(t.Context(), &w)
		var names []string
		for _, s := range r.Index() {
			if s.State == stateReady {
				names = append(names, s.Name+s.Version)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s serve, want %s", got, want)
		}
	}
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(root, from), filepath.Join(root, to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"models/flat.onnx", "models/m/2", "models/m", "models"} {
		move(path, "aside")
		look("flat1 m2")
		move("aside", path)
		look("flat1 m2")
	}
	move("models", "aside")
	look("flat1 m2")
	look("flat1 m2")
	look("flat1 m2") // a folder that cannot be read says nothing
	move("aside", "models")
	move("models/m/2", "aside")
	look("flat1 m2")
	look("flat1 m1")
	move("models/m", "gone")
	look("flat1 m1")
	look("flat1")
}

// safeLog is a log that goroutines write to.
type safeLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *safeLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestComplete: a version is taken up only when nobody writes it any more.
func TestComplete(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(print string, s int) file {
		return file{path: "p", print: print, newest: start.Add(time.Duration(s) * time.Second)}
	}
	w := watcher{looked: start, seen: map[string]string{}}
	for i, c := range []struct {
		f    file
		want bool
	}{
		{at("old", -1), true},   // finished before the last look: renamed
		{at("half", 1), false},  // being written
		{at("more", 2), false},  // still
		{at("more", 2), true},   // as it was
		{at("again", 3), false}, // changed again
	} {
		if got := w.complete(c.f); got != c.want {
			t.Errorf("look %d: %v", i, got)
		}
	}
}

// TestDrain: a version that was switched away lives as long as somebody holds it.
func TestDrain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	publishVersion(t, 1, dir, 1)
	f := &enginetest.Fake{}
	seen := watchEvents()
	r := serve(t, Options{Provider: f, Explicit: true, Observer: seen}, dir)
	h, err := r.Acquire("m", "", "")
	if err != nil {
		t.Fatal(err)
	}
	publishVersion(t, 2, dir, 2)
	if err := r.Load(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	if f.Sessions() != 2 {
		t.Errorf("%d sessions with the old version held", f.Sessions())
	}
	if i := r.Index(); len(i) != 2 || i[0].State != stateUnloading || i[1].State != stateReady {
		t.Errorf("index %+v", i)
	}
	c := NewCall()
	c.Inputs = []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 2}, 10, 20)}
	if err := h.Infer(t.Context(), c); err != nil {
		t.Errorf("a call of the old version: %v", err)
	}
	c.Free()
	h.Release()
	seen.await(t, "unload", "1")
	if f.Sessions() != 1 {
		t.Errorf("%d sessions", f.Sessions())
	}
}

// TestLoadUnload goes through the model repository extension.
func TestLoadUnload(t *testing.T) {
	dir := t.TempDir()
	save(t, plus(1), dir, "m.onnx")
	r := serve(t, Options{Explicit: true}, dir)
	if err := r.Load(t.Context(), "n"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a model that is not there: %v", err)
	}
	save(t, plus(2), dir, "n.onnx")
	if err := r.Load(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	if added, _ := ask(t, r, "n", "", ""); added != 2 {
		t.Errorf("it adds %v", added)
	}
	before := mustHold(t, r, "n").Info()
	if err := r.Load(t.Context(), "n"); err != nil || mustHold(t, r, "n").Info() != before {
		t.Errorf("loading what has not changed: %v", err)
	}
	if err := r.Unload(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Acquire("m", "", ""); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "unloaded") {
		t.Errorf("after Unload: %v", err)
	}
	if ok, err := r.ModelReady("m", ""); ok || err != nil || !r.Ready() {
		t.Errorf("model ready %v, %v; ready %v", ok, err, r.Ready())
	}
	if i := r.Index(); len(i) != 2 || i[0].State != stateUnavailable || i[0].Reason != "unloaded" {
		t.Errorf("index %+v", i)
	}
	if err := r.Load(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	ask(t, r, "m", "", "")
	if err := r.Unload(t.Context(), "o"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("unload of an unknown model: %v", err)
	}
	if err := serve(t, Options{}, dir).Load(t.Context(), "m"); fault.KindOf(err) != fault.Denied {
		t.Errorf("Load without Explicit: %v", err)
	}
}

// mustHold returns the version that serves, given back at once: for comparing.
func mustHold(t testing.TB, r *Repository, name string) *Handle {
	t.Helper()
	h, err := r.Acquire(name, "", "")
	if err != nil {
		t.Fatal(err)
	}
	h.Release()
	return h
}

// TestSplit: each version gets its part, the same key the same version, and one call rolls back.
func TestSplit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	for v := 1; v <= 3; v++ {
		publishVersion(t, float32(v), dir, v)
	}
	r := serve(t, Options{Models: map[string]ModelOptions{"m": {Split: map[string]int{"1": 95, "2": 5}, Sticky: "X-User"}}}, dir)
	counted := func(n int, key func(i int) string) map[string]int {
		got := map[string]int{}
		for i := range n {
			got[drawn(t, r, key(i))]++
		}
		return got
	}
	none := func(int) string { return "" }
	if got := counted(200, none); got["1"] != 190 || got["2"] != 10 {
		t.Errorf("without a key: %v", got)
	}
	users := func(i int) string { return fmt.Sprint("user ", i) }
	if got := counted(4000, users); got["2"] < 140 || got["2"] > 260 || got["3"] != 0 { // 200 ± 4.4 standard deviations
		t.Errorf("by user: %v", got)
	}
	for i := range 100 {
		if a, b := drawn(t, r, users(i)), drawn(t, r, users(i)); a != b {
			t.Errorf("%s: version %s, then %s", users(i), a, b)
		}
	}
	if _, by := ask(t, r, "m", "3", ""); by != "3" {
		t.Errorf("version 3 asked for, %s answered", by)
	}
	if r.Sticky("m") != "X-User" {
		t.Errorf("sticky header %q", r.Sticky("m"))
	}
	if err := r.SetSplit("m", map[string]int{"1": 100}); err != nil {
		t.Fatal(err)
	}
	if got := counted(100, none); got["1"] != 100 {
		t.Errorf("rolled back: %v", got)
	}
	if v, err := r.Versions("m"); err != nil || strings.Join(v, " ") != "1 3" {
		t.Errorf("versions %v, %v", v, err)
	}
	if err := r.SetSplit("m", nil); err != nil {
		t.Fatal(err)
	}
	if got := counted(100, none); got["3"] != 100 {
		t.Errorf("without a split: %v", got)
	}
	for name, split := range map[string]map[string]int{"not 100": {"1": 50}, "no version": {"x": 100}, "negative": {"1": 150, "2": -50}} {
		if err := r.SetSplit("m", split); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.SetSplit("m", map[string]int{"9": 100}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a version that is not there: %v", err)
	}
	if s, err := r.Split("m"); err != nil || s != nil {
		t.Errorf("split %v, %v", s, err)
	}
}

// drawn returns the version that the split gives to a key.
func drawn(t testing.TB, r *Repository, sticky string) string {
	t.Helper()
	h, err := r.Acquire("", "", sticky)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	return h.Info().Version
}

// TestSplitFallsBack: the part of a version that cannot be loaded goes to the newest one.
func TestSplitFallsBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	publishVersion(t, 1, dir, 1)
	lay(t, dir, "2/model.onnx")
	r := serve(t, Options{Model: ModelOptions{Split: map[string]int{"1": 50, "2": 50}}}, dir)
	for range 100 {
		if by := drawn(t, r, ""); by != "1" {
			t.Fatalf("version %s", by)
		}
	}
}

// TestApply takes new options: what has not changed goes on as it is.
func TestApply(t *testing.T) {
	dir := t.TempDir()
	for v := 1; v <= 2; v++ {
		publishVersion(t, float32(v), filepath.Join(dir, "m"), v)
	}
	save(t, plus(5), dir, "n.onnx")
	r := serve(t, Options{}, dir)
	other := mustHold(t, r, "n")
	lines, err := r.Apply(t.Context(), Options{Models: map[string]ModelOptions{"m": {MaxBatch: 4, Versions: "all", Split: map[string]int{"1": 100}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(lines, "; "); got != `model "m": max batch: 0 → 4; model "m": versions: latest → all; model "m": split: map[] → map[1:100]` {
		t.Errorf("changes: %s", got)
	}
	if v, err := r.Versions("m"); err != nil || len(v) != 2 || mustHold(t, r, "m").Info().MaxBatch != 4 || answeredBy(t, r, "m") != "1" {
		t.Errorf("versions %v, %v; max batch %d", v, err, mustHold(t, r, "m").Info().MaxBatch)
	}
	if mustHold(t, r, "n") != other {
		t.Error("a model without changes was loaded again")
	}
	if lines, err := r.Apply(t.Context(), r.o); err != nil || len(lines) != 0 {
		t.Errorf("nothing new: %v, %v", lines, err)
	}
	if _, err := r.Apply(t.Context(), Options{Model: ModelOptions{SLO: -1}}); fault.KindOf(err) != fault.Usage {
		t.Errorf("a negative SLO: %v", err)
	}
}

// answeredBy returns the version that answers a call.
func answeredBy(t testing.TB, r *Repository, name string) string {
	_, by := ask(t, r, name, "", "")
	return by
}

// TestUnknown names what is near and says what is missing.
func TestUnknown(t *testing.T) {
	dir := t.TempDir()
	save(t, plus(1), dir, "mnist.onnx")
	save(t, plus(1), dir, "other.onnx")
	r := serve(t, Options{}, dir)
	for _, c := range []struct{ name, version, text, hint string }{
		{"mnits", "", "Request for unknown model: 'mnits' is not found", "mnist"},
		{"mnist", "7", "Request for unknown model: 'mnist' version 7 is not found", ""},
		{"", "", "there are 2 models", ""},
	} {
		_, err := r.Acquire(c.name, c.version, "")
		if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), c.text) || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%q %q: %v (%s)", c.name, c.version, err, fault.HintOf(err))
		}
	}
	if _, err := r.Stats("none", ""); fault.KindOf(err) != fault.NotFound {
		t.Errorf("stats: %v", err)
	}
	if s, err := r.Stats("", ""); err != nil || len(s) != 2 {
		t.Errorf("stats: %v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := NewCall()
	defer c.Free()
	c.Inputs = []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 2}, 10, 20)}
	if err := mustHold(t, r, "mnist").Infer(ctx, c); err == nil {
		t.Error("a call with a context that has ended runs")
	}
}

// TestNothingIsLeft: sessions and goroutines end with the repository.
func TestNothingIsLeft(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	publishVersion(t, 1, dir, 1)
	f := &enginetest.Fake{}
	before := runtime.NumGoroutine()
	for range 3 {
		r, err := Open(t.Context(), Options{Sources: []Source{{Path: dir}}, Provider: f, CPUs: 2, Watch: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, by := ask(t, r, "m", "", ""); by != "1" {
			t.Errorf("version %s", by)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	}
	for limit := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(limit); {
		runtime.Gosched() // those that closed their channel last may still be returning
	}
	if n := runtime.NumGoroutine(); n > before || f.Sessions() != 0 {
		t.Errorf("%d goroutines, %d before; %d sessions", n, before, f.Sessions())
	}
}
