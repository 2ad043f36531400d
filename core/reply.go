package core

import (
	"fmt"
	"strings"
)

// refusal is the answer to a change that must not be made now.
type refusal struct {
	code         Code
	text, detail string
}

// nobody is the id of what the core asks of itself: there is no reply. Hosts count
// theirs from 1.
const nobody = ^uint64(0)

func (c *Core) refuse(id uint64, r refusal) {
	if id == nobody {
		return
	}
	c.out.Reply = append(c.out.Reply, Reply{ID: id, Code: r.code, Text: r.text, Detail: r.detail})
}

func (c *Core) reply(id uint64, code Code, text string, a ...any) {
	if id == nobody {
		return
	}
	c.out.Reply = append(c.out.Reply, Reply{ID: id, Code: code, Text: fmt.Sprintf(text, a...)})
}

func (c *Core) event(l Level, f string, a ...any) {
	c.out.Events = append(c.out.Events, Event{Level: l, Text: fmt.Sprintf(f, a...)})
}

func (c *Core) eventIf(news bool, l Level, f string, a ...any) {
	if news {
		c.event(l, f, a...)
	}
}

// enumerate is for people: "1, 2 and 3". There is one name at least.
func enumerate(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}
