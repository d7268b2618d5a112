package libc

import "testing"

func TestMemory(t *testing.T) {
	var all []uintptr
	for size := uint64(0); size < 200_000; size = size*3/2 + 1 {
		p := Xmalloc(nil, size)
		if p%alignment != 0 {
			t.Errorf("%d bytes at %x", size, p)
		}
		Xmemset(nil, p, int32(size%256), size)
		all = append(all, p)
	}
	size := uint64(0)
	for _, p := range all {
		for _, c := range Bytes(p, int(size)) {
			if c != byte(size%256) {
				t.Fatalf("piece of %d bytes has %d", size, c)
			}
		}
		Xfree(nil, p)
		size = size*3/2 + 1
	}
	first := Xmalloc(nil, 100)
	Xfree(nil, first)
	if again := Xmalloc(nil, 101); again != first {
		t.Error("memory is not used again")
	}
}

func TestStack(t *testing.T) {
	s := NewTLS()
	defer s.Close()
	var sizes []int
	for n := 1; n < 300_000; n *= 2 {
		Xmemset(s, s.Alloc(n), 1, uint64(n))
		sizes = append(sizes, n)
	}
	for i := len(sizes) - 1; i >= 0; i-- {
		s.Free(sizes[i])
	}
	if s.top != 0 || s.used[0] != 0 {
		t.Errorf("%+v", s)
	}
}

func TestStrings(t *testing.T) {
	p := Xmalloc(nil, 16)
	copy(Bytes(p, 16), "abcabc\x00x")
	if n := Xstrlen(nil, p); n != 6 {
		t.Error(n)
	}
	if Xstrchr(nil, p, 'c') != p+2 || Xstrchr(nil, p, 'x') != 0 || Xmemchr(nil, p, 'x', 8) != p+7 {
		t.Error("wrong place")
	}
	if Xmemcmp(nil, p, p+3, 3) != 0 || Xmemcmp(nil, p, p+1, 2) >= 0 {
		t.Error("wrong order")
	}
	if Xtolower(nil, 'Q') != 'q' || Xtoupper(nil, 0xe4) != 0xe4 {
		t.Error("wrong case")
	}
}

func TestClasses(t *testing.T) {
	X__ctype_b_loc(nil)
	for c, want := range map[byte]uint16{
		'A': isUpper | isAlpha | isAlnum | isHexDigit | isGraph | isPrint, ' ': isPrint | isSpace | isBlank,
		'_': isPunct | isGraph | isPrint, '\t': isControl | isSpace | isBlank, 0xe4: 0, 0: isControl,
	} {
		if got := classes[128+int(c)]; got != want {
			t.Errorf("%q: %x, want %x", c, got, want)
		}
	}
	if isAlnum != 8 || isSpace != 8192 {
		t.Error(isAlnum, isSpace)
	}
}
