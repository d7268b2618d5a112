// Package types has the C types whose size depends on the machine.
package types

// Size_t is the type of lengths in C.
type Size_t = size
