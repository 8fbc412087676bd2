// Package server owns what can be asked of the server under load: its models, its statistics, its metrics.
package server
