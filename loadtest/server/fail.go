package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode"

	"infer/internal/fault"
)

// The hints that several errors share.
const (
	hintRunning   = "is the server running, and is this its address"
	hintAuthority = "pass --tls-ca FILE with the certificate of its authority, or --insecure"
	hintKey       = "pass -H 'Authorization: Bearer …'"
)

// unreached explains why there is no whole answer. ctx is the caller's: its end is no fault of the server.
func unreached(ctx context.Context, u *url.URL, timeout time.Duration, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ask %s: %w", u.Redacted(), ctx.Err())
	}
	if errIsTimeout(err) {
		return fault.New(fault.Deadline, silentHint(u), "ask %s: no answer within %s", u.Redacted(), timeout)
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return fault.New(fault.Unavailable, connectionHint(u, err), "ask %s: %w", u.Redacted(), err)
}

// connectionHint is what may help against an error of the connection. Some of them have no type, only a text; a gRPC
// client has nothing but the text.
func connectionHint(u *url.URL, err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	var record tls.RecordHeaderError
	text := err.Error()
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case errors.As(err, &authority) || has("signed by unknown authority"):
		return hintAuthority
	case errors.As(err, &name) || has("certificate is valid for") || has("doesn't contain any IP SANs"):
		return "use the name that the certificate is for, or pass --insecure"
	case errors.As(err, &invalid) || has("certificate has expired"):
		return "renew the server's certificate, or pass --insecure"
	case errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record) || has("first record does not look like a TLS handshake"):
		return "the server speaks no TLS: write " + strings.TrimSuffix(u.Scheme, "s") + "://" + u.Host
	case has("no application protocol") || has("missing selected ALPN property"):
		return "the server speaks no HTTP/2: is this its gRPC address; else write https://" + u.Host
	case has("certificate required") || has("bad certificate"):
		return "the server asks for a client certificate"
	case has(`malformed HTTP response "\x15\x03`):
		return "the server speaks TLS: write https://" + u.Host
	case has(`malformed HTTP response "\x00\x00`):
		return "the server speaks HTTP/2 alone, as gRPC does: write grpc://" + u.Host
	case has("server preface") || has("malformed HTTP") || has("http2: frame too large"):
		return "this is no gRPC server, or one with TLS: try grpcs:// or http:// with --protocol oip-http"
	case has("handshake") && (has("deadline exceeded") || has("timeout")):
		return silentHint(u)
	case errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || has("network is unreachable") || has("no route to host"):
		return "no way leads there from here: check the address, and the interface behind % in one of IPv6"
	case errors.Is(err, syscall.EINVAL) || has("invalid argument"):
		return "name an interface of this machine behind the address, as in [fe80::1%25eth0]"
	case errors.As(err, &dns) || has("no such host"):
		return "check the name of the host"
	case errors.Is(err, syscall.ECONNREFUSED) || has("connection refused"):
		return hintRunning
	}
	return ""
}

// silentHint is what may help against a server that does not answer. One without TLS waits for more of a handshake.
func silentHint(u *url.URL) string {
	if plain, secure := strings.CutSuffix(u.Scheme, "s"); secure {
		return hintRunning + ", and does it speak TLS; else write " + plain + "://" + u.Host
	}
	return hintRunning
}

// unwelcome is the error of an answer that has nothing to do with what was asked: it is for another URL, another key,
// or another scheme.
func unwelcome(u *url.URL, a answer) error {
	switch {
	case a.status == http.StatusUnauthorized:
		return fault.New(fault.Unauthorized, hintKey, "ask %s: the server wants a key: %s", u.Redacted(), a.say())
	case a.status == http.StatusForbidden:
		return fault.New(fault.Denied, hintKey+" of one with the right", "ask %s: the server refuses: %s", u.Redacted(), a.say())
	case a.status/100 == 3:
		to := a.header.Get("Location")
		return fault.New(fault.Usage, "a load does not follow redirects: give the URL that it leads to", "ask %s: the server redirects to %q", u.Redacted(), oneLine([]byte(to)))
	case a.status == http.StatusBadRequest && u.Scheme == "http" && strings.Contains(strings.ToLower(string(a.body[:min(len(a.body), 1000)])), "https"):
		return fault.New(fault.Unavailable, "write https://"+u.Host, "ask %s: the server speaks TLS: %s", u.Redacted(), a.say())
	}
	return nil
}

// notOIP is the error of an HTTP server that is no server of the protocol.
func (h *overHTTP) notOIP(a answer) error {
	if a.status >= 500 {
		return fault.New(fault.Unavailable, "", "ask %s: GET %s answers %s", h.base.Redacted(), a.path, a.say())
	}
	return fault.New(fault.Unsupported, "try --protocol tfs, torchserve or http", "%s does not speak the Open Inference Protocol: GET %s answers %s", h.base.Redacted(), a.path, a.say())
}

// noModel is the error of a model without a signature; absent: the server says that it is not there. names are those
// that are there.
func noModel(base *url.URL, name, version string, names []string, absent bool, says string) error {
	what := fmt.Sprintf("model %q", name)
	if version != "" {
		what += " version " + version
	}
	if !absent {
		return fault.New(fault.Unavailable, "wait until it is ready", "%s at %s: %s", what, base.Redacted(), says)
	}
	hint := ""
	if len(names) > 0 {
		hint = "there are " + strings.Join(names[:min(len(names), 10)], ", ")
		if near := fault.Nearest(name, names); near != "" {
			hint = "did you mean " + near + "; " + hint
		}
	}
	return fault.New(fault.NotFound, hint, "no %s at %s: %s", what, base.Redacted(), says)
}

// misunderstood is the error of an answer that is not as the protocol says. A fault says so in words already.
func misunderstood(base *url.URL, a answer, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return fault.Wrap(err, "%s: GET %s", base.Redacted(), a.path)
	}
	return fault.New(fault.Unsupported, "check --protocol: http is for another kind of server", "ask %s: the server's answer to GET %s %s", base.Redacted(), a.path, strange(a.body, err))
}

// strange says in what way a body is not the object that was asked for. err is that of reading it, nil where it is no
// JSON.
func strange(body []byte, err error) string {
	body = bytes.TrimSpace(body)
	var t *json.UnmarshalTypeError
	switch {
	case len(body) == 0:
		return "is empty"
	case body[0] != '{':
		return "is no object as the protocol has it: starts with `" + begin(body) + "`"
	case errors.As(err, &t) && t.Field != "":
		return fmt.Sprintf("is not as the protocol has it: %q is a JSON %s", t.Field, t.Value)
	case err != nil && json.Valid(body):
		return "is not as the protocol has it: " + oneLine([]byte(err.Error()))
	}
	return "is no whole JSON: starts with `" + begin(body) + "`"
}

// begin is the begin of a text, as oneLine has it, shorter.
func begin(b []byte) string {
	line := []rune(oneLine(b))
	if n := min(len(line), 120); n < len(line) || len(b) > 200 {
		return string(line[:n]) + "…"
	}
	return string(line)
}

// say describes an answer in one line: its status, and the begin of its body where it is a message.
func (a answer) say() string {
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		return text + " with a web page"
	}
	if line := oneLine(message(a.body)); line != "" {
		text += ": " + line
	}
	return text
}

// message is the text of an error in JSON, as the servers write it, else the body.
func message(body []byte) []byte {
	var e struct{ Error, Message, Detail string }
	if json.Unmarshal(body, &e) == nil {
		for _, text := range []string{e.Error, e.Message, e.Detail} {
			if text != "" {
				return []byte(text)
			}
		}
	}
	return body
}

// oneLine is the begin of a text, of printable characters alone: what a server says goes to a terminal.
func oneLine(b []byte) string {
	b = b[:min(len(b), 200)]
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(b), ""), func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
}
