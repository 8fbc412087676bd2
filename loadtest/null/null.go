// Package null owns servers that do nothing but answer, against which a load generator measures itself.
package null
