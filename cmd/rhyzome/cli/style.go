// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// style writes to one stream: with colour if that is a terminal whose user wants it.
type style struct {
	w        io.Writer
	terminal bool
	colour   bool
}

func styleOf(w io.Writer) style {
	f, ok := w.(*os.File)
	s := style{w: w, terminal: ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"}
	s.colour = s.terminal && os.Getenv("NO_COLOR") == ""
	return s
}

// width is how many columns a line may have.
func (s style) width() int {
	if f, ok := s.w.(*os.File); ok && s.terminal {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			return w
		}
	}
	return 80
}

func (s style) paint(code, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) red(text string) string    { return s.paint("31", text) }
func (s style) green(text string) string  { return s.paint("32", text) }
func (s style) yellow(text string) string { return s.paint("33", text) }
func (s style) bold(text string) string   { return s.paint("1", text) }
func (s style) faint(text string) string  { return s.paint("2", text) }

// state colours the word for a state: well, on the way, or wrong.
func (s style) state(word string) string {
	switch word {
	case "ready", "running", "succeeded", "done":
		return s.green(word)
	case "error", "failed", "unreachable", "unknown", "revoked", "abandoned", "degraded":
		return s.red(word)
	case "stopped", "canceled", "undone":
		return s.faint(word)
	}
	return s.yellow(word)
}
