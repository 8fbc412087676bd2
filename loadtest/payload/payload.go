// Package payload owns what requests carry and what their answers should be.
package payload
