// Package page owns what people look at: the built-in page and the OpenAPI document of what is served.
package page
