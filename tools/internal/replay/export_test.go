package replay

// SetApart puts moments so many frames apart.
func (n *Node) SetApart(frames int) { n.apart = frames }
