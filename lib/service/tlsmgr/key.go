package tlsmgr

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"
)

// A Key protects session tickets. New tickets get it until it expires; tickets
// that have it are good for as long again.
type Key struct {
	Name    [16]byte // in each ticket
	Cipher  [32]byte
	MAC     [32]byte
	Expires time.Time
}

// keySize is the size of the structure that is sent: the fields in their order,
// the time as a 64-bit number of this machine.
const keySize = 88

// Bytes returns the structure.
func (k *Key) Bytes() []byte {
	b := make([]byte, 0, keySize)
	b = append(b, k.Name[:]...)
	b = append(b, k.Cipher[:]...)
	b = append(b, k.MAC[:]...)
	return binary.NativeEndian.AppendUint64(b, uint64(k.Expires.Unix()))
}

// ParseKey reads the structure.
func ParseKey(b []byte) (Key, error) {
	if len(b) != keySize {
		return Key{}, fmt.Errorf("ticket key of %d bytes, not %d: the peer was built for another architecture", len(b), keySize)
	}
	var k Key
	copy(k.Name[:], b)
	copy(k.Cipher[:], b[16:])
	copy(k.MAC[:], b[48:])
	k.Expires = time.Unix(int64(binary.NativeEndian.Uint64(b[80:])), 0)
	return k, nil
}

// newKey makes a key that nobody else has.
func newKey(expires time.Time) Key {
	k := Key{Expires: time.Unix(expires.Unix(), 0)}
	rand.Read(k.Name[:])
	rand.Read(k.Cipher[:])
	rand.Read(k.MAC[:])
	return k
}

// A Ring holds the key for new tickets and the one before it. Half of the life of
// sessions is for new tickets, the other half for those that were handed out.
type Ring struct {
	keys [2]Key // the newer one first; no time: there is none
	half time.Duration
}

// NewRing returns a ring for sessions with this life.
func NewRing(life time.Duration) *Ring { return &Ring{half: life / 2} }

// Current is the key for new tickets, if there is one.
func (r *Ring) Current(now time.Time) (Key, bool) {
	k := r.keys[0]
	return k, !k.Expires.IsZero() && now.Before(k.Expires)
}

// Find is the key with a name, if tickets that have it are still good.
func (r *Ring) Find(name []byte, now time.Time) (Key, bool) {
	for _, k := range r.keys {
		if !k.Expires.IsZero() && string(name) == string(k.Name[:]) && now.Before(k.Expires.Add(r.half)) {
			return k, true
		}
	}
	return Key{}, false
}

// Add puts a key into the ring. The one that is there already stays.
func (r *Ring) Add(k Key) {
	switch {
	case k.Name == r.keys[0].Name || k.Name == r.keys[1].Name:
	case k.Expires.After(r.keys[0].Expires):
		r.keys[0], r.keys[1] = k, r.keys[0]
	default:
		r.keys[1] = k
	}
}

// Renew makes a new key for new tickets.
func (r *Ring) Renew(now time.Time) Key {
	k := newKey(now.Add(r.half))
	r.Add(k)
	return k
}
