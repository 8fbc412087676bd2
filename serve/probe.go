package serve

import (
	"context"
	"net/http"
	"time"

	"infer/internal/fault"
)

// Probe asks a readiness URL once, for containers that have no curl. nil: it answered 200.
func Probe(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fault.New(fault.Usage, "give a URL such as http://localhost:8000/v2/health/ready", "--probe: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fault.New(fault.Internal, "is the server up?", "probe: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fault.New(fault.Internal, "it is not ready", "probe: %s answers %s", url, resp.Status)
	}
	return nil
}
