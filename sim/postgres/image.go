package postgres

import "slices"

// Image is a copy of all that a server has on its disk: of a machine that stood still,
// or of a snapshot of its volume.
type Image struct{ disk Disk }

// Image copies the disk as it is, with all that the system has not written yet.
func (s *Server) Image() Image {
	i := Image{s.disk.clone()}
	i.disk.sync(len(i.disk.unsynced))
	return i
}

// Restore puts a copy in place of the disk of a server that is Down, its own or
// another's; false: it is not Down.
func (s *Server) Restore(i Image) bool {
	if s.phase != Down {
		return false
	}
	s.disk = i.disk.clone()
	return true
}

// Clone makes the disk of a server that is Down anew from another's, as a pg_basebackup
// that came to its end would: a standby, with its own settings and no slots. False: it is
// not Down, or the other is.
func (s *Server) Clone(from *Server) bool {
	if s.phase != Down || from.phase == Down {
		return false
	}
	own := s.disk
	s.disk = from.Image().disk
	s.disk.standbySignal, s.disk.conninfo, s.disk.names, s.disk.slots = true, own.conninfo, own.names, nil
	return true
}

func (d *Disk) clone() Disk {
	c := *d
	c.wal.files = slices.Clone(d.wal.files)
	for i := range c.wal.files {
		c.wal.files[i].parts = slices.Clone(c.wal.files[i].parts)
	}
	c.wal.histories = slices.Clone(d.wal.histories)
	c.unsynced = slices.Clone(d.unsynced)
	c.slots = slices.Clone(d.slots)
	c.rows = slices.Clone(d.rows)
	c.prepared = slices.Clone(d.prepared)
	return c
}
