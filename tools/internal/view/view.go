// Package view draws a history as one HTML page that needs nothing else: no
// server, no network. See Write.
package view

import (
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"io/fs"
	"strings"

	"github.com/pgraft/pgraft/tools/internal/history"
)

//go:embed page
var page embed.FS

// scripts in the order in which the page runs them.
var scripts = []string{"data.js", "model.js", "kinds.js", "failover.js", "search.js", "scale.js", "lanes.js", "arrows.js", "overview.js",
	"details.js", "panels.js", "keys.js", "app.js", "moves.js", "main.js"}

// Write writes the page of h. A history of 100,000 steps makes about 3 MB.
func Write(w io.Writer, h *history.History) error {
	if len(h.Steps) == 0 {
		return fmt.Errorf("view: %s has no steps", h.Name)
	}
	data, err := encode(h)
	if err != nil {
		return err
	}
	template, err := fs.ReadFile(page, "page/page.html")
	if err != nil {
		return fmt.Errorf("view: %w", err)
	}
	style, err := fs.ReadFile(page, "page/style.css")
	if err != nil {
		return fmt.Errorf("view: %w", err)
	}
	var code strings.Builder
	for _, name := range scripts {
		text, err := fs.ReadFile(page, "page/"+name)
		if err != nil {
			return fmt.Errorf("view: %w", err)
		}
		code.Write(text)
	}
	_, err = strings.NewReplacer(
		"{{title}}", html.EscapeString(h.Name),
		"{{style}}", string(style),
		"{{code}}", code.String(),
		"{{data}}", base64.StdEncoding.EncodeToString(data),
	).WriteString(w, string(template))
	if err != nil {
		return fmt.Errorf("view: write the page: %w", err)
	}
	return nil
}
