package libc

// The expressions of C that change a variable and have a value.

type number interface {
	~int32 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr
}

func assign[T number](p *T, v T) T  { *p = v; return v }
func postInc[T number](p *T, d T) T { r := *p; *p += d; return r }
func postDec[T number](p *T, d T) T { r := *p; *p -= d; return r }
func preInc[T number](p *T, d T) T  { *p += d; return *p }
func preDec[T number](p *T, d T) T  { *p -= d; return *p }

func AssignInt32(p *int32, v int32) int32         { return assign(p, v) }
func AssignUint8(p *uint8, v uint8) uint8         { return assign(p, v) }
func AssignUint32(p *uint32, v uint32) uint32     { return assign(p, v) }
func AssignUint64(p *uint64, v uint64) uint64     { return assign(p, v) }
func AssignUintptr(p *uintptr, v uintptr) uintptr { return assign(p, v) }
func AssignAddInt32(p *int32, v int32) int32      { return preInc(p, v) }

func AssignPtrInt32(p uintptr, v int32) int32       { return assign(at[int32](p), v) }
func AssignPtrUint8(p uintptr, v uint8) uint8       { return assign(at[uint8](p), v) }
func AssignPtrUint16(p uintptr, v uint16) uint16    { return assign(at[uint16](p), v) }
func AssignPtrUint32(p uintptr, v uint32) uint32    { return assign(at[uint32](p), v) }
func AssignPtrUint64(p uintptr, v uint64) uint64    { return assign(at[uint64](p), v) }
func AssignPtrUintptr(p uintptr, v uintptr) uintptr { return assign(at[uintptr](p), v) }

func PostIncInt32(p *int32, d int32) int32         { return postInc(p, d) }
func PostIncUint32(p *uint32, d uint32) uint32     { return postInc(p, d) }
func PostIncUint64(p *uint64, d uint64) uint64     { return postInc(p, d) }
func PostIncUintptr(p *uintptr, d uintptr) uintptr { return postInc(p, d) }
func PostDecInt32(p *int32, d int32) int32         { return postDec(p, d) }
func PostDecUint32(p *uint32, d uint32) uint32     { return postDec(p, d) }
func PostDecUintptr(p *uintptr, d uintptr) uintptr { return postDec(p, d) }
func PreIncInt32(p *int32, d int32) int32          { return preInc(p, d) }
func PreIncUint32(p *uint32, d uint32) uint32      { return preInc(p, d) }
func PreIncUintptr(p *uintptr, d uintptr) uintptr  { return preInc(p, d) }
func PreDecInt32(p *int32, d int32) int32          { return preDec(p, d) }
func PreDecUint32(p *uint32, d uint32) uint32      { return preDec(p, d) }
func PreDecUint64(p *uint64, d uint64) uint64      { return preDec(p, d) }

func CplInt32(n int32) int32    { return ^n }
func CplUint32(n uint32) uint32 { return ^n }
func CplUint64(n uint64) uint64 { return ^n }

func Uint32(n uint32) uint32           { return n }
func Uint32FromInt32(n int32) uint32   { return uint32(n) }
func Uint32FromUint8(n uint8) uint32   { return uint32(n) }
func Uint8FromInt32(n int32) uint8     { return uint8(n) }
func Uint8FromUint32(n uint32) uint8   { return uint8(n) }
func UintptrFromInt32(n int32) uintptr { return uintptr(n) }

// Bool32 is the number of C for yes and no.
func Bool32(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// BoolInt32 is Bool32.
func BoolInt32(b bool) int32 { return Bool32(b) }
