// Package manual writes the commands' own words as one page: Markdown for
// docs/cli.md, or roff for man.
package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands yields the command and all below it that people see, in order.
func commands(c *cobra.Command, yield func(*cobra.Command)) {
	yield(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			commands(sub, yield)
		}
	}
}

// description is what a command says of itself.
func description(c *cobra.Command) string {
	if c.Long != "" {
		return strings.TrimSpace(c.Long)
	}
	return c.Short + "."
}

// flag is a flag in words: "-o, --output format" and what it does.
func flag(f *pflag.Flag) (name, text string) {
	value, usage := pflag.UnquoteUsage(f)
	name = "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if value != "" {
		name += " " + value
	}
	switch f.DefValue {
	case "", "0", "false", "[]", "0s":
	default:
		if !strings.Contains(usage, "(default") {
			usage += " (default: " + f.DefValue + ")"
		}
	}
	return name, usage
}

// flags yields the flags of a command that people see.
func flags(set *pflag.FlagSet, yield func(name, text string)) {
	set.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			yield(flag(f))
		}
	})
}

// Markdown returns the page in Markdown. Intro comes after the title.
func Markdown(root *cobra.Command, intro string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", root.Name(), strings.TrimSpace(intro))
	b.WriteString("| command | does |\n|---|---|\n")
	commands(root, func(c *cobra.Command) {
		if c.Runnable() && c != root && !c.HasSubCommands() {
			fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), anchor(c), strings.ReplaceAll(c.Short, "|", `\|`))
		}
	})
	b.WriteString("\n## Flags of every command\n\n")
	markdownFlags(&b, root.PersistentFlags())
	commands(root, func(c *cobra.Command) {
		if c == root || c.HasSubCommands() {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n\n%s\n", c.CommandPath(), c.UseLine(), paragraphs(description(c)))
		if c.Example != "" {
			fmt.Fprintf(&b, "\n```sh\n%s\n```\n", unindent(c.Example))
		}
		if c.HasAvailableLocalFlags() {
			b.WriteByte('\n')
			markdownFlags(&b, c.LocalNonPersistentFlags())
		}
	})
	return b.String()
}

func markdownFlags(b *strings.Builder, set *pflag.FlagSet) {
	b.WriteString("| flag | meaning |\n|---|---|\n")
	flags(set, func(name, text string) {
		fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.ReplaceAll(text, "|", `\|`))
	})
}

// anchor is how Markdown's headings are linked to.
func anchor(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// paragraphs marks the indented lines of a text as code.
func paragraphs(text string) string {
	parts := strings.Split(text, "\n\n")
	for i, p := range parts {
		if strings.HasPrefix(p, "  ") {
			parts[i] = "```\n" + unindent(p) + "\n```"
		}
	}
	return strings.Join(parts, "\n\n")
}

func unindent(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}

// Man returns the page in roff, for man(1).
func Man(root *cobra.Command) string {
	var b strings.Builder
	name := root.Name()
	fmt.Fprintf(&b, ".TH %s 1\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), name, roff(root.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n[flags] command\n", name)
	if root.Long != "" {
		b.WriteString(".SH DESCRIPTION\n")
		roffText(&b, root.Long)
	}
	b.WriteString(".SH OPTIONS OF EVERY COMMAND\n")
	roffFlags(&b, root.PersistentFlags())
	b.WriteString(".SH COMMANDS\n")
	commands(root, func(c *cobra.Command) {
		if c == root || c.HasSubCommands() {
			return
		}
		fmt.Fprintf(&b, ".SS %s\n", roff(c.UseLine()))
		roffText(&b, description(c))
		if c.Example != "" {
			roffText(&b, c.Example)
		}
		roffFlags(&b, c.LocalNonPersistentFlags())
	})
	return b.String()
}

// roffText writes paragraphs; indented ones keep their lines.
func roffText(b *strings.Builder, text string) {
	for p := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(p, "  ") {
			fmt.Fprintf(b, ".PP\n.nf\n%s\n.fi\n", roff(p))
		} else {
			fmt.Fprintf(b, ".PP\n%s\n", roff(p))
		}
	}
}

func roffFlags(b *strings.Builder, set *pflag.FlagSet) {
	flags(set, func(name, text string) {
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(name), roff(text))
	})
}

// roff escapes what roff would take for its own: backslashes, hyphens, and
// lines that begin with a dot or a quote.
func roff(text string) string {
	lines := strings.Split(strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
