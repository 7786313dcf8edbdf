// Written by leasekit init opencode; "leasekit init opencode --remove" removes it.
// Before a tool writes files it asks leasekit, which claims them for the session,
// or says who holds them.
import { spawn } from "node:child_process"

const program = "LEASEKIT_PROGRAM"
const onError = "LEASEKIT_ON_ERROR"

const parents = new Map() // session of a sub-agent -> its parent's session
const sessions = new Set()

function ask(event, body) {
  return new Promise((done) => {
    const args = ["hook", "--host", "opencode"]
    if (onError) args.push("--on-error", onError)
    const p = spawn(program, args, { stdio: ["pipe", "ignore", "pipe"] })
    let text = ""
    p.stderr.on("data", (data) => (text += data))
    p.on("error", (error) => done({ code: -1, text: String(error) }))
    p.on("close", (code) => done({ code, text: text.trim() }))
    p.stdin.on("error", () => {})
    p.stdin.end(JSON.stringify({ host: "opencode", hook_event_name: event, ...body }))
  })
}

// A session's end must not wait for a program that hangs.
const soon = (promise) => Promise.race([promise, new Promise((done) => setTimeout(done, 1000))])

const names = (id) => (parents.has(id) ? { session_id: id, parent_id: parents.get(id) } : { session_id: id })

export const Leasekit = async ({ directory }) => ({
  event: async ({ event }) => {
    const info = event.properties?.info
    if (event.type === "session.created" && info?.parentID) parents.set(info.id, info.parentID)
    if (event.type === "session.idle") await soon(ask("session.idle", { ...names(event.properties?.sessionID), directory }))
    if (event.type === "session.deleted" && info?.id) await soon(ask("session.deleted", { ...names(info.id), directory }))
  },
  "chat.message": async (input, output) => {
    const prompt = (output.parts ?? []).map((part) => part.text ?? "").join(" ")
    await ask("chat.message", { ...names(input.sessionID), directory, prompt })
  },
  "tool.execute.before": async (input, output) => {
    sessions.add(input.sessionID)
    const answer = await ask("tool.execute.before", { ...names(input.sessionID), directory, hook_input: input, hook_output: { args: output.args } })
    if (answer.code === 2) throw new Error(answer.text)
    if (answer.code !== 0 && onError === "deny") throw new Error("leasekit hook failed: " + answer.text)
    if (answer.code !== 0) console.error("leasekit hook failed, nothing was claimed: " + answer.text)
  },
  "tool.execute.after": async (input, output) => {
    const answer = await ask("tool.execute.after", { ...names(input.sessionID), directory, hook_input: input })
    if (answer.code === 2 && typeof output.output === "string") output.output += "\n\n" + answer.text
  },
  // Our command in the session's shell is the session itself.
  "shell.env": async (input, output) => {
    const id = input.sessionID
    if (id) output.env.LEASEKIT_HOLDER = parents.has(id) ? `opencode:${parents.get(id)}/${id}` : `opencode:${id}`
  },
  dispose: async () => {
    await soon(Promise.all([...sessions].map((id) => ask("session.deleted", { ...names(id), directory }))))
  },
})
