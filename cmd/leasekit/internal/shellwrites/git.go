package shellwrites

import (
	"slices"
	"strings"
)

// git looks at the git commands that change the work tree, the index or what
// HEAD is. Commands that rewrite files by what is in the repository claim the
// folder they work in: which files differ is not known without running git.
func git(f *finder, c command) {
	s := c.scope
	a := c.args
	for len(a) > 0 && strings.HasPrefix(a[0].text, "-") {
		switch {
		case a[0].text == "-C" && len(a) > 1:
			s = s.subshell()
			cd(f, command{args: args{a[1]}, scope: s})
			a = a[2:]
		case a[0].text == "-c" && len(a) > 1:
			a = a[2:]
		case strings.HasPrefix(a[0].text, "--git-dir"), strings.HasPrefix(a[0].text, "--work-tree"):
			f.unknown("git " + a[0].text)
			return
		default:
			a = a[1:]
		}
	}
	if len(a) == 0 {
		return
	}
	if !a[0].known {
		f.unknown("git " + a[0].text)
		return
	}
	g := gitCommand{finder: f, command: command{name: "git " + a[0].text, args: a[1:], scope: s, in: c.in}}
	if look, ok := gitCommands[a[0].text]; ok {
		look(g)
		return
	}
	if !gitReaders()[a[0].text] {
		f.unknown(g.name)
	}
}

// gitReaders are git commands that change neither files nor the index nor HEAD.
// Branches, tags and what is fetched are the repository's, which git itself
// locks.
var gitReaders = lazySet(`annotate archive blame branch bundle cat-file check-attr check-ignore check-ref-format cherry config count-objects credential
describe diff diff-files diff-index diff-tree difftool fetch for-each-ref format-patch fsck gc grep hash-object help init log ls-files ls-remote ls-tree maintenance
merge-base merge-tree name-rev notes pack-refs prune push range-diff reflog remote repack replace request-pull rev-list rev-parse send-email shortlog
show show-branch show-ref status symbolic-ref tag var verify-commit verify-pack verify-tag version whatchanged --version write-tree`)

type gitCommand struct {
	*finder
	command
}

var gitCommands = map[string]func(gitCommand){
	"add":          func(g gitCommand) { g.unless(g.index, "-n", "--dry-run") },
	"stage":        func(g gitCommand) { g.index() },
	"update-index": func(g gitCommand) { g.index() },
	"read-tree":    func(g gitCommand) { g.index() },
	"commit":       func(g gitCommand) { g.unless(g.indexAndHead, "--dry-run") },
	"commit-tree":  func(gitCommand) {},
	"update-ref":   func(g gitCommand) { g.head() },
	"rm":           gitRemove,
	"mv":           gitMove,
	"checkout":     gitCheckout,
	"switch":       gitSwitch,
	"restore":      gitRestore,
	"reset":        gitReset,
	"stash":        gitStash,
	"clean":        gitClean,
	"apply":        gitApply,
	"am":           gitWhole,
	"merge":        gitWhole,
	"pull":         gitWhole,
	"rebase":       gitWhole,
	"cherry-pick":  gitWhole,
	"revert":       gitWhole,
	"bisect":       gitWhole,
}

// index and head record what names no file: the index and HEAD of the work
// tree.
func (g gitCommand) index() { g.shared(GitIndex) }
func (g gitCommand) head()  { g.shared(GitHead) }

func (g gitCommand) indexAndHead() {
	g.index()
	g.head()
}

func (g gitCommand) shared(name string) {
	root, ok := g.scope.workTree()
	if !ok {
		return // git itself says that it is no repository
	}
	g.writes(g.scope, strings.TrimSuffix(root, "/")+"/"+name)
}

// whole records the whole work tree.
func (g gitCommand) whole() {
	if root, ok := g.scope.workTree(); ok {
		g.writesTree(g.scope, root)
	}
}

// unless does it unless one of the options is given.
func (g gitCommand) unless(do func(), options ...string) {
	for _, one := range g.args {
		if slices.Contains(options, one.text) {
			return
		}
	}
	do()
}

// paths records the files and folders that a git command rewrites.
func (g gitCommand) paths(operands args) {
	g.each(g.command, operands, func(name string) {
		switch {
		case strings.HasPrefix(name, ":"), strings.ContainsAny(name, "*?["): // a pathspec with magic
			g.whole()
		case g.scope.isDir(name):
			g.writesTree(g.scope, name)
		default:
			g.writes(g.scope, name)
		}
	})
}

// split returns the operands before and after "--".
func (g gitCommand) split(withValue string) (options map[string]string, before, after args, dashes bool) {
	for i, one := range g.args {
		if one.known && one.text == "--" {
			c := g.command
			c.args = g.args[:i]
			options, before = c.flags(withValue)
			return options, before, g.args[i+1:], true
		}
	}
	options, before = g.flags(withValue)
	return options, before, nil, false
}

func gitRemove(g gitCommand) {
	options, operands := g.flags("")
	if has(options, "-n", "--dry-run") {
		return
	}
	g.index()
	if !has(options, "--cached") {
		g.paths(operands)
	}
}

func gitMove(g gitCommand) {
	g.index()
	move(g.finder, g.command)
}

// gitCheckout is two commands: with files it rewrites them, else it moves HEAD
// and rewrites what differs.
func gitCheckout(g gitCommand) {
	options, before, after, dashes := g.split("-b -B --orphan")
	switch {
	case dashes:
		g.index()
		g.paths(after)
	case has(options, "-b", "-B", "--orphan") && len(before) == 0:
		g.head() // a new branch from here changes no file
	case len(before) == 1 && before[0].known && g.fileNotBranch(before[0].text):
		g.index()
		g.paths(before)
	case len(before) > 1 && !has(options, "-b", "-B", "--track", "-t"):
		g.index()
		g.paths(before[1:])
	default:
		g.whole()
	}
}

// fileNotBranch guesses what "git checkout WORD" means: git prefers a branch,
// but a word that names a file and ends like one is none.
func (g gitCommand) fileNotBranch(word string) bool {
	_, exists := g.scope.stat(word)
	return exists && (word == "." || strings.ContainsAny(word, "./"))
}

func gitSwitch(g gitCommand) {
	options, operands := g.flags("-c -C --orphan --create")
	if has(options, "-c", "-C", "--create", "--orphan") && len(operands) == 0 {
		g.head()
		return
	}
	g.whole()
}

func gitRestore(g gitCommand) {
	options, before, after, _ := g.split("-s --source")
	staged := has(options, "-S", "--staged")
	if staged {
		g.index()
	}
	if !staged || has(options, "-W", "--worktree") {
		g.paths(append(before, after...))
	}
}

func gitReset(g gitCommand) {
	options, _, _, _ := g.split("")
	switch {
	case has(options, "--hard", "--merge", "--keep"):
		g.whole()
	case has(options, "--soft"):
		g.head()
	default:
		g.indexAndHead()
	}
}

func gitStash(g gitCommand) {
	_, before, after, dashes := g.split("-m --message")
	verb := ""
	if len(before) > 0 {
		verb = before[0].text
	}
	switch verb {
	case "list", "show", "drop", "clear", "create", "store":
		return
	case "push", "save", "":
		if dashes || verb == "push" && len(before) > 1 {
			g.index()
			g.paths(append(before[min(1, len(before)):], after...))
			return
		}
	}
	g.whole()
}

func gitClean(g gitCommand) {
	options, before, after, _ := g.split("-e --exclude")
	if has(options, "-n", "--dry-run") || !has(options, "-f", "--force") {
		return
	}
	if operands := slices.Concat(before, after); len(operands) > 0 {
		g.paths(operands)
		return
	}
	if g.scope.dir != "" {
		g.writesTree(g.scope, g.scope.dir)
	}
}

func gitApply(g gitCommand) {
	options, operands := g.flags("-p --directory --exclude --include -C")
	if has(options, "--check", "--stat", "--numstat", "--summary") && !has(options, "--apply") {
		return
	}
	if has(options, "--cached", "--index", "--3way", "-3") {
		g.index()
	}
	if has(options, "--cached") {
		return
	}
	strip := 1
	if p := options["-p"]; p != "" {
		strip = len(p) * 64 // not known to be right: then nothing is found
		if len(p) == 1 && p[0] >= '0' && p[0] <= '9' {
			strip = int(p[0] - '0')
		}
	}
	texts := []input{g.in}
	if len(operands) > 0 && operands[0].text != "-" {
		texts = nil
		for _, one := range operands {
			if one.known {
				texts = append(texts, g.small(g.scope, one.text))
			} else {
				texts = append(texts, input{})
			}
		}
	}
	for _, in := range texts {
		files := diffFiles(in.text, strip)
		if !in.known || len(files) == 0 || has(options, "--directory") {
			g.unknown(g.name)
		}
		for _, name := range files {
			g.writes(g.scope, name)
		}
	}
}

// gitWhole is for commands that rewrite whatever the commits say.
func gitWhole(g gitCommand) { g.whole() }
