package core

import "slices"

// cancel answers an input that nobody waits for any longer: Unknown, as what is under
// way goes on. A transfer that has not begun does not begin.
func (c *Core) cancel(id uint64) {
	_ = c.cancelProposal(id) || c.cancelRead(id) || c.retain.Cancel(id, c.around()) || c.cancelChange(id) || c.cancelTransfer(id)
}

func (c *Core) cancelProposal(id uint64) bool {
	for _, p := range c.proposed.order {
		if c.giveUp(&p.ids, id, "given up") {
			if len(p.ids) == 0 {
				c.forget(p)
			}
			return true
		}
	}
	return false
}

func (c *Core) cancelRead(id uint64) bool {
	i := slices.IndexFunc(c.reads.open, func(x *read) bool { return x.id == id })
	if i < 0 {
		return false
	}
	c.reads.open = slices.Delete(c.reads.open, i, i+1)
	c.reply(id, Unknown, "given up")
	return true
}

func (c *Core) cancelChange(id uint64) bool {
	for _, ch := range c.changes.waiting {
		if c.giveUp(&ch.ids, id, "given up; the change goes on") {
			return true
		}
	}
	return false
}

func (c *Core) cancelTransfer(id uint64) bool {
	if w := c.transfer.wish; w.open && w.id == id {
		c.endWish(Unknown, "given up") // it does not begin
		return true
	}
	const text = "given up; it may still happen"
	return c.giveUp(&c.transfer.ids, id, text) || c.giveUp(&c.transfer.leavingIDs, id, text)
}

// giveUp takes id out of the inputs that wait and answers it; false if it is none
// of them.
func (c *Core) giveUp(waiting *[]uint64, id uint64, text string) bool {
	i := slices.Index(*waiting, id)
	if i < 0 {
		return false
	}
	*waiting = slices.Delete(*waiting, i, i+1)
	c.reply(id, Unknown, "%s", text)
	return true
}
