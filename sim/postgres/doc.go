// Package postgres models a PostgreSQL server, for a simulator of failovers: its WAL,
// timelines, recovery, streaming replication, synchronous commits, and what a crash
// leaves of them. It knows nothing of pgraft. What of pgraft runs inside a server (the
// preloaded library) is Hooks, and what an engine orders is a call: Seal, Promote,
// Follow, SetNames, CrashRestart, FastStop and others.
//
// Begin with New, one Server for each server of a cluster, and Start. A Server lives in
// the goroutine of its simulator. Everything that takes time is a callback that its Env
// schedules, everything that is sent goes through Env.Send, everything that is drawn
// comes from Env.Draw: with the same Env a run is the same to the byte.
//
// The model is there for its traps. Each that a decision rests on has a test of the
// name that it has on real servers (rows_test.go); the sources named in comments are
// files of PostgreSQL 15. What is simpler than in PostgreSQL:
//
//   - A record is one value and has no bytes. Segments and pages have no headers, and
//     are small: SegmentBytes, PageBytes.
//   - A database is the list of transactions that committed. Pages, locks and snapshots
//     are left out, and so is the archive, but for .partial.
//   - A connection delivers in order or breaks. Its handshake has PostgreSQL's steps.
//   - A backup is taken of a primary alone, and its files at one instant.
package postgres
