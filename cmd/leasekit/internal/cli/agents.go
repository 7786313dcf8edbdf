package cli

import (
	"github.com/spf13/cobra"

	"github.com/leasekit/leasekit/cmd/leasekit/internal/agentinit"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/cmdenv"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/hook"
	"github.com/leasekit/leasekit/cmd/leasekit/internal/mcpserver"
)

// agents are the commands for coding agents and who sets them up.
func agents(env *cmdenv.Env) []*cobra.Command {
	return []*cobra.Command{
		hook.Command(env), hook.PrecommitCommand(env), agentinit.InitCommand(env), agentinit.DoctorCommand(env),
		mcpserver.Command(env),
	}
}
