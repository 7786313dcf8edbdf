package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// model is a server that speaks as much of the Gemini API and of OpenAI's Chat
// Completions as the clients need, and plays the script.
type model struct {
	*script
	address string
	server  *http.Server
}

func newModel(t tools) (*model, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &model{script: newScript(t), address: l.Addr().String()}
	m.server = &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	go func() { _ = m.server.Serve(l) }() // ends with close
	return m, nil
}

func (m *model) close() { _ = m.server.Close() }

func (m *model) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, ":countTokens"):
		reply(w, map[string]any{"totalTokens": 10})
	case strings.HasSuffix(path, ":generateContent"):
		reply(w, m.gemini(r, body))
	case strings.HasSuffix(path, ":streamGenerateContent"):
		events(w, m.gemini(r, body))
	case strings.HasSuffix(path, "/chat/completions"):
		m.chat(w, r, body)
	default:
		http.NotFound(w, r)
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client that has gone needs no answer
}

func events(w http.ResponseWriter, all ...any) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, v := range all {
		b, err := json.Marshal(v)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(w, "data: %s\r\n\r\n", b)
	}
}

var partName = regexp.MustCompile(`SCRIPT:(\w+)`)

// plan finds the part of the script by what the user has said. Requests without
// tools are the client's own questions, about a title and the like.
func (m *model) plan(r *http.Request, user string, results []string, tools bool) step {
	names := partName.FindAllStringSubmatch(user, -1)
	if len(names) == 0 || !tools {
		return step{text: "ok"}
	}
	return m.next(r.Context(), names[len(names)-1][1], results)
}

// gemini answers a request of the Gemini API.
func (m *model) gemini(r *http.Request, body []byte) any {
	var request struct {
		Contents []struct {
			Role  string
			Parts []struct {
				Text             string
				FunctionResponse *struct{ Response json.RawMessage }
			}
		}
		Tools            []json.RawMessage
		GenerationConfig struct{ ResponseMIMEType string }
	}
	if err := json.Unmarshal(body, &request); err != nil {
		m.note("request: %v", err)
	}
	var user strings.Builder
	var results []string
	for _, c := range request.Contents {
		for _, p := range c.Parts {
			switch {
			case p.FunctionResponse != nil:
				results = append(results, string(p.FunctionResponse.Response))
			case c.Role == "user":
				user.WriteString(p.Text + "\n")
			}
		}
	}
	next := m.plan(r, user.String(), results, len(request.Tools) > 0)
	part := map[string]any{"text": next.text}
	switch {
	case next.tool != "":
		part = map[string]any{"functionCall": map[string]any{"id": fmt.Sprintf("call_%d", len(results)), "name": next.tool, "args": next.args}}
	case request.GenerationConfig.ResponseMIMEType == "application/json":
		part["text"] = `{"reasoning":"x","next_speaker":"user","complexity_reasoning":"x","complexity_score":1,"model_choice":"flash","confidence":1}`
	}
	return map[string]any{
		"candidates":    []any{map[string]any{"content": map[string]any{"role": "model", "parts": []any{part}}, "finishReason": "STOP", "index": 0}},
		"usageMetadata": map[string]any{"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
		"modelVersion":  "fake", "responseId": "fake",
	}
}

// chat answers a request of OpenAI's Chat Completions.
func (m *model) chat(w http.ResponseWriter, r *http.Request, body []byte) {
	var request struct {
		Stream   bool
		Tools    []json.RawMessage
		Messages []struct {
			Role    string
			Content json.RawMessage
		}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		m.note("request: %v", err)
	}
	var user strings.Builder
	var results []string
	for _, one := range request.Messages {
		switch one.Role {
		case "user":
			user.Write(append(one.Content, '\n'))
		case "tool":
			results = append(results, string(one.Content))
		}
	}
	next := m.plan(r, user.String(), results, len(request.Tools) > 0)
	message, finish := map[string]any{"role": "assistant", "content": next.text}, "stop"
	if next.tool != "" {
		arguments, _ := json.Marshal(next.args) // a map of texts
		finish = "tool_calls"
		message = map[string]any{"role": "assistant", "content": nil, "tool_calls": []any{map[string]any{
			"index": 0, "id": fmt.Sprintf("call_%d", len(results)), "type": "function",
			"function": map[string]any{"name": next.tool, "arguments": string(arguments)},
		}}}
	}
	usage := map[string]any{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
	base := func(object string, choices ...any) map[string]any {
		return map[string]any{"id": "fake", "created": time.Now().Unix(), "model": "fake", "object": object, "choices": append([]any{}, choices...), "usage": usage}
	}
	if !request.Stream {
		reply(w, base("chat.completion", map[string]any{"index": 0, "message": message, "finish_reason": finish}))
		return
	}
	const chunk = "chat.completion.chunk"
	events(w,
		base(chunk, map[string]any{"index": 0, "delta": message, "finish_reason": nil}),
		base(chunk, map[string]any{"index": 0, "delta": map[string]any{}, "finish_reason": finish}),
	)
	_, _ = io.WriteString(w, "data: [DONE]\r\n\r\n")
}
