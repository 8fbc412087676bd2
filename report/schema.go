package report

import _ "embed"

//go:embed schema.json
var schemaJSON string

// SchemaJSON returns the JSON Schema (draft 2020-12) of the document. Every document that Write accepts and
// Validate finds no fault with is valid under it.
func SchemaJSON() string { return schemaJSON }
