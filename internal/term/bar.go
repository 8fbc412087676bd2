package term

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"infer/internal/progress"
)

// Bar draws progress events on one line of a terminal and takes the line away when it is closed. A phase is shown
// once it has lasted longer than Delay, so that short work stays silent.
type Bar struct {
	w     io.Writer
	color bool
	delay time.Duration

	mu      sync.Mutex
	phase   string
	started time.Time
	bar     *progressbar.ProgressBar
	max     int64
}

// NewBar returns a bar that draws on w.
func NewBar(w io.Writer, color bool) *Bar {
	return &Bar{w: w, color: color, delay: 300 * time.Millisecond}
}

// steps is the resolution of a bar whose total is known: progressbar counts in whole numbers.
const steps = 1000

// Event shows e. It is a progress.Func.
func (b *Bar) Event(e progress.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if e.Phase != b.phase {
		b.clear()
		b.phase, b.started = e.Phase, now
	}
	if b.bar == nil {
		if now.Sub(b.started) < b.delay {
			return
		}
		b.bar = b.open(e)
	}
	b.bar.Describe(describe(e))
	if b.max < 0 {
		_ = b.bar.Add(1)
		return
	}
	_ = b.bar.Set64(int64(min(e.Done/max(e.Total, 1e-12), 1) * steps))
}

func (b *Bar) open(e progress.Event) *progressbar.ProgressBar {
	b.max = steps
	if e.Total <= 0 {
		b.max = -1
	}
	return progressbar.NewOptions64(b.max,
		progressbar.OptionSetWriter(b.w), // its default is stdout
		progressbar.OptionSetWidth(24),
		progressbar.OptionEnableColorCodes(b.color),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionThrottle(80*time.Millisecond),
		progressbar.OptionSpinnerType(14),
		progressbar.OptionUseANSICodes(true),
	)
}

func describe(e progress.Event) string {
	text := e.Phase
	switch {
	case e.Unit == "B" && e.Total > 0:
		text += fmt.Sprintf("  %.1f / %.1f MB", e.Done/1e6, e.Total/1e6)
	case e.Unit == "B" && e.Done > 0:
		text += fmt.Sprintf("  %.1f MB", e.Done/1e6)
	case e.Unit == "s" && e.Total > 0:
		text += fmt.Sprintf("  %.1f / %.1f s", e.Done, e.Total)
	case e.Unit != "" && e.Total > 0:
		text += fmt.Sprintf("  %.0f / %.0f %s", e.Done, e.Total, e.Unit)
	case e.Unit != "" && e.Done > 0:
		text += fmt.Sprintf("  %.0f %s", e.Done, e.Unit)
	}
	if e.Note != "" {
		text += "  " + e.Note
	}
	return text
}

func (b *Bar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}

// Close takes the line away. The bar may be used again afterwards.
func (b *Bar) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	b.phase = ""
}

// Around calls f while no bar is drawn, so that f may write lines to the same terminal.
func (b *Bar) Around(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	f()
}
