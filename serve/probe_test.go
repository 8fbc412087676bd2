package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/engine/enginetest"
	"infer/serve/repository"
)

// selfSigned is a certificate that nobody knows, for a name that nobody asks by.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"models.example"}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestTLSEverywhere: a certificate holds for every address, the metrics too, where keys are sent as well.
func TestTLSEverywhere(t *testing.T) {
	o := options(enginetest.CPU(t), repository.Source{Path: digits})
	o.TLS = selfSigned(t)
	r := run(t, o)
	for begin := time.Now(); !strings.Contains(r.log.String(), "msg=ready"); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("not ready: %s", r.log)
		}
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for name, path := range map[string]string{"http": "/v2/health/ready", "admin": "/v2/health/ready", "metrics": "/metrics"} {
		answer, err := client.Get("https://" + r.Address(name) + path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
		if plain, err := http.Get("http://" + r.Address(name) + path); err == nil {
			body, _ := io.ReadAll(plain.Body)
			plain.Body.Close()
			if plain.StatusCode == http.StatusOK {
				t.Errorf("%s answers without TLS: %.100s", name, body)
			}
		}
	}
	ctx := context.Background()
	if err := Probe(ctx, "https://"+r.Address("http")+"/v2/health/ready"); err != nil {
		t.Errorf("a probe of a certificate that nobody knows, on this machine: %v", err)
	}
	if err := Probe(ctx, "http://"+r.Address("http")+"/v2/health/ready"); !strings.Contains(fault.HintOf(err), "https://") {
		t.Errorf("a probe without TLS: %v, hint %q", err, fault.HintOf(err))
	}
}

func TestProbe(t *testing.T) {
	r := run(t, options(enginetest.CPU(t), repository.Source{Path: digits})).ready(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	loading := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer loading.Close()
	base := r.Address("http")
	for _, c := range []struct {
		url, hint string // "": it is ready
		kind      fault.Kind
	}{
		{"http://" + base + "/v2/health/ready", "", 0},
		{"http://" + base + "/v2/helth/ready", "the path is another one", fault.Internal},
		{"http://" + base + "/v2/models/none/ready", "the path is another one", fault.Internal},
		{loading.URL, "it is not ready", fault.Internal},
		{"https://" + base + "/v2/health/ready", "probe it with http://", fault.Internal},
		{"http://" + closed.Addr().String() + "/", "nothing listens there", fault.Internal},
		{"foo", "such as http://localhost:8000/v2/health/ready", fault.Usage},
		{"localhost:8000", "such as http://localhost:8000/v2/health/ready", fault.Usage},
		{"http:///x", "such as http://localhost:8000/v2/health/ready", fault.Usage},
	} {
		err := Probe(context.Background(), c.url)
		if c.hint == "" {
			if err != nil {
				t.Errorf("%s: %v", c.url, err)
			}
			continue
		}
		if err == nil || fault.KindOf(err) != c.kind || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v, hint %q; want %q", c.url, err, fault.HintOf(err), c.hint)
		}
	}
}

// TestLoopback: elsewhere a certificate is verified.
func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "127.1.2.3": true, "::1": true, "10.0.0.1": false, "localhost.example": false, "0.0.0.0": false} {
		if loopback(host) != want {
			t.Errorf("loopback(%s) = %v", host, !want)
		}
	}
}
