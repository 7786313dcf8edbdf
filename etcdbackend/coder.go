package etcdbackend

import (
	"encoding/binary"
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
	if !c.reading {
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
