// Package guard owns who may talk to the server: TLS certificates that are read again when their files change, and API
// keys with scopes from a file of hashes.
package guard
