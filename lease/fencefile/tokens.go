package fencefile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/leasekit/leasekit/lease"
)

// A path's index file has two slots, each a line of text with a checksum, in a
// disk sector of its own. A token is written over the older slot. So a write
// that is cut short damages only the slot that was of no use any more, and the
// token that was to be written had not been relied on yet.
const (
	slots      = 2
	slotOffset = 512
	slotFormat = "leasekit fence %020d" // then the checksum of that
)

// readTokens returns the newest token in the file, 0 if there never was one,
// and the slot for the next.
func readTokens(f *os.File) (newest lease.Token, free int, err error) {
	damaged := 0
	for slot := range slots {
		var line [64]byte
		n, err := f.ReadAt(line[:], int64(slot)*slotOffset)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, 0, err
		}
		token, ok := parseSlot(string(line[:n]))
		switch {
		case !ok:
			damaged++
		case token > newest:
			newest, free = token, 1-slot
		}
	}
	if newest == 0 && damaged == slots {
		return 0, 0, fmt.Errorf("%w: %s", ErrDamaged, f.Name())
	}
	return newest, free, nil
}

// writeToken puts the token into the slot, durably.
func writeToken(f *os.File, slot int, token lease.Token) error {
	if _, err := f.WriteAt([]byte(formatSlot(token)), int64(slot)*slotOffset); err != nil {
		return err
	}
	return f.Sync()
}

func formatSlot(token lease.Token) string {
	text := fmt.Sprintf(slotFormat, token)
	return fmt.Sprintf("%s %08x\n", text, crc32.ChecksumIEEE([]byte(text)))
}

// parseSlot returns the token of a slot: 0 of one that was never written, which
// is missing or, after a hole or a loss of power, zero.
func parseSlot(text string) (lease.Token, bool) {
	text = strings.TrimRight(text, "\x00")
	if text == "" {
		return 0, true
	}
	var token lease.Token
	if _, err := fmt.Sscanf(text, slotFormat, &token); err != nil {
		return 0, false
	}
	return token, formatSlot(token) == text
}
