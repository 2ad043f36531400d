package postgres

import "slices"

// Image is a copy of all that a server has on its disk: of a machine that stood still,
// or of a snapshot of its volume.
type Image struct{ disk Disk }

// Image copies the disk as it is, with all that the system has not written yet.
func (s *Server) Image() Image {
	i := Image{s.disk.clone()}
	i.disk.sync(len(i.disk.unsynced))
	for n := range i.disk.slots { // who uses one is not on the disk
		i.disk.slots[n].conn = 0
	}
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

// Backup takes a base backup of a server in production, as pg_basebackup with streamed WAL
// does, and calls done with it: a checkpoint, a copy of the files while the server goes on,
// the WAL from that checkpoint to the record of the backup's end.
func (s *Server) Backup(done func(Image)) bool {
	if s.phase != Production {
		return false
	}
	return s.Checkpoint(func() {
		c := s.disk.control
		s.after(s.drawn(s.cfg.Step), func() {
			if s.phase != Production {
				return
			}
			r := s.log(BackupEnd, 40, 0, uint64(c.Redo))
			s.flushThen(r.End(), func() {
				i := s.Image()
				i.disk.wal.cut(r.End())
				// What backup_label says goes into pg_control at the first boot, which renames it.
				i.disk.control = c
				i.disk.control.BackupStart = c.Redo
				i.disk.slots, i.disk.standbySignal, i.disk.promote = nil, false, false
				done(i)
			})
		})
	})
}

// DropLabel is somebody who deletes backup_label: the copy starts as after a crash.
func (i *Image) DropLabel() { i.disk.control.BackupStart = 0 }

// DropSegment takes a file out of pg_wal, of a server that is Down: so many before the last
// one that recovery needs; the last one only where the data pages need that. False: there
// is no such file.
func (s *Server) DropSegment(before int) bool {
	redo, to := s.disk.control.Redo, s.ValidEnd(ByHistory).End
	no := (to - 1).segment() - min(uint64(before), (to-1).segment())
	if s.phase != Down || no <= redo.segment() || before == 0 && s.disk.control.MinRecovery <= (to-1).segmentStart() {
		return false
	}
	s.disk.wal.remove(func(f *file) bool { return f.no == no })
	return true
}

// CutWAL takes away the WAL from an LSN on: the copy was cut short, and what was there by
// then was started nevertheless.
func (i *Image) CutWAL(at LSN) { i.disk.wal.cut(at) }

func (d *directory) cut(at LSN) {
	d.remove(func(f *file) bool { return f.no > at.segment() })
	for i := range d.files {
		if f := &d.files[i]; f.no == at.segment() {
			f.parts = f.upTo(at)
		}
	}
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
	if c := &s.disk.control; from.phase == Production { // as its backup_label has it
		c.State, c.MinRecovery = InArchiveRecovery, 0
		at := s.ValidEnd(ByHistory) // pg_basebackup -X stream brings all WAL that it needs
		c.MinRecovery, c.MinRecoveryTLI = at.End, at.TLI
	}
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
