package guard

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	// A new file each time: a second write within the resolution of the clock is seen by its inode.
	if err := os.WriteFile(path+".new", []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func line(name, key, scopes string) string {
	return fmt.Sprintf("%s %x %s\n", name, sha256.Sum256([]byte(key)), scopes)
}

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, "# ours\n\n"+line("alice", "secret", "")+line("ops", "root", "infer,admin # all of it"), 0o600)
	k, err := OpenKeys(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		credential, scope, name string
		kind                    fault.Kind
	}{
		{"secret", Infer, "alice", -1},
		{"Bearer secret", Infer, "alice", -1},
		{"bearer  secret ", Infer, "alice", -1},
		{"root", Admin, "ops", -1},
		{"secret", Admin, "alice", fault.Denied},
		{"root", Metrics, "ops", fault.Denied},
		{"", Infer, "", fault.Unauthorized},
		{"Bearer ", Infer, "", fault.Unauthorized},
		{"Secret", Infer, "", fault.Unauthorized},
		{"Basic secret", Infer, "", fault.Unauthorized},
	} {
		name, err := k.Check([]byte(c.credential), c.scope)
		if name != c.name || (err == nil) != (c.kind < 0) || err != nil && fault.KindOf(err) != c.kind {
			t.Errorf("%q for %s: %q, %v", c.credential, c.scope, name, err)
		}
		if err != nil && strings.Contains(err.Error(), "ecret") {
			t.Errorf("the error tells the key: %v", err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { k.Check([]byte("Bearer secret"), Infer) }); n > 0 {
		t.Errorf("a check takes %v allocations", n)
	}
}

// TestKeysReload: a changed file counts, a broken or missing one does not, an empty one lets nobody in.
func TestKeysReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, line("a", "one", ""), 0o604)
	var log bytes.Buffer
	k, err := OpenKeys(path, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "readable for everybody") {
		t.Errorf("no warning about the mode: %s", log.String())
	}
	clock := time.Now()
	k.files.now = func() time.Time { return clock }
	knows := func(key string, want bool) {
		t.Helper()
		if _, err := k.Check([]byte(key), Infer); (err == nil) != want {
			t.Errorf("key %q: %v", key, err)
		}
	}
	write(t, path, line("b", "two", ""), 0o600)
	knows("one", true) // not looked at again yet
	clock = clock.Add(2 * interval)
	knows("one", false)
	knows("two", true)
	write(t, path, "b plaintext\n", 0o600)
	clock = clock.Add(2 * interval)
	knows("two", true)
	if !strings.Contains(log.String(), "cannot be used") || strings.Contains(log.String(), "plaintext") {
		t.Errorf("log: %s", log.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(2 * interval)
	knows("two", true)
	write(t, path, "", 0o600)
	clock = clock.Add(2 * interval)
	knows("two", false)
}

func TestKeysRefuses(t *testing.T) {
	hash := strings.Repeat("a1", 32)
	for _, c := range []struct{ name, text, want string }{
		{"plaintext", "a hunter2", "line 1: the second field is no SHA-256"},
		{"hash too short", "a " + hash[:62], "no SHA-256"},
		{"hash too long", "a " + hash + "00", "no SHA-256"},
		{"no hash", "\nalone", "line 2: it has 1 of 2 or 3 fields"},
		{"too many fields", "a " + hash + " infer admin", "it has 4 of 2 or 3 fields"},
		{"unknown scope", "a " + hash + " infer,amdin", "scope 2 of 2 is not known"},
		{"empty scope", "a " + hash + " infer,", "scope 2 of 2 is not known"},
		{"long name", strings.Repeat("n", 65) + " " + hash, "longer than 64"},
		{"name twice", "a " + hash + "\na " + hash, "line 2: the name 'a' is there twice"},
		{"empty", "# nothing\n", "no keys"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys")
			write(t, path, c.text, 0o600)
			_, err := OpenKeys(path, nil)
			if fault.KindOf(err) != fault.Usage || err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if fault.HintOf(err) == "" {
				t.Errorf("%v: no hint", err)
			}
		})
	}
	if _, err := OpenKeys(filepath.Join(t.TempDir(), "none"), nil); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "does not exist") || fault.HintOf(err) == "" {
		t.Errorf("no file: %v", err)
	}
}

// FuzzKeys: a text that is accepted gives keys with names and known scopes, and an error never tells a field.
func FuzzKeys(f *testing.F) {
	f.Add("a " + strings.Repeat("a1", 32) + " infer,admin # c\n\nb x")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseKeys(text)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Fatal(err)
			}
			return
		}
		for _, k := range list {
			if k.name == "" || len(k.name) > maxKeyName || len(k.scopes) == 0 {
				t.Fatalf("%+v", k)
			}
		}
	})
}

// authority is a CA of the test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// issue returns a certificate of a name and its key.
func (a *authority) issue(t *testing.T, name string, until time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// handshake connects a client to a server with c and returns the name of the server's certificate.
func handshake(t *testing.T, c, client *tls.Config) (string, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			server := tls.Server(conn, c)
			if server.Handshake() == nil {
				server.Write([]byte("x"))
			}
			server.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil { // where a missing client certificate shows
		return "", err
	}
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	certFile, keyFile, caFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "ca")
	place := func(name string) {
		cert, key := ca.issue(t, name, time.Now().Add(time.Hour))
		write(t, certFile, cert, 0o600)
		write(t, keyFile, key, 0o600)
	}
	place("one")
	write(t, caFile, ca.pem, 0o600)
	c, err := TLS(certFile, keyFile, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &tls.Config{InsecureSkipVerify: true}
	if name, err := handshake(t, c, client); name != "one" {
		t.Errorf("certificate of %q, %v", name, err)
	}
	mutual, err := TLS(certFile, keyFile, caFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := handshake(t, mutual, client); err == nil {
		t.Error("a client without a certificate got in")
	}
	certPEM, keyPEM := ca.issue(t, "client", time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil {
		t.Fatal(err)
	}
	if name, err := handshake(t, mutual, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}}); name != "one" {
		t.Errorf("mutual: certificate of %q, %v", name, err)
	}
}

// TestTLSReload: a new pair is shown to new connections; one that does not fit together is not, until it does.
func TestTLSReload(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	cert, key := ca.issue(t, "one", time.Now().Add(time.Hour))
	write(t, certFile, cert, 0o600)
	write(t, keyFile, key, 0o600)
	f, err := openFiles([]string{certFile, keyFile}, nil, func() (*tls.Config, error) { return loadTLS(certFile, keyFile, "") })
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	f.now = func() time.Time { clock = clock.Add(2 * interval); return clock }
	name := func() string { return f.get().Certificates[0].Leaf.Subject.CommonName }
	cert, key = ca.issue(t, "two", time.Now().Add(time.Hour))
	write(t, certFile, cert, 0o600)
	if got := name(); got != "one" {
		t.Errorf("half a change: %q", got)
	}
	write(t, keyFile, key, 0o600)
	if got := name(); got != "two" {
		t.Errorf("after the change: %q", got)
	}
	cert, key = ca.issue(t, "old", time.Now().Add(-time.Hour))
	write(t, certFile, cert, 0o600)
	write(t, keyFile, key, 0o600)
	if got := name(); got != "two" {
		t.Errorf("an expired certificate: %q", got)
	}
}

func TestTLSRefuses(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	cert, key := ca.issue(t, "one", time.Now().Add(time.Hour))
	_, other := ca.issue(t, "two", time.Now().Add(time.Hour))
	expired, expiredKey := ca.issue(t, "old", time.Now().Add(-time.Hour))
	files := map[string]string{}
	for name, text := range map[string]string{"cert": cert, "key": key, "other": other, "expired": expired, "expiredKey": expiredKey, "junk": "junk"} {
		files[name] = filepath.Join(dir, name)
		write(t, files[name], text, 0o600)
	}
	for _, c := range [][3]string{{"cert", "other", ""}, {"junk", "key", ""}, {"cert", "none", ""}, {"expired", "expiredKey", ""}, {"cert", "key", "junk"}} {
		if _, err := TLS(files[c[0]], files[c[1]], files[c[2]], nil); fault.KindOf(err) != fault.Usage {
			t.Errorf("%v: %v", c, err)
		}
	}
}
