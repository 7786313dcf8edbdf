package redisbackend

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// part is one file of a script, or a piece of it, or what stands between files.
type part struct {
	name, source string
	above        int // lines of the file, before those of the piece
}

// luaPart returns an embedded file, by its name without folder and ending. It panics if there is none: the names
// are constants of this package.
func luaPart(name string) part {
	source, err := luaFiles.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	return part{name: name + ".lua", source: withConstants(string(source))}
}

// chunk are the files that run in each call, in their order.
var chunk = []string{"state", "uncontended", "batch", "finish"}

// moduleLoader stands in lua/batch.lua for the function that defines the module of a name.
const moduleLoader = "moduleLoader"

var luaFunction = regexp.MustCompile(`(?m)^function (step\.|operations\.)(\w+)`)

// program is what all operations run on: the chunk, and every other file as a module, which lua/batch.lua defines when
// one of its functions is first needed.
// It is put together at the first call: a program that only links this package does not pay for it.
var program = sync.OnceValue(func() *script { return newScript(assemble()...) })

// assemble returns the parts of the program, with more modules.
func assemble(more ...part) []part {
	entries, err := luaFiles.ReadDir("lua")
	if err != nil {
		panic(err)
	}
	for _, entry := range entries {
		if name := strings.TrimSuffix(entry.Name(), ".lua"); !slices.Contains(chunk, name) {
			more = append(more, luaPart(name))
		}
	}
	var modules []part
	where := " " // the functions of each module, as lua/batch.lua looks them up
	for _, module := range more {
		name := strings.TrimSuffix(module.name, ".lua")
		for _, found := range luaFunction.FindAllStringSubmatch(module.source, -1) {
			prefix := ""
			if found[1] == "operations." {
				prefix = ":"
			}
			where += prefix + found[2] + "=" + name + " "
		}
		modules = append(modules, part{name: "load", source: "if name == '" + name + "' then"}, module, part{name: "load", source: "end"})
	}
	parts := []part{{name: "load", source: "local WHERE = '" + where + "'"}}
	for _, name := range chunk {
		file := luaPart(name)
		before, after, here := strings.Cut(file.source, moduleLoader)
		if !here {
			parts = append(parts, file)
			continue
		}
		parts = append(parts, part{name: file.name, source: before + "function(name)"})
		parts = append(parts, modules...)
		parts = append(parts, part{name: file.name, source: "end" + after, above: strings.Count(before, "\n")})
	}
	return parts
}

// script is a Lua program made of parts that share one scope: what one part makes local, the later ones see.
//
// The server may forget a script at any time (restart, failover, SCRIPT FLUSH) and may run one twice, since go-redis
// sends a call again when its reply was lost. So each run names the script by its hash and sends the source only if
// the server does not know it, and operations are made to be repeated.
type script struct {
	parts  []part
	source string
	hash   string
}

func newScript(parts ...part) *script {
	var source strings.Builder
	for _, p := range parts {
		source.WriteString(strings.TrimSuffix(p.source, "\n"))
		source.WriteByte('\n')
	}
	sum := sha1.Sum([]byte(source.String()))
	return &script{parts: parts, source: source.String(), hash: hex.EncodeToString(sum[:])}
}

// run runs the script. It blocks for as long as go-redis does, which looks at ctx while it waits for a connection,
// but not while it waits for the reply; see await. A nil reply is no error.
func (s *script) run(ctx context.Context, client redis.Scripter, keys []string, args ...any) (any, error) {
	reply, err := client.EvalSha(ctx, s.hash, keys, args...).Result()
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, err = client.Eval(ctx, s.source, keys, args...).Result()
	}
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		return reply, nil
	default:
		followCluster(ctx, client, err)
		return nil, s.locate(err)
	}
}

// replies returns the replies of a script that has lua/batch.lua, an error among them for each operation that
// failed.
func (s *script) replies(reply any) ([]any, error) {
	replies, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("a batch was answered with a %T", reply)
	}
	for i, element := range replies {
		if failure, ok := element.(error); ok {
			replies[i] = s.locate(failure)
		}
	}
	return replies, nil
}

// followCluster makes a Cluster client look for the new master after a call that brought no reply. go-redis itself
// looks once a minute, or when a node says MOVED, which a dead one does not.
func followCluster(ctx context.Context, client any, err error) {
	var fromServer redis.Error
	if errors.As(err, &fromServer) {
		return
	}
	if cluster, ok := client.(interface{ ReloadState(context.Context) }); ok {
		cluster.ReloadState(ctx) // in the background
	}
}

// scriptLine finds the line number in an error of Redis ("user_script:12: ...") or miniredis (":12: ...").
var scriptLine = regexp.MustCompile(`(?:\s|user_script):(\d+):`)

// locate adds the file and its line to an error that names a line of the whole script.
func (s *script) locate(err error) error {
	found := scriptLine.FindStringSubmatch(err.Error())
	if found == nil {
		return err
	}
	line, _ := strconv.Atoi(found[1])
	for _, p := range s.parts {
		lines := strings.Count(strings.TrimSuffix(p.source, "\n"), "\n") + 1
		if line <= lines {
			return fmt.Errorf("%s:%d: %w", p.name, p.above+line, err)
		}
		line -= lines
	}
	return err
}
