package view

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed page
var page embed.FS

// version is a hash of all files of the page: the same ETag for each, so that
// a browser never mixes two versions of the page.
var version = sync.OnceValue(func() string {
	hash := sha256.New()
	_ = fs.WalkDir(page, "page", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			content, _ := page.ReadFile(name) // embedded: it is there
			hash.Write(content)
		}
		return err
	})
	return `"` + hex.EncodeToString(hash.Sum(nil)[:12]) + `"`
})

var indexPage = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(page, "page/index.html"))
})

// index serves the one HTML page.
func (h *handler) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = indexPage().Execute(w, h.options.Title) // who asked may have left
}

// types are set here, since those of the system may be anything.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// asset serves a file of the page.
func (h *handler) asset(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	kind, ok := types[path.Ext(name)]
	content, err := page.ReadFile(name)
	if err != nil || !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache") // asks again, and mostly gets 304
	w.Header().Set("ETag", version())
	if r.Header.Get("If-None-Match") == version() {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(content)
}
