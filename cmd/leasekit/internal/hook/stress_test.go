package hook_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stressTime is how long TestStress takes; LEASEKIT_STRESS=60s asks for more.
func stressTime(t *testing.T) time.Duration {
	text := os.Getenv("LEASEKIT_STRESS")
	if text == "" {
		return 4 * time.Second
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

const (
	stressSessions = 16
	stressKills    = 5
	stressTTL      = 10 * time.Second
)

// stress is a tree in which sessions work at once, each as a row of processes.
type stress struct {
	*world
	self  string
	files []string

	mutex  sync.Mutex
	owner  map[string]ownership
	lines  map[string][]string // what was written to each file
	faults []string
	calls  int
	passed int
}

// ownership is who may write a file, as far as the test can tell by itself.
type ownership struct {
	session string
	until   time.Time // not free before, unless the session gives it back
}

func (s *stress) fault(format string, args ...any) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// process runs the hook as a process, which is killed after a while if that is
// not zero. It returns false if the process was killed.
func (s *stress) process(input string, kill time.Duration) (answer, bool) {
	cmd := exec.Command(s.self, "hook")
	cmd.Dir, cmd.Env = s.repo, slices.Concat(s.environ, []string{asProgram + "=1"})
	var out, text bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &text
	if err := cmd.Start(); err != nil {
		s.fault("start: %v", err)
		return answer{}, false
	}
	if kill > 0 {
		timer := time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	err := cmd.Wait()
	s.mutex.Lock()
	s.calls++
	s.mutex.Unlock()
	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.ExitCode() < 0 {
		return answer{}, false
	}
	a := answer{status: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: text.String()}
	if strings.Contains(a.stderr, "could not check") || a.status != 0 && a.status != 2 {
		s.fault("hook: %+v", a)
	}
	return a, true
}

// session works until the time is up. It returns early if it is killed.
func (s *stress) session(name string, until time.Time, random *rand.Rand, killed <-chan struct{}) {
	for turn := 0; time.Now().Before(until); turn++ {
		for step := range 1 + random.IntN(4) {
			select {
			case <-killed:
				return // as kill -9 leaves it
			default:
			}
			s.step(name, fmt.Sprintf("%s turn %d step %d", name, turn, step), random)
		}
		s.forget(name)
		s.process(s.input(call{event: "Stop", session: name}), 0)
	}
	s.forget(name)
	s.process(s.input(call{event: "SessionEnd", session: name}), 0)
}

// step is one call of a tool: a write of one or two files, or a shell command.
func (s *stress) step(name, line string, random *rand.Rand) {
	files := []string{s.files[random.IntN(len(s.files))]}
	if other := s.files[random.IntN(len(s.files))]; other != files[0] && random.IntN(3) == 0 {
		files = append(files, other)
	}
	c := call{event: "PreToolUse", session: name, tool: "Write", files: files, id: line}
	if random.IntN(4) == 0 {
		files = files[:1]
		c = call{event: "PreToolUse", session: name, tool: "Bash", command: fmt.Sprintf("printf '%%s\\n' '%s' >> %s", line, files[0]), id: line}
	}
	if random.IntN(4) == 0 {
		// What a sub-agent holds in its own name ends with it.
		c.agent = "sub"
		defer func() {
			s.process(s.input(call{event: "SubagentStop", session: name, agent: "sub"}), 0)
		}()
	}
	kill := time.Duration(0)
	if random.IntN(8) == 0 {
		kill = time.Duration(1+random.IntN(60)) * time.Millisecond // the client does not wait
	}
	asked := time.Now()
	a, answered := s.process(s.input(c), kill)
	if !answered || a.status != 0 {
		if answered && (strings.Contains(a.stderr, "claude:"+name+",") || strings.Contains(a.stderr, "claude:"+name+"/")) {
			s.fault("%s was refused by its own claim: %s", name, a.stderr)
		}
		return
	}
	fresh := s.own(name, files, asked)
	s.write(files, line, c.command)
	c.event = "PostToolUse"
	s.process(s.input(c), 0)
	if c.agent != "" && len(fresh) > 0 {
		s.forget(name, fresh...)
	}
}

// own notes that a session may write files, and that nobody else may: for half a
// TTL at least, to which every call that passes makes sure. A session that is
// killed, or that a busy machine stops for longer, has no right beyond that. It
// returns those that were not the session's.
func (s *stress) own(name string, files []string, asked time.Time) (fresh []string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.passed++
	for _, file := range files {
		o, taken := s.owner[file]
		if taken && o.session != name && time.Now().Before(o.until) {
			s.faults = append(s.faults, fmt.Sprintf("%s writes %s, which %s holds", name, file, o.session))
		}
		if o.session != name {
			fresh = append(fresh, file)
		}
		s.owner[file] = ownership{session: name, until: asked.Add(stressTTL / 2)}
	}
	return fresh
}

// write reads a file, adds a line and writes all of it: who writes at the same
// time loses lines.
func (s *stress) write(files []string, line, command string) {
	for _, file := range files {
		full := filepath.Join(s.repo, file)
		var err error
		if command != "" {
			cmd := exec.Command("sh", "-c", command)
			cmd.Dir = s.repo
			err = cmd.Run()
		} else {
			var b []byte
			if b, err = os.ReadFile(full); err == nil {
				err = os.WriteFile(full, append(b, line+"\n"...), 0o600)
			}
		}
		if err != nil {
			s.fault("write: %v", err)
			continue
		}
		s.mutex.Lock()
		s.lines[file] = append(s.lines[file], line)
		s.mutex.Unlock()
	}
}

// forget ends a session's right to write some files, or all if there are none,
// just before it says so.
func (s *stress) forget(name string, files ...string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for file, o := range s.owner {
		if o.session == name && (len(files) == 0 || slices.Contains(files, file)) {
			delete(s.owner, file)
		}
	}
}

// Sessions work at once, some are killed, some calls are: nobody writes what
// another one holds, no line is lost, nobody is refused by itself, and nothing
// stays taken. Nor is a sub-agent refused by its own session.
func TestStress(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	s := &stress{world: newWorld(t), self: self, owner: make(map[string]ownership), lines: make(map[string][]string)}
	s.configure(fmt.Sprintf(`{"hook": {"ttl": %q}}`, stressTTL))
	for i := range stressSessions {
		name := fmt.Sprintf("file%d.txt", i)
		s.world.write(name, "")
		s.files = append(s.files, name)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	lasts := stressTime(t)
	until := time.Now().Add(lasts)
	var group sync.WaitGroup
	for i := range stressSessions {
		killed := make(chan struct{})
		if i < stressKills {
			timer := time.AfterFunc(lasts*time.Duration(i+1)/(stressKills+1), func() { close(killed) })
			defer timer.Stop()
		}
		group.Go(func() {
			s.session(fmt.Sprintf("session%d", i), until, rand.New(rand.NewPCG(seed, uint64(i))), killed)
		})
	}
	group.Wait()
	require.Empty(t, s.faults)
	require.NotZero(t, s.passed)
	for file, lines := range s.lines {
		b, err := os.ReadFile(filepath.Join(s.repo, file))
		require.NoError(t, err)
		require.ElementsMatch(t, lines, strings.Split(strings.TrimSpace(string(b)), "\n"), file)
	}
	require.Eventually(t, func() bool { return len(s.leases()) == 0 }, stressTTL+eventually, 10*tick, "claims of killed sessions stay")
	t.Logf("%d calls, %d passed", s.calls, s.passed)
}
