package payload

import (
	"errors"
	"fmt"
	"io"
	"os"

	"infer/internal/fault"
)

// errTooLarge is a file or a body of more bytes than it may have.
var errTooLarge = errors.New("it is larger than it may be")

// checkRegular refuses what is no regular file before it is opened: that of a pipe waits for a writer, and a device may
// have no end. An error of the file system is not its business.
func checkRegular(path string) error {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return fault.New(fault.Usage, "copy it into a file first", "%q is no regular file", path)
	}
	return nil
}

// readFile reads a regular file of at most limit bytes. Errors are fault.Usage and name the file.
func readFile(path string, limit int64) ([]byte, error) {
	if err := checkRegular(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "%w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1)) // not by its size: some files of the system do not tell theirs
	if err != nil {
		return nil, fault.New(fault.Usage, "", "%w", err)
	}
	if int64(len(data)) > limit {
		return nil, fault.New(fault.Usage, "", "%q: %w", path, errTooLarge)
	}
	return data, nil
}

// bytesText is a number of bytes in a message.
func bytesText(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
