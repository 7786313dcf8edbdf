package lease

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Key returns a path for a key that is not one: any text, with slashes, dots,
// invalid UTF-8, or empty. It is a single part, so that no tree but the root's
// covers it, and different keys have different paths. What a file name may
// have is left as it is; the rest is written as %XX. A key whose path would be
// longer than [MaxPathBytes] is named by its SHA-256.
func Key(key string) string {
	var b strings.Builder
	for i := 0; i < len(key); {
		r, size := utf8.DecodeRuneInString(key[i:])
		if escapes(r, size) {
			for _, c := range []byte(key[i : i+size]) {
				b.WriteByte('%')
				b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{c})))
			}
		} else {
			b.WriteString(key[i : i+size])
		}
		i += size
	}
	switch path := b.String(); {
	case path == "":
		return "%" // followed by no digits, so it is no other key's
	case path == "." || path == "..":
		return strings.ReplaceAll(path, ".", "%2E")
	case len(path) > MaxPathBytes:
		sum := sha256.Sum256([]byte(key))
		return "%sha256-" + hex.EncodeToString(sum[:])
	default:
		return path
	}
}

// escapes reports whether a character is written as %XX.
func escapes(r rune, size int) bool {
	return r == '/' || r == '%' || r < ' ' || r == 0x7f || r == utf8.RuneError && size == 1
}
