package tensor

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"

	"infer/internal/fault"
)

const (
	maxDeflateRatio = 1032    // the most that DEFLATE can expand, RFC 1951: 258 bytes from 2 bits
	maxInflated     = 1 << 30 // larger arrays belong into .npy files, which are read row by row
)

// Npz is an open .npz archive: .npy files in a zip. It is for one goroutine at a time; the arrays it opens are not.
type Npz struct {
	names []string
	files map[string]*zip.File
	r     io.ReaderAt
	f     io.Closer
}

// OpenNpz opens a .npz file and reads its directory.
func OpenNpz(path string) (*Npz, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	z, err := NewNpz(f, size)
	if err != nil {
		f.Close()
		return nil, fault.Wrap(err, "read %q", path)
	}
	z.f = f
	return z, nil
}

// NewNpz reads the directory of a .npz file of size bytes held by r, which must stay readable while the Npz is used.
func NewNpz(r io.ReaderAt, size int64) (*Npz, error) {
	d, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fault.New(fault.Usage, "write it with numpy.savez", "not a .npz file: %w", err)
	}
	z := &Npz{files: map[string]*zip.File{}, r: r}
	for _, f := range d.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			return nil, fault.New(fault.Usage, "", "the archive holds %.80q, which is no .npy file", f.Name)
		}
		if z.files[name] != nil {
			return nil, fault.New(fault.Usage, "", "the archive holds %.80q twice", f.Name)
		}
		z.files[name] = f
		z.names = append(z.names, name)
	}
	return z, nil
}

// Names returns the names of the arrays, without ".npy", in the order of the file.
func (z *Npz) Names() []string { return z.names }

// Open returns the array of a name. A stored one is read from the file row by row and must not outlive the Npz; a
// compressed one is unpacked into memory, at most 1 GiB, and one that does not have the size it claims is an error.
func (z *Npz) Open(name string) (*Npy, error) {
	f := z.files[name]
	if f == nil {
		return nil, fault.New(fault.Usage, "", "no array %q among %s", name, strings.Join(z.names, ", "))
	}
	var a *Npy
	var err error
	if f.Method == zip.Store {
		a, err = z.stored(f)
	} else {
		a, err = inflate(f)
	}
	return a, fault.Wrap(err, "array %q", name)
}

// stored opens an array in place. Its checksum is not verified: that would read all of it.
func (z *Npz) stored(f *zip.File) (*Npy, error) {
	at, err := f.DataOffset()
	if err != nil {
		return nil, fault.New(fault.Usage, "", "damaged archive: %w", err)
	}
	size := int64(f.CompressedSize64)
	if f.CompressedSize64 != f.UncompressedSize64 || size < 0 {
		return nil, fault.New(fault.Usage, "", "damaged archive: %d stored bytes claim to be %d", f.CompressedSize64, f.UncompressedSize64)
	}
	// NewNpy compares size with the shape, so with its last byte there nothing is allocated by claim alone.
	if size > 0 && !hasByte(z.r, at+size-1) {
		return nil, fault.New(fault.Usage, "", "damaged archive: it ends before the array does")
	}
	return NewNpy(io.NewSectionReader(z.r, at, size), size)
}

// hasByte reports whether a byte can be read at off; a ReaderAt may return io.EOF with it.
func hasByte(r io.ReaderAt, off int64) bool {
	n, _ := r.ReadAt(make([]byte, 1), off)
	return n == 1
}

func inflate(f *zip.File) (*Npy, error) {
	claim := f.UncompressedSize64
	if claim/maxDeflateRatio > f.CompressedSize64+1 || claim > maxInflated {
		return nil, fault.New(fault.Usage, "save arrays over 1 GiB as .npy files",
			"%d compressed bytes claim to unpack to %d", f.CompressedSize64, claim)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fault.New(fault.Unsupported, "write it with numpy.savez or numpy.savez_compressed", "unpack: %w", err)
	}
	defer r.Close()
	var b bytes.Buffer // grows with what is really there
	n, err := io.Copy(&b, io.LimitReader(r, int64(claim)+1))
	if err != nil {
		return nil, fault.New(fault.Usage, "", "unpack: %w", err)
	}
	if uint64(n) != claim {
		return nil, fault.New(fault.Usage, "", "unpacks to %d bytes or more where %d were claimed", n, claim)
	}
	return NewNpy(bytes.NewReader(b.Bytes()), n)
}

// Close closes the file. A second Close is a no-op.
func (z *Npz) Close() error {
	if z.f == nil {
		return nil
	}
	f := z.f
	z.f = nil
	return f.Close()
}

// WriteNpz writes tensors, by their names, as a stored .npz archive.
func WriteNpz(w io.Writer, tensors []Tensor) error {
	z := zip.NewWriter(w)
	for _, t := range tensors {
		e, err := z.CreateHeader(&zip.FileHeader{Name: t.Name + ".npy", Method: zip.Store})
		if err != nil {
			return err
		}
		if err := EncodeNpy(e, t); err != nil {
			return fault.Wrap(err, "array %q", t.Name)
		}
	}
	return z.Close()
}
