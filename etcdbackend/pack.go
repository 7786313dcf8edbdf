package etcdbackend

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// coded is what can be stored: a head, a segment of the log, events.
type coded interface{ code(c *coder) }

// The first byte of a value that pack wrote.
const (
	plain = iota
	compressed
)

const (
	leastPacked = 1 << 10
	mostPacked  = 64 << 20 // no transaction has that much
)

// packer is what pack uses, again and again.
type packer struct {
	coder
	flate *flate.Writer
	out   bytes.Buffer
}

var packers = sync.Pool{New: func() any {
	p := &packer{}
	p.flate, _ = flate.NewWriter(&p.out, flate.BestSpeed) // the level is a valid one
	return p
}}

// pack returns the value of a key. Records and events are much alike, and are
// most of what a namespace takes up: more than a few are compressed. base is a
// moment that those of the value are near to.
func pack(value coded, base int64) (string, error) {
	p := packers.Get().(*packer)
	defer packers.Put(p)
	p.coder = coder{data: append(p.data[:0], plain), base: base}
	value.code(&p.coder)
	if len(p.data) < leastPacked {
		return string(p.data), nil
	}
	p.out.Reset()
	p.out.WriteByte(compressed)
	p.flate.Reset(&p.out)
	if _, err := p.flate.Write(p.data[1:]); err != nil {
		return "", err
	}
	err := p.flate.Close()
	return p.out.String(), err
}

// unpack reads what pack wrote.
func unpack(kv *mvccpb.KeyValue, into coded) error {
	c := coder{reading: true, data: kv.Value}
	var form uint8
	number(&c, &form)
	switch form {
	case plain:
	case compressed:
		r := flate.NewReader(bytes.NewReader(c.data))
		c.data, c.err = io.ReadAll(io.LimitReader(r, mostPacked))
	default:
		c.err = fmt.Errorf("%w: it begins with %d", ErrNewerLayout, form)
	}
	if c.err == nil {
		into.code(&c)
	}
	if c.err == nil && len(c.data) > 0 {
		c.err = errCutShort
	}
	if c.err != nil {
		return fmt.Errorf("the value of %q: %w", kv.Key, c.err)
	}
	return nil
}

// decode reads a value that is JSON.
func decode[T any](key, value []byte) (T, error) {
	var into T
	if err := json.Unmarshal(value, &into); err != nil {
		return into, fmt.Errorf("the value of %q: %w", key, err)
	}
	return into, nil
}
