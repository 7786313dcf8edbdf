package top

import (
	"context"
	"io"
	"sync"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/leasekit/leasekit/lease"
)

// Model is the program's state between two messages.
type Model struct {
	state State
	look  Look
	ready bool // the first state has come
}

// Init asks for nothing: states and the window's size come by themselves.
func (m Model) Init() tea.Cmd { return nil }

// Update takes a message in.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case State:
		if !m.look.Paused || !m.ready {
			m.state, m.ready = msg, true
		}
	case tea.WindowSizeMsg:
		m.look.Width, m.look.Height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		if m.look.Typing {
			return m.typed(msg), nil
		}
		return m.pressed(msg)
	}
	return m, nil
}

// pressed is a key outside of the filter.
func (m Model) pressed(key tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	switch key.String() {
	case "q", "ctrl+c", "esc":
		return m, tea.Quit
	case "tab":
		m.look.Focus, m.look.Offset = (m.look.Focus+1)%sections, 0
	case "shift+tab":
		m.look.Focus, m.look.Offset = (m.look.Focus+sections-1)%sections, 0
	case "down", "j":
		m.scroll(1)
	case "up", "k":
		m.scroll(-1)
	case "pgdown", "space":
		m.scroll(max(1, m.look.Height/2))
	case "pgup":
		m.scroll(-max(1, m.look.Height/2))
	case "home", "g":
		m.look.Offset = 0
	case "/":
		m.look.Typing = true
	case "p":
		m.look.Paused = !m.look.Paused
	}
	return m, nil
}

func (m *Model) scroll(lines int) {
	most := max(0, len(m.state.rows(m.look.Focus, m.look))-1)
	m.look.Offset = min(max(0, m.look.Offset+lines), most)
}

// typed is a key inside the filter.
func (m Model) typed(key tea.KeyPressMsg) Model {
	switch key.String() {
	case "enter":
		m.look.Typing = false
	case "esc", "ctrl+c":
		m.look.Typing, m.look.Filter = false, ""
	case "backspace":
		_, size := utf8.DecodeLastRuneInString(m.look.Filter)
		m.look.Filter = m.look.Filter[:len(m.look.Filter)-size]
	default:
		m.look.Filter += key.Text
	}
	m.look.Offset = 0
	return m
}

// View draws the model.
func (m Model) View() tea.View {
	content := "reading ..."
	if m.ready && m.look.Height > 0 {
		content = Render(m.state, m.look)
	}
	v := tea.NewView(content)
	v.AltScreen = true
	return v
}

// Run shows the view until q is pressed or ctx ends.
func Run(ctx context.Context, m lease.Manager, store string, in io.Reader, out io.Writer, environ []string, more ...tea.ProgramOption) error {
	ctx, cancel := context.WithCancel(ctx)
	options := append([]tea.ProgramOption{
		tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithEnvironment(environ), tea.WithFPS(10),
	}, more...)
	p := tea.NewProgram(Model{}, options...)
	var following sync.WaitGroup
	following.Go(func() {
		Follow(ctx, m, store, func(s State) { p.Send(s) })
	})
	_, err := p.Run()
	cancel()
	following.Wait()
	return err
}
