package page

import (
	"math"
	"strconv"

	"infer/serve/observe"
)

// figures are those of one version over the last minute, a value a second, oldest first: what the charts draw.
type figures struct {
	Model      string    `json:"model"`
	Version    string    `json:"version"`
	Answered   []rounded `json:"answered"`   // a second
	Unanswered []rounded `json:"unanswered"` // refused, failed, invalid or cancelled, a second
	LatencyP50 []rounded `json:"latency_p50"`
	LatencyP99 []rounded `json:"latency_p99"`
	QueueP50   []rounded `json:"queue_p50"`
	QueueP99   []rounded `json:"queue_p99"`
	BatchRows  []rounded `json:"batch_rows"` // mean of the runs
}

// rounded is a number with four digits, or null: NaN.
type rounded float64

// MarshalJSON writes it.
func (r rounded) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(r)) || math.IsInf(float64(r), 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(r), 'g', 4, 64), nil
}

// columns turns the seconds of a version into the series of its charts.
func columns(l observe.Live) figures {
	f := figures{Model: l.Model, Version: l.Version}
	value := func(p *float64) rounded {
		if p == nil {
			return rounded(math.NaN())
		}
		return rounded(*p)
	}
	for _, s := range l.Steps {
		f.Answered = append(f.Answered, rounded(s.Answered))
		f.Unanswered = append(f.Unanswered, rounded(s.Refused+s.Failed+s.Invalid+s.Cancelled))
		f.LatencyP50 = append(f.LatencyP50, value(s.LatencyP50))
		f.LatencyP99 = append(f.LatencyP99, value(s.LatencyP99))
		f.QueueP50 = append(f.QueueP50, value(s.QueueP50))
		f.QueueP99 = append(f.QueueP99, value(s.QueueP99))
		f.BatchRows = append(f.BatchRows, value(s.BatchRows))
	}
	return f
}
