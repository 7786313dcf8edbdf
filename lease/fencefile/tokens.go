package fencefile

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// used is a token, and the lease that used it.
type used struct {
	token lease.Token
	by    uint64 // a digest of the lease's ID and holder
}

func usedBy(ref lease.Ref) used {
	sum := sha256.Sum256([]byte(string(ref.ID) + "\x00" + ref.Holder))
	return used{token: ref.Token, by: binary.BigEndian.Uint64(sum[:8])}
}

// A path's index file has two slots, each a line of text with a checksum, in a
// disk sector of its own. A token is written over the older slot. So a write
// that is cut short damages only the slot that was of no use any more, and the
// token that was to be written had not been relied on yet.
const (
	slots      = 2
	slotOffset = 512
	slotFormat = "leasekit %020d by %016x" // then the checksum of that
)

// readTokens returns the newest token in the file, 0 if there never was one,
// and the slot for the next.
func readTokens(f *os.File) (newest used, free int, err error) {
	damaged := 0
	for slot := range slots {
		var line [64]byte
		n, err := f.ReadAt(line[:], int64(slot)*slotOffset)
		if err != nil && !errors.Is(err, io.EOF) {
			return used{}, 0, err
		}
		u, ok := parseSlot(string(line[:n]))
		switch {
		case !ok:
			damaged++
		case u.token > newest.token:
			newest, free = u, 1-slot
		}
	}
	if newest.token == 0 && damaged == slots {
		return used{}, 0, fmt.Errorf("%w: %s", ErrDamaged, f.Name())
	}
	return newest, free, nil
}

// writeToken puts the token into the slot, durably.
func writeToken(f *os.File, slot int, u used) error {
	if _, err := f.WriteAt([]byte(formatSlot(u)), int64(slot)*slotOffset); err != nil {
		return err
	}
	return f.Sync()
}

func formatSlot(u used) string {
	text := fmt.Sprintf(slotFormat, u.token, u.by)
	return fmt.Sprintf("%s %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

// parseSlot returns what is in a slot: nothing in one that was never written,
// which is missing or, after a hole or a loss of power, zero.
func parseSlot(text string) (used, bool) {
	text = strings.TrimRight(text, "\x00")
	if text == "" {
		return used{}, true
	}
	var u used
	if _, err := fmt.Sscanf(text, slotFormat, &u.token, &u.by); err != nil {
		return used{}, false
	}
	return u, formatSlot(u) == text
}
