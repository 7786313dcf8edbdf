package etcdbackend

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
)

// coder writes values in the form in which they are stored, or reads them: one
// list of fields serves both, and each field is written as few bytes as it needs.
// After an error it reads zeros.
type coder struct {
	data    []byte // what was written, or is left to read
	reading bool
	base    int64 // moments are stored as the time from it
	err     error
}

var errCutShort = errors.New("the value is cut short, or no such value")

func (c *coder) fail() {
	c.data = nil
	if c.err == nil {
		c.err = errCutShort
	}
}

// number is a whole number, at least 0.
func number[T ~int64 | ~uint64 | ~uint8](c *coder, v *T) {
	if !c.reading {
		c.data = binary.AppendUvarint(c.data, uint64(*v))
		return
	}
	read, n := binary.Uvarint(c.data)
	if n <= 0 || uint64(T(read)) != read {
		c.fail()
		read, n = 0, 0
	}
	*v, c.data = T(read), c.data[n:]
}

// integer is a number that may be below 0.
func integer[T ~int | ~int64](c *coder, v *T) {
	if !c.reading {
		c.data = binary.AppendVarint(c.data, int64(*v))
		return
	}
	read, n := binary.Varint(c.data)
	if n <= 0 {
		c.fail()
		read, n = 0, 0
	}
	*v, c.data = T(read), c.data[n:]
}

// moment is a time in milliseconds, 0 if there is none.
func (c *coder) moment(v *int64) {
	var from uint64 // and 1 more: 0 is for none
	if since := *v - c.base; *v != 0 {
		from = 1 + uint64(since<<1^since>>63)
	}
	number(c, &from)
	*v = 0
	if from > 0 {
		*v = c.base + (int64((from-1)>>1) ^ -int64((from-1)&1))
	}
}

func (c *coder) flag(v *bool) {
	var bit uint8
	if *v {
		bit = 1
	}
	number(c, &bit)
	*v = bit != 0
}

func text[T ~string](c *coder, v *T) {
	n := c.length(len(*v))
	if c.reading {
		*v, c.data = T(c.data[:n]), c.data[n:]
		return
	}
	c.data = append(c.data, *v...)
}

// name is a text that most often is an ID as [lease.NewID] makes them, of which
// half the digits are random: such a one takes 16 bytes, after a 0.
func name[T ~string](c *coder, v *T) {
	long := uint64(len(*v)) + 1
	id, short := uuid(string(*v))
	if short {
		long = 0
	}
	number(c, &long)
	switch {
	case c.reading && long == 0 && len(c.data) >= len(id):
		read := written([16]byte(c.data))
		*v, c.data = T(read[:]), c.data[len(id):]
	case c.reading && long > 0 && long <= uint64(len(c.data))+1:
		*v, c.data = T(c.data[:long-1]), c.data[long-1:]
	case c.reading:
		*v = ""
		c.fail()
	case short:
		c.data = append(c.data, id[:]...)
	default:
		c.data = append(c.data, *v...)
	}
}

// uuid reports whether a text is what written returns, of these bytes.
func uuid(text string) (id [16]byte, ok bool) {
	if len(text) != 36 {
		return id, false
	}
	for _, g := range groups {
		if _, err := hex.Decode(id[g.from:g.to], []byte(text[g.at:g.at+2*(g.to-g.from)])); err != nil {
			return id, false
		}
	}
	same := written(id)
	return id, string(same[:]) == text
}

// written is a UUID in its usual form.
func written(id [16]byte) [36]byte {
	text := [36]byte{8: '-', 13: '-', 18: '-', 23: '-'}
	for _, g := range groups {
		hex.Encode(text[g.at:], id[g.from:g.to])
	}
	return text
}

// groups are the bytes of a UUID that are written together, and where.
var groups = [...]struct{ from, to, at int }{{0, 4, 0}, {4, 6, 9}, {6, 8, 14}, {8, 10, 19}, {10, 16, 24}}

// length is how many bytes or items follow, each of a byte at least.
func (c *coder) length(n int) int {
	long := uint64(n)
	number(c, &long)
	if c.reading && long > uint64(len(c.data)) {
		c.fail()
		return 0
	}
	return int(long)
}

// list is nil rather than empty.
func list[T any](c *coder, v *[]T, item func(*coder, *T)) {
	n := c.length(len(*v))
	if c.reading {
		*v = nil
	}
	for i := 0; i < n && c.err == nil; i++ {
		if c.reading {
			var read T
			*v = append(*v, read)
		}
		item(c, &(*v)[i])
	}
}

// table is a map, nil rather than empty.
func table[V any](c *coder, v *map[string]V, value func(*coder, *V)) {
	var keys []string
	if !c.reading && len(*v) > 0 {
		keys = slices.Sorted(maps.Keys(*v))
	}
	list(c, &keys, text)
	if c.reading {
		*v = nil
	}
	for _, key := range keys {
		one := (*v)[key]
		value(c, &one)
		if c.reading {
			if *v == nil {
				*v = make(map[string]V, len(keys))
			}
			(*v)[key] = one
		}
	}
}
