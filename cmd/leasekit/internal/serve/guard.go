package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// guarded lets in who brings the token. Without one, only requests that name
// this machine are served: a site whose name was made to point here (DNS
// rebinding) is not.
func (s *server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.token == "" && !s.knows(r.Host):
			http.Error(w, "not by this name: --host allows others", http.StatusMisdirectedRequest)
		case s.token != "" && !s.admits(r):
			w.Header().Set("WWW-Authenticate", `Basic realm="leasekit", charset="UTF-8"`)
			http.Error(w, "the token is needed: as a password, or Authorization: Bearer", http.StatusUnauthorized)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *server) admits(r *http.Request) bool {
	_, given, ok := r.BasicAuth()
	if !ok {
		var scheme string
		scheme, given, ok = strings.Cut(r.Header.Get("Authorization"), " ")
		ok = ok && strings.EqualFold(scheme, "Bearer")
	}
	// Hashes, so that the time it takes tells nothing, not even the length.
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.token))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1 && ok
}

// knows reports whether a request's Host is one that this server goes by.
func (s *server) knows(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	if isLoopback(host) {
		return true
	}
	for _, h := range s.hosts {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

func hostsOf(listen string, more []string) []string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil || host == "" {
		return more
	}
	return append([]string{host}, more...)
}

// actor names who made a request: the user of a password prompt, and from where.
func actor(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if user, _, ok := r.BasicAuth(); ok && user != "" {
		return clip(user, 128) + " (leasekit serve, from " + host + ")"
	}
	return "leasekit serve, from " + host
}

// clip cuts a name that is longer than what the history takes.
func clip(name string, most int) string {
	if len(name) > most {
		name = name[:most]
	}
	return strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), "")
}
