package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/exit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/open"
	"github.com/leasekit/leasekit/lease"
)

func newConfig(env *cmdenv.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Read and change the configuration that all processes of a namespace share",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigGet(env), newConfigSet(env))
	return cmd
}

func newConfigGet(env *cmdenv.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "get [flags] [KEY...]",
		Short:             "Print the configuration, or some of its values",
		ValidArgsFunction: completeSettings("", cobra.ShellCompDirectiveDefault),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				c, err := store.Config(ctx)
				if err != nil {
					return err
				}
				return printConfig(cmd, c, args)
			})
		},
	}
	addFormat(cmd, formatTable, formatJSON)
	return cmd
}

// printConfig prints all settings, or those with these keys. One key alone is
// printed without its name, for scripts.
func printConfig(cmd *cobra.Command, c lease.Config, keys []string) error {
	settings, order, err := settingsOf(c)
	if err != nil {
		return err
	}
	shown := order
	if len(keys) > 0 {
		shown = keys
	}
	chosen := make(map[string]json.RawMessage)
	for _, key := range shown {
		value, ok := settings[key]
		if !ok {
			return usage(cmd, "there is no setting %q, only %s", key, strings.Join(order, ", "))
		}
		chosen[key] = value
	}
	out := cmd.OutOrStdout()
	if wantsJSON(cmd) {
		return writeErr(writeJSON(out, chosen))
	}
	for _, key := range shown {
		text := strings.Trim(string(chosen[key]), `"`)
		if len(keys) != 1 {
			text = key + "=" + text
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return writeErr(err)
		}
	}
	return nil
}

// settingsOf returns the values by their keys, and the keys in order.
func settingsOf(c lease.Config) (map[string]json.RawMessage, []string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, nil, err
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(b, &settings); err != nil {
		return nil, nil, err
	}
	var order []string
	d := json.NewDecoder(bytes.NewReader(b))
	for depth, key := 0, true; ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return settings, order, nil
		}
		if err != nil {
			return nil, nil, err
		}
		switch t := t.(type) {
		case json.Delim:
			depth++ // the values are no objects, so only the outer one counts
			continue
		case string:
			if key {
				order = append(order, t)
			}
		}
		key = !key
	}
}

func newConfigSet(env *cmdenv.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "set [flags] KEY=VALUE...",
		Short: "Change the configuration, all of it or nothing",
		Long: `Set changes settings for all processes of the namespace, while they run. Running leases
keep their terms; renewals obey new caps. Durations are written as 30s, 5m or 1h.`,
		Example:           `  leasekit config set default_ttl=10m max_leases_per_holder=50`,
		ValidArgsFunction: completeSettings("=", cobra.ShellCompDirectiveNoSpace),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, "no KEY=VALUE given")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withStore(cmd, env, func(ctx context.Context, store *open.Store) error {
				c, err := changeConfig(ctx, cmd, store, args)
				if err != nil {
					return err
				}
				return printConfig(cmd, c, nil)
			})
		},
	}
	addFormat(cmd, formatTable, formatJSON)
	return cmd
}

// changeConfig sets the settings on the current configuration, again if somebody
// else was faster.
func changeConfig(ctx context.Context, cmd *cobra.Command, store *open.Store, pairs []string) (lease.Config, error) {
	for attempt := 1; ; attempt++ {
		c, err := store.Config(ctx)
		if err != nil {
			return c, err
		}
		if c, err = withSettings(c, pairs); err != nil {
			return c, usage(cmd, "%w", err)
		}
		c, err = store.SetConfig(ctx, c)
		if err == nil || !errors.Is(err, lease.ErrVersion) || attempt == 5 {
			return c, err
		}
	}
}

// withSettings returns the configuration with some settings changed.
func withSettings(c lease.Config, pairs []string) (lease.Config, error) {
	settings, order, err := settingsOf(c)
	if err != nil {
		return c, err
	}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return c, fmt.Errorf("%q: want KEY=VALUE", pair)
		}
		if _, ok := settings[key]; !ok || key == "version" {
			return c, fmt.Errorf("there is no setting %q to change, only %s", key, strings.Join(order[1:], ", "))
		}
		settings[key] = settingValue(settings[key], value)
	}
	b, err := json.Marshal(settings)
	if err != nil {
		return c, err
	}
	changed := c
	if err := json.Unmarshal(b, &changed); err != nil {
		return c, fmt.Errorf("a value is not of its setting's kind: %w", err)
	}
	return changed, nil
}

// settingValue writes a value as JSON, of the kind that the old one has.
func settingValue(old json.RawMessage, value string) json.RawMessage {
	if b := []byte(value); !bytes.HasPrefix(old, []byte(`"`)) && json.Valid(b) {
		return b
	}
	b, err := json.Marshal(value)
	if err != nil { // a string always has a form in JSON
		return json.RawMessage(`""`)
	}
	return b
}

func newAllow(env *cmdenv.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "allow",
		Short: "Let this tree's .leasekit.json lead to a store outside of the tree",
		Long: `Allow records, in your state directory, that you agree to where the configuration file
of this tree leads now. A checkout could have brought that file along, so until then a
store outside of the tree is refused. If the file names another store later, you are
asked again.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := open.FindConfig(env.Dir)
			switch {
			case err != nil:
				return err
			case c == nil:
				return &exit.Error{Status: exit.Failed, Code: "no_config", Err: errors.New("no " + open.ConfigName + " from here upwards")}
			}
			if err := open.Allow(c, env.Getenv); err != nil {
				return err
			}
			warn(env, "%s may lead to %s", c.File, open.Redacted(c.Store))
			return nil
		},
	}
}
