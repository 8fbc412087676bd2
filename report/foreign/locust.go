package foreign

import "strings"

// milli is Locust's unit of time, in seconds.
const milli = 1e-3

// readLocust reads the file that Locust's --csv names …_stats.csv: a line for each kind of request, and one for all.
// Ref: Locust, locust/stats.py.
func readLocust(b []byte) (*load, error) {
	t, err := readTable(b)
	if err != nil {
		return nil, err
	}
	if err := t.need("Type", "Name", "Request Count", "Failure Count", "Average Response Time", "Max Response Time", "Requests/s", "Failures/s", "50%", "99%"); err != nil {
		return nil, err
	}
	l := newLoad("locust", "closed")
	l.x.Target.Protocol = "http"
	l.d.Warn("Locust rounds the response times that its percentiles are of: to 1 ms below 100 ms, to two digits above; failed requests are among them")
	all := t.rows[len(t.rows)-1]
	if all[t.column("Name")] != "Aggregated" {
		return nil, missing(`its last line is not that of all requests, "Aggregated": the file is cut`)
	}
	if err := l.locustRow(t, all, nil); err != nil {
		return nil, err
	}
	if len(t.rows) == 2 {
		return l, nil // its only kind of request is all of them
	}
	for _, row := range t.rows[:len(t.rows)-1] {
		labels := map[string]string{"request": strings.TrimSpace(row[t.column("Type")] + " " + row[t.column("Name")])}
		if l.d.Metric("throughput", labels) != nil {
			return nil, missing("it has the request %q twice", labels["request"])
		}
		if err := l.locustRow(t, row, labels); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// locustRow appends the metrics of a line.
func (l *load) locustRow(t *table, row []string, labels map[string]string) error {
	var v [6]float64
	for i, name := range []string{"Request Count", "Failure Count", "Requests/s", "Failures/s", "Average Response Time", "Max Response Time"} {
		var err error
		if v[i], _, err = t.number(row, name); err != nil {
			return err
		}
	}
	n, failed := int(min(v[0], maxCount)), v[1]
	if n == 0 && labels == nil {
		return missing("it counts no requests")
	}
	if n == 0 {
		return nil
	}
	l.time("mean", v[4]*milli, n, labels)
	for _, name := range []string{"p50", "p90", "p95", "p99"} {
		p, ok, err := t.number(row, name[1:]+"%")
		if err != nil {
			return err
		}
		if ok {
			l.time(name, p*milli, n, labels)
		}
	}
	l.time("max", v[5]*milli, n, labels)
	l.add("throughput", max(0, v[2]-v[3]), n-int(min(failed, float64(n))), labels)
	l.add("goodput", max(0, v[2]-v[3]), n-int(min(failed, float64(n))), labels)
	l.add("error_rate", share(failed, v[0]), n, labels)
	l.add("sent_rate", v[2], n, labels)
	if labels == nil {
		l.fault("failed", 0, "requests that Locust counts as failed", int64(min(failed, maxCount)))
	}
	return nil
}
