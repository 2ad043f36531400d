package node

// RetainedFrom is the index that the log store keeps everything from; 0 = none.
func (n *Node) RetainedFrom() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cfg.Retention.RetainFrom
}
