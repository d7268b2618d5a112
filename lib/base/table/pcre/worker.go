package pcre

import (
	"errors"
	"fmt"
	"sync"

	"go.elara.ws/pcre/lib"
	"modernc.org/libc"
)

var errNoMemory = errors.New("out of memory")

// A worker is what one use of the library needs: a stack, and room for text that
// the library can see.
type worker struct {
	stack *libc.TLS
	room  uintptr
	size  int
}

// keep is how many workers are kept for the next use, and keepSize how much room
// each of them may have.
const (
	keep     = 4
	keepSize = 64 << 10
)

var idle struct {
	sync.Mutex
	workers []*worker
}

func borrow() *worker {
	idle.Lock()
	defer idle.Unlock()
	if last := len(idle.workers) - 1; last >= 0 {
		w := idle.workers[last]
		idle.workers = idle.workers[:last]
		return w
	}
	return &worker{stack: libc.NewTLS()}
}

func (w *worker) giveBack() {
	idle.Lock()
	defer idle.Unlock()
	if len(idle.workers) < keep && w.size <= keepSize {
		idle.workers = append(idle.workers, w)
		return
	}
	libc.Xfree(w.stack, w.room)
	w.stack.Close()
}

// text returns the address of a copy of s, which is good until the next call.
func (w *worker) text(s string) (uintptr, error) {
	if w.room == 0 || len(s) > w.size {
		libc.Xfree(w.stack, w.room)
		w.size = max(len(s), 1024)
		if w.room = libc.Xmalloc(w.stack, libc.Size(w.size)); w.room == 0 {
			w.size = 0
			return 0, errNoMemory
		}
	}
	copy(libc.Bytes(w.room, len(s)), s)
	return w.room, nil
}

// compile returns the address of the compiled pattern.
func (w *worker) compile(pattern string, flags uint32) (uintptr, error) {
	text, err := w.text(pattern)
	if err != nil {
		return 0, err
	}
	const sizes = 16 // of an int and a size_t
	results := w.stack.Alloc(sizes)
	defer w.stack.Free(sizes)
	code := lib.Xpcre2_compile_8(w.stack, text, libc.Size(len(pattern)), flags, results, results+8, 0)
	if code != 0 {
		return code, nil
	}
	number, at := libc.Ints(results, 1)[0], libc.Sizes(results+8, 1)[0]
	return 0, fmt.Errorf("error in regex at offset %d: %s", at, w.message(number))
}

// groups returns the number of groups in parentheses.
func (w *worker) groups(code uintptr) int {
	n := w.stack.Alloc(4)
	defer w.stack.Free(4)
	lib.Xpcre2_pattern_info_8(w.stack, code, lib.DPCRE2_INFO_CAPTURECOUNT, n)
	return int(libc.Ints(n, 1)[0])
}

// message returns the text for an error of the library.
func (w *worker) message(number int32) string {
	const size = 256
	buffer := w.stack.Alloc(size)
	defer w.stack.Free(size)
	n := lib.Xpcre2_get_error_message_8(w.stack, number, buffer, size)
	return string(libc.Bytes(buffer, int(max(n, 0))))
}

// heapLimit is how much memory a match may take, in kbytes. The library's own
// limit is more than machines have; a pattern that comes to this one comes to
// the limit of steps a moment later.
const heapLimit = 64 << 10

// limits returns what all matches may use.
var limits = func() func(*libc.TLS) uintptr {
	var once sync.Once
	var context uintptr
	return func(stack *libc.TLS) uintptr {
		once.Do(func() {
			if context = lib.Xpcre2_match_context_create_8(stack, 0); context != 0 {
				lib.Xpcre2_set_heap_limit_8(stack, context, heapLimit)
			}
		})
		return context
	}
}()
