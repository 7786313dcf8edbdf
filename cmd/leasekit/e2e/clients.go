package main

import (
	"fmt"
	"path/filepath"
)

// client is how one client is configured and started. Versions are pinned in
// .ci/clients.
type client struct {
	init    string // its name for "leasekit init"
	environ func(address string) []string
	files   func(address string) map[string]string // in the home
	command func(folder, prompt string) []string
	tools   tools
}

// tools are a client's names for what the script does.
type tools struct {
	write, file, content string
	read                 string
	shell                string
}

var clients = map[string]client{
	"gemini": {
		init: "gemini",
		environ: func(address string) []string {
			return []string{"GEMINI_API_KEY=dummy", "GOOGLE_GEMINI_BASE_URL=http://" + address, "GEMINI_CLI_TRUST_WORKSPACE=true", "GEMINI_CLI_NO_RELAUNCH=true"}
		},
		files: func(string) map[string]string {
			return map[string]string{".gemini/settings.json": `{
  "security": {"auth": {"selectedType": "gemini-api-key"}},
  "general": {"enableAutoUpdate": false},
  "privacy": {"usageStatisticsEnabled": false}
}
`}
		},
		command: func(folder, prompt string) []string {
			return []string{"node", filepath.Join(folder, "node_modules/@google/gemini-cli/bundle/gemini.js"), "-m", "gemini-2.5-flash", "--yolo", "-p", prompt}
		},
		tools: tools{write: "write_file", file: "file_path", content: "content", read: "read_file", shell: "run_shell_command"},
	},
	"opencode": {
		init:    "opencode",
		environ: func(string) []string { return []string{"OPENCODE_DISABLE_AUTOUPDATE=true"} },
		files: func(address string) map[string]string {
			return map[string]string{".config/opencode/opencode.json": fmt.Sprintf(`{
  "autoupdate": false, "share": "disabled", "model": "fake/fake", "small_model": "fake/fake",
  "provider": {"fake": {"npm": "@ai-sdk/openai-compatible", "name": "fake", "options": {"baseURL": "http://%s/v1", "apiKey": "dummy"}, "models": {"fake": {"name": "fake"}}}}
}
`, address)}
		},
		command: func(folder, prompt string) []string {
			return []string{filepath.Join(folder, "node_modules/opencode-linux-x64/bin/opencode"), "run", "--model", "fake/fake", prompt}
		},
		tools: tools{write: "write", file: "filePath", content: "content", read: "read", shell: "bash"},
	},
}
