package guard

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"time"

	"infer/internal/fault"
)

// TLS returns the configuration of a server with the certificate chain and key of two PEM files. With a file of client
// CAs, clients must show a certificate of one of them; clientCA "" asks them for none. All of them are read again when
// they change, for connections from then on. log may be nil.
// Errors: fault.Usage for files that cannot be read or do not belong together.
func TLS(cert, key, clientCA string, log *slog.Logger) (*tls.Config, error) {
	paths := []string{cert, key}
	if clientCA != "" {
		paths = append(paths, clientCA)
	}
	current, err := openFiles(paths, log, func() (*tls.Config, error) { return loadTLS(cert, key, clientCA) })
	if err != nil {
		return nil, err
	}
	outer := current.get().Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return current.get(), nil }
	return outer, nil
}

// loadTLS reads the files.
func loadTLS(cert, key, clientCA string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fault.New(fault.Usage, "both files are PEM: the chain with the server's certificate first, and its private key", "read certificate %q and key %q: %w", cert, key, err)
	}
	if now := time.Now(); now.After(pair.Leaf.NotAfter) {
		return nil, fault.New(fault.Usage, "renew it", "certificate %q has expired on %s", cert, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if clientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "read client CAs: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Usage, "it holds certificates of CAs in PEM form", "client CAs %q: no certificate in it", clientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}
