//go:build 386 || arm

package types

type size = uint32
