package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// story is what happens, in order.
func (w *world) story(ctx context.Context) error {
	claude, codex, gemini := &agent{world: w, host: "claude"}, &agent{world: w, host: "codex"}, &agent{world: w, host: "gemini"}
	for _, a := range []*agent{claude, codex, gemini} {
		if _, _, err := a.hook(ctx, "prompt", "", ""); err != nil {
			return err
		}
	}
	for _, part := range []func(ctx context.Context, claude, codex, gemini *agent) error{w.refused, w.roundByShell, w.killed, w.gate} {
		if err := part(ctx, claude, codex, gemini); err != nil {
			return err
		}
	}
	return w.audit(ctx)
}

// refused: who comes second is told who holds the file.
func (w *world) refused(ctx context.Context, claude, codex, _ *agent) error {
	if err := claude.write(ctx, "plan.md", "claude's first line"); err != nil {
		return err
	}
	if err := codex.write(ctx, "plan.md", "never written"); !errors.Is(err, errRefused) {
		return fmt.Errorf("codex was not refused: %v", err)
	}
	return codex.write(ctx, "api.md", "codex' first line") // something else meanwhile
}

// roundByShell: a command that says what it writes is refused like a write; one
// that does not say is told afterwards what it has changed.
func (w *world) roundByShell(ctx context.Context, claude, _, gemini *agent) error {
	refused, words, err := gemini.hook(ctx, "before-shell", "", "echo gemini >> plan.md")
	if err != nil || !refused {
		return fmt.Errorf("gemini's command was not refused: %v %s", err, words)
	}
	gemini.say("is refused \"echo gemini >> plan.md\"")

	const script = "sh append.sh"
	text := "echo \"gemini's line by a script\" >> plan.md\n"
	if err := os.WriteFile(filepath.Join(w.repo, "append.sh"), []byte(text), 0o600); err != nil {
		return err
	}
	if refused, words, err = gemini.hook(ctx, "before-shell", "", script); err != nil || refused {
		return fmt.Errorf("what a script writes cannot be known: %v %s", err, words)
	}
	if out, status := w.command(ctx, nil, "sh", "append.sh"); status != 0 {
		return errors.New(out)
	}
	w.written["plan.md"] = append(w.written["plan.md"], "gemini's line by a script")
	told, words, err := gemini.hook(ctx, "after-shell", "", script)
	if err != nil || !told || !strings.Contains(words, "plan.md") {
		return fmt.Errorf("gemini was not told: %v %s", err, words)
	}
	gemini.say("goes round by %q, and is told:\n%s", script, indent(words))
	return claude.write(ctx, "plan.md", "claude's second line")
}

// killed: an agent that says nothing any more keeps its file until its lease
// ends; who waits in line gets it then.
func (w *world) killed(ctx context.Context, claude, codex, gemini *agent) error {
	claude.say("is killed")
	begun := time.Now()
	if err := codex.write(ctx, "plan.md", "codex' line in the plan", "--wait", "40s"); err != nil {
		return err
	}
	codex.say("had waited %v for it", time.Since(begun).Round(100*time.Millisecond))
	if _, _, err := codex.hook(ctx, "turn-end", "", ""); err != nil {
		return err
	}
	codex.say("ends its turn: its files are free")
	return gemini.write(ctx, "plan.md", "gemini's line by its tool")
}

// gate: git refuses a commit of files that somebody else is writing.
func (w *world) gate(ctx context.Context, _, codex, gemini *agent) error {
	if err := codex.write(ctx, "api.md", "codex' second line"); err != nil {
		return err
	}
	const session = "GEMINI_SESSION_ID=75804c85-fe24-4d5d-a5dc-e307e7cb18b7"
	if out, status := w.command(ctx, nil, "git", "add", "plan.md", "api.md"); status != 0 {
		return errors.New(out)
	}
	out, status := w.command(ctx, []string{session}, "git", "commit", "-qm", "all of it")
	if status == 0 || !strings.Contains(out, "api.md, held by codex:") {
		return fmt.Errorf("the commit passed: %s", out)
	}
	gemini.say("commits, and git says:\n%s", indent(out))
	if _, _, err := codex.hook(ctx, "turn-end", "", ""); err != nil {
		return err
	}
	if out, status := w.command(ctx, []string{session}, "git", "commit", "-qm", "all of it"); status != 0 {
		return errors.New(out)
	}
	gemini.say("commits after codex' turn has ended")
	_, _, err := gemini.hook(ctx, "turn-end", "", "")
	return err
}

// audit: no write is lost, and the history proves that nobody held what another
// one held.
func (w *world) audit(ctx context.Context) error {
	lines, err := w.check()
	if err != nil {
		return err
	}
	if out, status := w.command(ctx, nil, w.program, "audit"); status != 0 {
		return fmt.Errorf("audit: %s", out)
	}
	if out, status := w.command(ctx, nil, w.program, "ls", "-o", "name"); status != 0 || strings.TrimSpace(out) != "" {
		return fmt.Errorf("leases are left: %s", out)
	}
	fmt.Printf("\nall %d lines that three agents wrote are there, the audit is clean, no lease is left\n", lines)
	return nil
}
