//go:build !linux && !darwin

package host

import (
	"errors"
	"io/fs"
)

func rootFS() fs.FS { return emptyFS{} }

func affinity() int { return 0 }

func platform(*Machine) {}

func processMemory() Memory { return Memory{} }

func processUsage() usage { return usage{} }

// ResetPeak is not possible on this system.
func ResetPeak() error { return errors.New("reset peak memory: not possible on this system") }

// FreeDisk is not known on this system.
func FreeDisk(string) (uint64, error) {
	return 0, errors.New("free disk space is not known on this system")
}
