package guard

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"infer/internal/fault"
)

// The scopes of a key.
const (
	Infer   = "infer"   // inference, and whatever describes models
	Admin   = "admin"   // loading, unloading, splits
	Metrics = "metrics" // the metrics endpoint
)

// Keys are the API keys of a file, which is read again when it changes. Each line is
//
//	NAME SHA256 [SCOPE[,SCOPE…]]
//
// with the SHA-256 of the key in hex, scopes among infer (the default), admin and metrics, and # before a comment. The
// file holds no key itself, so that who reads it cannot use it. Safe for concurrent use.
type Keys struct {
	files *files[[]key]
}

type key struct {
	name   string
	hash   [sha256.Size]byte
	scopes []string
}

// OpenKeys reads a file of keys. log is told of changes and of a file that others may read; it may be nil.
// Errors: fault.Usage, with the line; never with what stands there, which may be a key.
func OpenKeys(path string, log *slog.Logger) (*Keys, error) {
	f, err := openFiles([]string{path}, log, func() (*[]key, error) { return readKeys(path) })
	if err != nil {
		return nil, err
	}
	if len(*f.get()) == 0 {
		return nil, fault.New(fault.Usage, lineForm, "keys file %q has no keys: nobody could use the server", path)
	}
	if info := f.seen; info != nil && info[0].Mode().Perm()&0o004 != 0 {
		f.log.Warn("the keys file is readable for everybody; chmod o-r it", "file", path)
	}
	return &Keys{f}, nil
}

// Check finds whom a key belongs to and whether it has a scope. credential is the key, or the value of an Authorization
// header ("Bearer KEY"). Errors: fault.Unauthorized for no key or an unknown one, fault.Denied for one without the
// scope; name is then known too.
func (k *Keys) Check(credential []byte, scope string) (name string, err error) {
	const bearer = "bearer "
	if len(credential) >= len(bearer) && strings.EqualFold(string(credential[:len(bearer)]), bearer) {
		credential = bytes.TrimSpace(credential[len(bearer):])
	}
	if len(credential) == 0 {
		return "", fault.New(fault.Unauthorized, "send Authorization: Bearer KEY, or X-API-Key: KEY", "an API key is needed")
	}
	hash := sha256.Sum256(credential)
	var found *key
	list := *k.files.get()
	for i := range list { // all of them, so that the time says nothing about which one it is
		if subtle.ConstantTimeCompare(hash[:], list[i].hash[:]) == 1 {
			found = &list[i]
		}
	}
	if found == nil {
		return "", fault.New(fault.Unauthorized, "", "the API key is not known")
	}
	if !slices.Contains(found.scopes, scope) {
		return found.name, fault.New(fault.Denied, "", "the API key '%s' has not the scope %s", found.name, scope)
	}
	return found.name, nil
}

// Bounds of a keys file.
const (
	maxKeysFile = 1 << 20
	maxKeyName  = 64
)

func readKeys(path string) (*[]key, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "check the path; "+lineForm+", and printf %s KEY | sha256sum makes the digest", "keys file %q does not exist", path)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "check the path and its rights", "read keys: %w", err)
	}
	if info.Size() > maxKeysFile {
		return nil, fault.New(fault.Usage, "", "keys file %q is larger than %d bytes", path, maxKeysFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "check the path and its rights", "read keys: %w", err)
	}
	list, err := parseKeys(string(data))
	if err != nil {
		return nil, fault.Wrap(err, "keys file %q", path)
	}
	return &list, nil
}

// lineForm is the hint of a line that is none.
const lineForm = "a line is NAME SHA256 [SCOPE[,SCOPE…]]"

// parseKeys reads the lines of a keys file.
func parseKeys(text string) ([]key, error) {
	var list []key
	names := map[string]bool{}
	line := 0
	for row := range strings.Lines(text) {
		line++
		row, _, _ = strings.Cut(row, "#")
		fields := strings.Fields(row)
		if len(fields) == 0 {
			continue
		}
		k, err := parseKey(fields)
		if err != nil {
			return nil, fault.Wrap(err, "line %d", line)
		}
		if names[k.name] {
			return nil, fault.New(fault.Usage, "give each key a name of its own: the log tells keys apart by it", "line %d: the name '%s' is there twice", line, k.name)
		}
		names[k.name] = true
		list = append(list, k)
	}
	return list, nil
}

// parseKey reads the fields of a line.
func parseKey(fields []string) (key, error) {
	if len(fields) < 2 || len(fields) > 3 {
		return key{}, fault.New(fault.Usage, lineForm+"; scopes have commas and no blanks between", "it has %d of 2 or 3 fields", len(fields))
	}
	k := key{name: fields[0], scopes: []string{Infer}}
	if len(k.name) > maxKeyName {
		return key{}, fault.New(fault.Usage, lineForm, "the name is longer than %d bytes", maxKeyName)
	}
	hash, err := hex.DecodeString(fields[1])
	if err != nil || copy(k.hash[:], hash) != len(k.hash) || len(hash) != len(k.hash) {
		return key{}, fault.New(fault.Usage, "hash the key: printf %s KEY | sha256sum", "the second field is no SHA-256 in hex; keys themselves do not belong here")
	}
	if len(fields) == 3 {
		k.scopes = strings.Split(fields[2], ",")
	}
	known := []string{Infer, Admin, Metrics}
	for i, s := range k.scopes {
		if slices.Contains(known, s) {
			continue
		}
		hint := "scopes are infer, admin and metrics, with commas between"
		if near := fault.Nearest(s, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		return key{}, fault.New(fault.Usage, hint, "scope %d of %d is not known", i+1, len(k.scopes))
	}
	return k, nil
}

// Credential chooses between the values of Authorization and X-API-Key: the first, but for one of another scheme than
// Bearer beside a key, which is meant for a proxy on the way.
func Credential(authorization, apiKey []byte) []byte {
	scheme, _, ok := bytes.Cut(authorization, []byte{' '})
	if len(authorization) == 0 || len(apiKey) > 0 && ok && !bytes.EqualFold(scheme, []byte("bearer")) {
		return apiKey
	}
	return authorization
}
