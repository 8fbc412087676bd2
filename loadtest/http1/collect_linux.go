//go:build linux && (amd64 || arm64)

package http1

import (
	"sync"
	"sync/atomic"
	"time"

	"infer/loadtest/sample"
)

const (
	chunkLen  = 256                   // samples that go to the collector at a time
	maxChunks = 1024                  // under way at the most (20 MB); a lane that needs one more waits
	flushWait = 50 * time.Millisecond // a sample waits for others no longer than this
)

// collector takes samples in chunks from lanes and passes them on from one goroutine. Chunks are used again.
type collector struct {
	full chan []sample.Sample
	free chan []sample.Sample
	made atomic.Int32
	wait sync.WaitGroup
}

func newCollector(emit func([]sample.Sample)) *collector {
	c := &collector{full: make(chan []sample.Sample, maxChunks), free: make(chan []sample.Sample, maxChunks)}
	c.wait.Go(func() {
		for chunk := range c.full {
			emit(chunk)
			c.free <- chunk[:0]
		}
	})
	return c
}

// chunk returns an empty chunk.
func (c *collector) chunk() []sample.Sample {
	select {
	case chunk := <-c.free:
		return chunk
	default:
	}
	if c.made.Add(1) <= maxChunks {
		return make([]sample.Sample, 0, chunkLen)
	}
	return <-c.free
}

// close waits until everything is passed on. All pens are flushed before.
func (c *collector) close() {
	close(c.full)
	c.wait.Wait()
}

// pen writes the samples of one goroutine.
type pen struct {
	to    *collector
	chunk []sample.Sample
	since time.Duration // when the first of chunk came
}

func (p *pen) add(s *sample.Sample, now time.Duration) {
	if p.chunk == nil {
		p.chunk = p.to.chunk()
	}
	if len(p.chunk) == 0 {
		p.since = now
	}
	if p.chunk = append(p.chunk, *s); len(p.chunk) == chunkLen {
		p.flush()
	}
}

// tick passes on what has waited long enough.
func (p *pen) tick(now time.Duration) {
	if len(p.chunk) > 0 && now-p.since >= flushWait {
		p.flush()
	}
}

func (p *pen) flush() {
	if len(p.chunk) > 0 {
		p.to.full <- p.chunk
		p.chunk = nil
	}
}
