package hash

import (
	"fmt"
	"iter"
	"math/bits"
)

// hashed is a file of the kind hash: buckets that are chains of pages.
type hashed struct {
	*pages
	maxBucket, highMask, lowMask uint32
	spares                       [32]uint32 // by power of two: what to add to a bucket to get its page
	err                          error
}

// charKey is a text whose hash tells whether the file was made with the hash
// function that is usual.
const charKey = "%$sniglet^&\x00"

func newHashed(p *pages) (*hashed, error) {
	number := func(at int) uint32 { return p.order.Uint32(p.meta[at:]) }
	h := &hashed{pages: p, maxBucket: number(72), highMask: number(76), lowMask: number(80)}
	for i := range h.spares {
		h.spares[i] = number(96 + 4*i)
	}
	if number(92) != hashOf(charKey) {
		return nil, fmt.Errorf("%s: made with an unknown hash function", p.f.Name())
	}
	return h, nil
}

func hashOf(key string) uint32 {
	var h uint32
	for i := 0; i < len(key); i++ {
		h = h*16777619 ^ uint32(key[i])
	}
	return h
}

// first returns the first page of a bucket.
func (h *hashed) first(bucket uint32) uint32 {
	return bucket + h.spares[bits.Len32(bucket)&31]
}

func (h *hashed) find(key string) (value []byte, found bool, err error) {
	bucket := hashOf(key) & h.highMask
	if bucket > h.maxBucket {
		bucket &= h.lowMask
	}
	for g, err := range h.chain(bucket) {
		if err != nil {
			return nil, false, err
		}
		for i := 0; i+1 < g.entries(); i += 2 {
			k, err := h.item(g, i)
			if err != nil {
				return nil, false, err
			}
			if string(k) == key {
				value, err := h.item(g, i+1)
				return value, err == nil, err
			}
		}
	}
	return nil, false, nil
}

// chain yields the pages of a bucket.
func (h *hashed) chain(bucket uint32) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		number := h.first(bucket)
		for seen := uint32(0); number != 0 && seen < h.count; seen++ {
			g, err := h.page(number)
			if !yield(g, err) || err != nil {
				return
			}
			number = g.next()
		}
	}
}

// item returns a key or value. An item ends where the one before it begins.
func (h *hashed) item(g page, i int) ([]byte, error) {
	start, end := g.offset(i), len(g.data)
	if i > 0 {
		end = g.offset(i - 1)
	}
	if start < atIndex || start >= end || end > len(g.data) {
		return nil, errDamaged
	}
	switch item := g.data[start:end]; item[0] {
	case 1:
		return item[1:], nil
	case 3:
		return h.reference(item)
	}
	return nil, fmt.Errorf("several values for one key: %w", errDamaged)
}

func (h *hashed) all() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		h.err = nil
		for bucket := uint32(0); bucket <= min(h.maxBucket, h.count); bucket++ {
			for g, err := range h.chain(bucket) {
				if h.err = err; err != nil {
					return
				}
				for i := 0; i+1 < g.entries(); i += 2 {
					key, err1 := h.item(g, i)
					value, err2 := h.item(g, i+1)
					if h.err = firstError(err1, err2); h.err != nil || !yield(key, value) {
						return
					}
				}
			}
		}
	}
}

func (h *hashed) failure() error { return h.err }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
