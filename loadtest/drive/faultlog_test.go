package drive

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"infer/loadtest/sample"
)

func TestFaultLog(t *testing.T) {
	var f FaultLog
	if f.List() != nil {
		t.Error("faults in an empty log")
	}
	for i := range 1000 {
		f.Add(sample.Broken, 0, fmt.Sprintf("read tcp 127.0.0.1:%d->10.0.%d.1:8000:\n connection reset by peer", 30000+i, i%256))
		if i%2 == 0 {
			f.Add(sample.Failed, 500, fmt.Sprintf("request 5f%da3: out of memory after %.3fs", i, float64(i)/7))
		}
	}
	f.Add(sample.Failed, 502, "request 1: out of memory after 2s")
	want := []Fault{
		{sample.Broken, 0, "read tcp 127.0.0.1:30000->10.0.0.1:8000: connection reset by peer", 1000},
		{sample.Failed, 500, "request 5f0a3: out of memory after 0.000s", 500},
		{sample.Failed, 502, "request 1: out of memory after 2s", 1},
	}
	got := f.List()
	if len(got) != len(want) {
		t.Fatalf("%d faults: %+v", len(got), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("fault %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

// TestFaultLogBound: however many texts there are, the log stays small and counts all.
func TestFaultLogBound(t *testing.T) {
	var f FaultLog
	var done sync.WaitGroup
	for o := range sample.Outcomes {
		done.Go(func() {
			for i := range 1000 {
				f.Add(sample.Outcome(o), 0, strings.Repeat(string(rune('a'+i%26)), 1+i/26))
			}
		})
	}
	done.Wait()
	list, n := f.List(), int64(0)
	for i, x := range list {
		n += x.Count
		if i > 0 && x.Count > list[i-1].Count {
			t.Errorf("%+v behind %+v", x, list[i-1])
		}
	}
	if len(list) > maxFaults || n != int64(sample.Outcomes)*1000 {
		t.Errorf("%d faults that count %d, want at most %d that count %d", len(list), n, maxFaults, sample.Outcomes*1000)
	}
}

func TestFaultLogAllocations(t *testing.T) {
	var f FaultLog
	text := "dial tcp 127.0.0.1:8000: connect: connection refused"
	f.Add(sample.Unreachable, 0, text)
	if n := testing.AllocsPerRun(100, func() { f.Add(sample.Unreachable, 0, text) }); n != 0 {
		t.Errorf("%v allocations for a fault that is known", n)
	}
}

// FuzzFaultLog: texts come from servers. The log keeps one short line of valid UTF-8 of any.
func FuzzFaultLog(f *testing.F) {
	for _, s := range []string{"", "a1b2", "\xff\xfe", strings.Repeat("é9", 200), "1.2.3.", "x\r\ny", strings.Repeat("7", 500)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var l FaultLog
		l.Add(sample.Failed, 1, text)
		l.Add(sample.Failed, 1, text)
		list := l.List()
		if len(list) != 1 || list[0].Count != 2 {
			t.Fatalf("%+v", list)
		}
		if s := list[0].Text; !utf8.ValidString(s) || strings.ContainsAny(s, "\r\n") || len(s) > 4*maxFaultText {
			t.Errorf("%q of %q", s, text)
		}
	})
}
