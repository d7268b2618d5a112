// Package cdb has the table type "cdb": constant databases, NAME.cdb. They are
// read in memory, and written anew as a whole and put in place by renaming, so
// that readers see the old table or the new and need no lock.
//
// The form of the file, all numbers little-endian and 32 bits:
//
//	256 times   position and number of slots of a hash table
//	records     key length, value length, key, value
//	256 tables  slots of hash and position of the record; position 0 is empty
//
// A key is in the table hash%256 and in the first slot at or after
// hash/256%slots that has its hash and its key. Source: cdb(5), "A structure for
// constant databases", by D. J. Bernstein.
package cdb

const (
	headerSize = 256 * 8
	slotSize   = 8
)

// hash computes the hash of a key and, with NUL, of the key and a NUL after it.
func hash(key string, withNUL bool) uint32 {
	h := uint32(5381)
	for i := 0; i < len(key); i++ {
		h = (h<<5 + h) ^ uint32(key[i])
	}
	if withNUL {
		h = h<<5 + h
	}
	return h
}
