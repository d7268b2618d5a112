// Package libc is as much of a C library as PCRE2 needs that was translated from
// C to Go: memory, some functions for strings, and expressions of C that are
// statements in Go. It stands in the place of a package that has all of a C
// library, and whose start costs each process a millisecond and 300 kbytes.
//
// Addresses are numbers here, and the memory behind them is not that of Go: see
// memory.go.
package libc

import (
	"bytes"
	"unsafe"

	"modernc.org/libc/sys/types"
)

// Bytes returns the n bytes at address p.
func Bytes(p uintptr, n int) []byte {
	if n == 0 {
		return nil
	}
	return unsafe.Slice(at[byte](p), n)
}

// Size is the type of lengths.
type Size = types.Size_t

// Sizes returns the n lengths at address p.
func Sizes(p uintptr, n int) []Size { return unsafe.Slice(at[Size](p), n) }

// Ints returns the n numbers at address p.
func Ints(p uintptr, n int) []int32 { return unsafe.Slice(at[int32](p), n) }

// at returns a pointer to what is at address p.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

// Xmemcpy is memcpy(3). The compiler must not put it into its caller: it fails
// when it sees that it copies between numbers.
//
//go:noinline
func Xmemcpy(_ *TLS, to, from uintptr, n types.Size_t) uintptr {
	copy(Bytes(to, int(n)), Bytes(from, int(n)))
	return to
}

// Xmemmove is memmove(3).
func Xmemmove(t *TLS, to, from uintptr, n types.Size_t) uintptr { return Xmemcpy(t, to, from, n) }

// Xmemset is memset(3).
func Xmemset(_ *TLS, p uintptr, c int32, n types.Size_t) uintptr {
	b := Bytes(p, int(n))
	for i := range b {
		b[i] = byte(c)
	}
	return p
}

// Xmemchr is memchr(3).
func Xmemchr(_ *TLS, p uintptr, c int32, n types.Size_t) uintptr {
	if i := bytes.IndexByte(Bytes(p, int(n)), byte(c)); i >= 0 {
		return p + uintptr(i)
	}
	return 0
}

// Xmemcmp is memcmp(3).
func Xmemcmp(_ *TLS, a, b uintptr, n types.Size_t) int32 {
	return int32(bytes.Compare(Bytes(a, int(n)), Bytes(b, int(n))))
}

// Xstrlen is strlen(3).
func Xstrlen(_ *TLS, s uintptr) (n types.Size_t) {
	for *at[byte](s + uintptr(n)) != 0 {
		n++
	}
	return n
}

// Xstrchr is strchr(3).
func Xstrchr(_ *TLS, s uintptr, c int32) uintptr {
	for ; ; s++ {
		switch *at[byte](s) {
		case byte(c):
			return s
		case 0:
			return 0
		}
	}
}

// Xtolower is tolower(3) in the C locale.
func Xtolower(_ *TLS, c int32) int32 {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Xtoupper is toupper(3) in the C locale.
func Xtoupper(_ *TLS, c int32) int32 {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}
