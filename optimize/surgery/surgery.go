// Package surgery owns changes of a model that a user asks for by name: which axes are fixed or free, which outputs it
// has, which part of it is cut out, which version of the file format it is written in.
package surgery
