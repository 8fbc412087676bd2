package wire

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"infer/internal/fault"
)

// How much a body may unpack to beside the limit of the caller: maxRatio times its size, freely up to freeBytes, since
// a short body of zeros packs very well and harms nobody.
const (
	maxRatio  = 200
	freeBytes = 4 << 20
)

// MostUnpacked is how many bytes a body of packed bytes may unpack to.
func MostUnpacked(packed int64) int64 { return max(freeBytes, maxRatio*packed) }

// unpacker reads one compressed body after the other; the readers come into being with the first body of their kind.
type unpacker struct {
	src  bytes.Reader
	gzip gzip.Reader
	zlib io.ReadCloser
	raw  io.ReadCloser
}

// packer writes one compressed body after the other.
type packer struct {
	dst  []byte
	gzip *gzip.Writer
	zlib *zlib.Writer
}

// Write appends to dst.
func (p *packer) Write(b []byte) (int, error) {
	p.dst = append(p.dst, b...)
	return len(b), nil
}

var (
	unpackers = sync.Pool{New: func() any { return new(unpacker) }}
	packers   = sync.Pool{New: func() any { return new(packer) }}
)

// Decompress appends the unpacked body to dst. encoding is a Content-Encoding: gzip, deflate (zlib's form, or the bare
// stream that some clients send) or identity; another one is fault.Media. A body that unpacks to more than limit bytes,
// or to far more than its own size, is fault.TooLarge and unpacked no further; a damaged one is fault.Usage.
func Decompress(dst []byte, encoding string, body []byte, limit int64) ([]byte, error) {
	return DecompressWithin(dst, encoding, body, limit, func(int) error { return nil })
}

// DecompressWithin is Decompress for a caller that counts its memory: take is asked before dst grows to a capacity, and
// its error ends the unpacking.
func DecompressWithin(dst []byte, encoding string, body []byte, limit int64, take func(capacity int) error) ([]byte, error) {
	if name := canonical(encoding); name == "identity" {
		if int64(len(body)) > limit {
			return dst, fault.New(fault.TooLarge, "", "the body of %d bytes is over the limit of %d", len(body), limit)
		}
		return append(dst, body...), nil
	} else if name == "" {
		return dst, fault.New(fault.Media, "send gzip, deflate or none", "content encoding '%s' is not supported", clip([]byte(encoding)))
	}
	u := unpackers.Get().(*unpacker)
	defer unpackers.Put(u)
	defer u.src.Reset(nil) // the pool does not keep the body
	r, err := u.open(canonical(encoding), body)
	if err != nil {
		return dst, err
	}
	if n := announced(body, min(limit, MostUnpacked(int64(len(body))))); canonical(encoding) == "gzip" && n > freeBytes {
		if err := take(len(dst) + n + 1); err != nil {
			return dst, err
		}
		dst = slices.Grow(dst, n+1) // at once: what would be grown through is garbage of the same size
	}
	out, err := unpack(dst, r, int64(len(body)), limit, take)
	if err == nil && u.src.Len() > 0 {
		err = fault.New(fault.Usage, "", "%d bytes follow the end of the %s stream", u.src.Len(), encoding)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// announced is how many bytes the end of a gzip body says that it unpacks to (RFC 1952, ISIZE), no more than most.
func announced(body []byte, most int64) int {
	if len(body) < 4 {
		return 0
	}
	return int(min(int64(binary.LittleEndian.Uint32(body[len(body)-4:])), most))
}

// open returns a reader of the unpacked body.
func (u *unpacker) open(encoding string, body []byte) (io.Reader, error) {
	u.src.Reset(body)
	var r io.Reader
	var err error
	switch {
	case encoding == "gzip":
		r, err = &u.gzip, u.gzip.Reset(&u.src)
	case !isZlib(body):
		if u.raw == nil {
			u.raw = flate.NewReader(&u.src)
		} else {
			err = u.raw.(flate.Resetter).Reset(&u.src, nil)
		}
		r = u.raw
	case u.zlib == nil:
		u.zlib, err = zlib.NewReader(&u.src)
		r = u.zlib
	default:
		r, err = u.zlib, u.zlib.(zlib.Resetter).Reset(&u.src, nil)
	}
	if err != nil {
		return nil, damaged(err)
	}
	return r, nil
}

// isZlib reports whether a deflate body has the header of zlib (RFC 1950): method 8, and a multiple of 31.
func isZlib(body []byte) bool {
	return len(body) >= 2 && body[0]&15 == 8 && (int(body[0])<<8|int(body[1]))%31 == 0
}

// unpack appends what r yields, a body of packed bytes, to dst. It asks for one byte more than it may, to see the end.
func unpack(dst []byte, r io.Reader, packed, limit int64, take func(int) error) ([]byte, error) {
	most := min(limit, MostUnpacked(packed))
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			got := int64(len(dst) - start)
			more := int(min(max(got, 2*packed, 512), most-got+1))
			if err := take(len(dst) + more); err != nil {
				return dst, err
			}
			dst = slices.Grow(dst, more)
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if got := int64(len(dst) - start); got > most {
			if most == limit {
				return nil, fault.New(fault.TooLarge, "", "the body unpacks to more than the limit of %d bytes", limit)
			}
			return nil, fault.New(fault.TooLarge, "", "the body of %d bytes unpacks to more than %d times its size", packed, maxRatio)
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return nil, damaged(err)
		}
	}
}

// damaged returns the error for a body that does not unpack.
func damaged(err error) error {
	return fault.New(fault.Usage, "", "unable to decompress the body: %w", err)
}

// Compress appends the packed body to dst. encoding is gzip, deflate (zlib's form) or identity; another one is
// fault.Media. Speed comes before size.
func Compress(dst []byte, encoding string, body []byte) ([]byte, error) {
	name := canonical(encoding)
	switch name {
	case "identity":
		return append(dst, body...), nil
	case "":
		return dst, fault.New(fault.Media, "", "content encoding '%s' is not supported", encoding)
	}
	p := packers.Get().(*packer)
	defer packers.Put(p)
	p.dst = dst
	w, err := p.open(name)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	dst, p.dst = p.dst, nil
	return dst, err
}

// open returns a writer that packs into p.
func (p *packer) open(encoding string) (w io.WriteCloser, err error) {
	switch {
	case encoding == "gzip" && p.gzip == nil:
		p.gzip, err = gzip.NewWriterLevel(p, gzip.BestSpeed)
	case encoding == "gzip":
		p.gzip.Reset(p)
	case p.zlib == nil:
		p.zlib, err = zlib.NewWriterLevel(p, zlib.BestSpeed)
	default:
		p.zlib.Reset(p)
	}
	if encoding == "gzip" {
		return p.gzip, err
	}
	return p.zlib, err
}

// canonical returns the name of an encoding as this package writes it, "" for one that it does not know.
func canonical(encoding string) string {
	switch e := strings.ToLower(strings.TrimSpace(encoding)); e {
	case "gzip", "x-gzip":
		return "gzip"
	case "deflate":
		return e
	case "", "identity":
		return "identity"
	}
	return ""
}

// AcceptEncoding chooses the encoding of an answer by an Accept-Encoding header (RFC 9110, 12.5.3): the one of the
// largest weight that Compress knows, of equals the first named, "identity" where none is wanted.
func AcceptEncoding(header string) string {
	best, weight := "identity", 0.0
	others, gzipNamed := 0.0, false
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		name, q := strings.TrimSpace(name), quality(params)
		if name == "*" {
			others = q
			continue
		}
		e := canonical(name)
		if name == "" || e == "" {
			continue
		}
		gzipNamed = gzipNamed || e == "gzip"
		if q > weight {
			best, weight = e, q
		}
	}
	if others > weight && !gzipNamed {
		return "gzip"
	}
	return best
}

// quality returns the weight that the parameters of an encoding give it, 0 where it cannot be read.
func quality(params string) float64 {
	key, value, ok := strings.Cut(params, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(key), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 0
	}
	return q
}
