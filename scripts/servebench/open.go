//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxOpen bounds the connections of an open loop; an arrival that finds none free is dropped.
const maxOpen = 4096

// patience is when a client of the open loop gives up.
const patience = 30 * time.Second

// flood is what became of the arrivals of an open loop. Times are seconds from when a request was due.
type flood struct {
	offered           float64 // arrivals a second
	seconds           float64
	arrivals, dropped int
	good              int       // answered with 200 within the SLO
	answered          []float64 // with 200
	refused           []float64 // with 429 or 503
	expired           []float64 // with 504: taken, and dropped when it could not be in time any more
	failed            int
	why               string
	late              []float64 // how long after it was due a request was sent
}

func (f flood) goodput() float64 { return float64(f.good) / f.seconds }

// failures says how many arrivals failed, and the first reason.
func (f flood) failures() string {
	if f.failed == 0 {
		return "0"
	}
	return fmt.Sprintf("%d: %s", f.failed, f.why)
}

// schedule is when arrivals are due: a Poisson process of the rate, from a seed.
func schedule(rate float64, d time.Duration, seed uint64) []time.Duration {
	r := rand.New(rand.NewPCG(seed, 0))
	var due []time.Duration
	for t := 0.0; ; {
		t += r.ExpFloat64() / rate
		at := time.Duration(t * float64(time.Second))
		if at >= d {
			return due
		}
		due = append(due, at)
	}
}

// open sends the request whenever the schedule says so, whatever has become of the ones before, and counts from then.
func open(address string, request []byte, rate float64, d, slo time.Duration, seed uint64) flood {
	o := &opener{address: address, request: request, slo: slo, idle: make(chan net.Conn, maxOpen)}
	due := schedule(rate, d, seed)
	o.f = flood{offered: rate, seconds: d.Seconds(), arrivals: len(due)}
	slots := make(chan struct{}, maxOpen)
	var wg sync.WaitGroup
	begin := time.Now()
	for _, at := range due {
		time.Sleep(time.Until(begin.Add(at)))
		select {
		case slots <- struct{}{}:
		default:
			o.f.dropped++
			continue
		}
		wg.Go(func() {
			o.one(begin.Add(at))
			<-slots
		})
	}
	wg.Wait()
	close(o.idle)
	for c := range o.idle {
		c.Close()
	}
	for _, times := range [][]float64{o.f.answered, o.f.refused, o.f.expired, o.f.late} {
		slices.Sort(times)
	}
	return o.f
}

type opener struct {
	address string
	request []byte
	slo     time.Duration
	idle    chan net.Conn

	mu sync.Mutex
	f  flood
}

func (o *opener) one(due time.Time) {
	late := time.Since(due).Seconds()
	status, err := o.exchange()
	took := time.Since(due)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.f.late = append(o.f.late, late)
	switch {
	case err != nil:
		o.fail(err.Error())
	case status == 200:
		o.f.answered = append(o.f.answered, took.Seconds())
		if took <= o.slo {
			o.f.good++
		}
	case status == 429 || status == 503:
		o.f.refused = append(o.f.refused, took.Seconds())
	case status == 504:
		o.f.expired = append(o.f.expired, took.Seconds())
	default:
		o.fail(fmt.Sprint("status ", status))
	}
}

func (o *opener) fail(why string) {
	if o.f.failed++; o.f.why == "" {
		o.f.why = why
	}
}

// exchange sends the request over a free connection and reads the answer.
func (o *opener) exchange() (int, error) {
	c, err := o.connection()
	if err != nil {
		return 0, err
	}
	status, keep, err := roundTrip(c, o.request)
	if err != nil || !keep {
		c.Close()
		return status, err
	}
	o.idle <- c
	return status, nil
}

func (o *opener) connection() (net.Conn, error) {
	select {
	case c := <-o.idle:
		return c, nil
	default:
		return net.DialTimeout("tcp", o.address, patience)
	}
}

// roundTrip writes a request and reads its answer to the end. A server that refuses may answer before it has read the
// whole body: what it said counts, and the connection does not go on. keep reports whether it does.
func roundTrip(c net.Conn, request []byte) (status int, keep bool, err error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, false, err
	}
	_, sendErr := c.Write(request)
	buf, got, total := make([]byte, 16<<10), 0, 0
	for total == 0 || got < total {
		if got == len(buf) {
			buf = append(buf, make([]byte, max(total-got, len(buf)))...)
		}
		n, err := c.Read(buf[got:])
		if n == 0 && err != nil {
			return 0, false, readFault(err, sendErr)
		}
		got += n
		if total == 0 {
			if status, total, err = parse(buf[:got]); err != nil {
				return 0, false, err
			}
		}
	}
	head := strings.ToLower(string(buf[:min(got, 512)]))
	return status, sendErr == nil && !strings.Contains(head, "connection: close"), nil
}

func readFault(err, sendErr error) error {
	if errors.Is(err, io.EOF) && sendErr != nil {
		return sendErr
	}
	return err
}
