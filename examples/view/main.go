// View: the live page over some agents that share a source tree. It runs for
// three seconds, looks at what it serves, and checks it. To look for yourself:
//
//	go run ./examples/view -listen localhost:8080
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/leasekit/leasekit/backend/memory"
	"github.com/leasekit/leasekit/view"
)

func main() {
	listen := flag.String("listen", "", "serve there until interrupted, instead of three seconds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *listen)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := memory.New(nil)
	defer m.Close()

	// Who may end leases is the application's decision: here, whoever looks,
	// since the page is served to this machine only.
	page := view.Handler(m, &view.Options{
		Title:   "Example",
		Context: ctx,
		Allow:   func(*http.Request, view.Action) bool { return true },
	})
	mux := http.NewServeMux()
	mux.Handle("/leases/", http.StripPrefix("/leases", page))

	address := listen
	if address == "" {
		address = "localhost:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	server.RegisterOnShutdown(cancel) // ends the streams
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	url := fmt.Sprintf("http://%s/leases/", listener.Addr())
	fmt.Println("look at", url)

	working := make(chan error, 1)
	go func() { working <- agents(ctx, m) }()
	if listen == "" {
		err = look(ctx, url)
	} else {
		select {
		case <-ctx.Done():
		case err = <-served:
		}
	}
	closing, done := context.WithTimeout(context.Background(), 5*time.Second)
	defer done()
	return errors.Join(err, server.Shutdown(closing), <-working)
}

// look reads the JSON form of the page until it has seen somebody wait.
func look(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	began := time.Now()
	most := 0
	for tick := time.Tick(50 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			return errors.New("nobody waited")
		case <-tick:
		}
		var now struct {
			Active, Pending int
			Rows            []struct{ Kind, Path, Holder string }
		}
		if err := get(ctx, url+"api/now?view=list", &now); err != nil {
			return err
		}
		if len(now.Rows) != now.Active+now.Pending {
			return fmt.Errorf("%d rows for %d leases and %d waiters", len(now.Rows), now.Active, now.Pending)
		}
		most = max(most, now.Pending)
		if most > 0 && time.Since(began) > 3*time.Second {
			fmt.Printf("%d leases are held; up to %d waited\n", now.Active, most)
			return nil
		}
	}
}

func get(ctx context.Context, url string, value any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(value)
}
