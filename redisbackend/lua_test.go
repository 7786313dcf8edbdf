package redisbackend

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// TestLuaFilesParse: each file is Lua by itself, and uses of the constants of Go only those that there are.
func TestLuaFilesParse(t *testing.T) {
	files, err := filepath.Glob("lua/*.lua")
	require.NoError(t, err)
	require.Greater(t, len(files), 15)
	used := map[string]bool{}
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = parse.Parse(strings.NewReader(string(source)), file)
		require.NoError(t, err)
		for _, name := range constantName.FindAllString(string(source), -1) {
			require.Contains(t, constants, name, file)
			used[name] = true
		}
	}
	for name := range constants {
		require.True(t, used[name], "%s is not used", name)
	}
}

// TestEachFunctionIsKnown: what the modules call of each other exists, once, and is called.
func TestEachFunctionIsKnown(t *testing.T) {
	files, err := filepath.Glob("lua/*.lua")
	require.NoError(t, err)
	defined, all := map[string]string{}, ""
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		all += string(source)
		for _, found := range luaFunction.FindAllStringSubmatch(string(source), -1) {
			require.Empty(t, defined[found[1]+found[2]], "%s%s is in %s too", found[1], found[2], file)
			defined[found[1]+found[2]] = file
		}
	}
	calls := regexp.MustCompile(`\bstep\.\w+`).FindAllString(all, -1)
	for _, name := range calls {
		require.Contains(t, defined, name)
	}
	for name, file := range defined {
		n := 0
		for _, call := range calls {
			if call == name {
				n++
			}
		}
		require.True(t, n > 1 || strings.HasPrefix(name, "operations."), "%s of %s is not used", name, file)
	}
}

// TestProgramHasNoGlobals: a name that no file makes local would be a global, which Redis refuses at the first use.
func TestProgramHasNoGlobals(t *testing.T) {
	chunk, err := parse.Parse(strings.NewReader(program().source), "program")
	require.NoError(t, err)
	known := []string{
		"redis", "KEYS", "ARGV", "string", "table", "math", "ipairs", "pairs", "type", "tostring", "tonumber", "unpack",
		"pcall", "error", "setmetatable", "rawget",
	}
	compiled, err := lua.Compile(chunk, "program")
	require.NoError(t, err)
	for _, name := range globals(compiled) {
		require.True(t, slices.Contains(known, name), "%s is not local", name)
	}
}

// globals returns the names of the global variables that a function and those in it read or write.
func globals(f *lua.FunctionProto) []string {
	var names []string
	for _, instruction := range f.Code {
		switch int(instruction >> 26) {
		case lua.OP_GETGLOBAL, lua.OP_SETGLOBAL:
			names = append(names, f.Constants[instruction&(1<<18-1)].String())
		}
	}
	for _, inner := range f.FunctionPrototypes {
		names = append(names, globals(inner)...)
	}
	return names
}
