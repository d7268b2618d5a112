package libc

import (
	"math/bits"
	"sync"
	"syscall"
	"unsafe"

	"modernc.org/libc/sys/types"
)

// The memory that addresses lead to comes from the system. The garbage collector
// does not know it: who gets some must give it back.

const (
	header    = 16       // before each piece: the class of its size, or its length
	areaSize  = 64 << 10 // what small pieces are cut from
	minClass  = 5        // pieces have 32 bytes, with header,
	maxClass  = 15       // to 32 kbytes when they are cut from areas
	pageSize  = 4096
	alignment = 16
)

var memory struct {
	sync.Mutex
	free [maxClass + 1]uintptr // lists of pieces of 1<<class bytes
	area uintptr               // what is left of the last area
	left uintptr
}

// fromSystem returns memory that is zero, or 0.
func fromSystem(n uintptr) uintptr {
	b, err := syscall.Mmap(-1, 0, int(n), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return 0
	}
	return uintptr(unsafe.Pointer(&b[0]))
}

// Xmalloc is malloc(3).
func Xmalloc(_ *TLS, size types.Size_t) uintptr {
	n := uintptr(size) + header
	if n < header || n > 1<<40 {
		return 0
	}
	class := max(bits.Len(uint(n-1)), minClass)
	if class > maxClass {
		n = (n + pageSize - 1) &^ (pageSize - 1)
		p := fromSystem(n)
		if p == 0 {
			return 0
		}
		*at[uintptr](p) = n
		return p + header
	}
	memory.Lock()
	defer memory.Unlock()
	p := memory.free[class]
	if p != 0 {
		memory.free[class] = *at[uintptr](p + header)
		return p + header
	}
	if n = 1 << class; memory.left < n {
		if memory.area = fromSystem(areaSize); memory.area == 0 {
			memory.left = 0
			return 0
		}
		memory.left = areaSize
	}
	p = memory.area
	memory.area += n
	memory.left -= n
	*at[uintptr](p) = uintptr(class)
	return p + header
}

// Xfree is free(3).
func Xfree(_ *TLS, p uintptr) {
	if p == 0 {
		return
	}
	p -= header
	n := *at[uintptr](p)
	if n > maxClass {
		syscall.Munmap(Bytes(p, int(n)))
		return
	}
	memory.Lock()
	defer memory.Unlock()
	*at[uintptr](p + header) = memory.free[n]
	memory.free[n] = p
}

// A TLS is the stack of a thread. One goroutine at a time can use it.
type TLS struct {
	blocks []uintptr // of blockSize bytes, or one that is larger for itself
	sizes  []uintptr
	used   []uintptr
	top    int
}

const blockSize = 64 << 10

// NewTLS returns an empty stack. Close gives its memory back.
func NewTLS() *TLS { return &TLS{top: -1} }

// Alloc puts n bytes on the stack.
func (t *TLS) Alloc(n int) uintptr {
	size := round(n)
	if t.top < 0 || t.used[t.top]+size > t.sizes[t.top] {
		t.grow(size)
	}
	p := t.blocks[t.top] + t.used[t.top]
	t.used[t.top] += size
	return p
}

// grow goes to the next block, one that has room for size bytes.
func (t *TLS) grow(size uintptr) {
	if t.top++; t.top < len(t.blocks) && t.sizes[t.top] >= size {
		return
	}
	t.drop(t.top)
	n := (max(size, blockSize) + pageSize - 1) &^ (pageSize - 1)
	p := fromSystem(n)
	if p == 0 {
		panic("out of memory")
	}
	t.blocks, t.sizes, t.used = append(t.blocks, p), append(t.sizes, n), append(t.used, 0)
}

// Free takes the n bytes from the stack that were put there last.
func (t *TLS) Free(n int) {
	t.used[t.top] -= round(n)
	if t.used[t.top] == 0 && t.top > 0 {
		t.top--
	}
}

// Close gives the memory of the stack back.
func (t *TLS) Close() {
	t.drop(0)
	t.top = -1
}

// drop gives back the blocks from the one with index first on.
func (t *TLS) drop(first int) {
	for i := first; i < len(t.blocks); i++ {
		syscall.Munmap(Bytes(t.blocks[i], int(t.sizes[i])))
	}
	t.blocks, t.sizes, t.used = t.blocks[:first], t.sizes[:first], t.used[:first]
}

func round(n int) uintptr { return (uintptr(max(n, 1)) + alignment - 1) &^ (alignment - 1) }
