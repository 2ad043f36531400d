// Package trace is the file format of the flight recorder: everything that went
// into a core, in order, so that a core of the same version that is fed with it
// does the same again, to the byte. A node and the simulator write it with a
// Recorder; Reader reads it.
//
// # Format 3
//
// A trace begins with the 16 bytes of Magic. Frames follow, each
//
//	4 bytes  length of kind and payload, little endian, 1 to maxFrameBytes
//	4 bytes  CRC32C (Castagnoli) of kind and payload, little endian
//	1 byte   kind
//	n bytes  payload
//
// The payload is a row of fields without tags. A number is an unsigned varint
// (encoding/binary), a time the nanoseconds since 1970 (in a simulation, since
// its start) as such a number, a flag 0 or 1. Bytes and text are their length
// plus one, then themselves; a length of 0 stands for nil. A list is its length
// plus one, then its elements. A uuid is 16 bytes, a sum 8 bytes, little endian.
//
//	kind  frame       payload
//	1     Header      format version, build, protocol, cluster id, node id, Raft
//	                  id, cluster uuid, replica uuid, life, file number, time,
//	                  redacted, cut
//	2     Boot        time, configuration, durable state; if its log has gaps, they
//	                  follow at the end
//	3     Input       the input as core.EncodeInput wrote it, behind its length
//	                  of 4 bytes; sequence number and time, 8 bytes each; flags, 1
//	                  byte: 128 if it is summed, 1 to 64 for each field of
//	                  core.Output that is not empty; if it is summed, the sum, and
//	                  for each of these fields how many it has, and 4 bytes of sum
//	                  over it (core.Parts); all fixed lengths little endian
//	4     Checkpoint  sequence number, sum, time, configuration, then to the end
//	                  of the frame what core.Checkpoint wrote
//	5     Note        time, sequence number, class, text
//	6     End         time, sequence number, reason
//	7     Packed      kind of the frame that it stands for, 2, 3 or 4, in 1 byte; its
//	                  payload, in parts up to the end of the frame: the length of
//	                  some bytes, them, and how many zeros follow
//
// A kind from 128 on may be skipped by a reader that does not know it; any other
// unknown kind means a newer format.
//
// A trace is one file or several that follow each other. Each begins with a
// Header, then a Boot (the core was started) or a Checkpoint (it was running),
// so that each replays alone. The sequence number of an input is 1 more than
// that of the one before it, also over a file's end; it is 0 at a Boot. The sum
// is the core.Chain over all outputs since the Boot, or since the last Checkpoint
// whose sum is 0: those follow a gap. An input that is not summed is one that the
// core never came back from. Life is the Config.Seed: it tells the starts of one
// node apart.
//
// A file that is cut off, as a killed process leaves it, is read up to its last
// whole frame. A damaged one is read up to the damage: Reader.Err says where.
//
// A trace whose header has a cut of n holds, of users' data of more than n bytes,
// the first n-4, then a CRC32C of all of it, then zeros (core.Cut): so a core's
// state and what is recorded of it stay small, however large the entries are. The
// sums are over that.
//
// Format 3 has no newest version in its configurations, format 2 no cut, no Packed and
// no bounds either. Both are read too. A configuration that knows core.FailoverVersion
// goes on with the node's part in failover.
//
// Redacted traces hold, in place of what users replicated, bytes of the same
// length that its hash decides: of data that is cut, in place of what is left of
// it. Addresses, identities, request ids, sizes and times are in every trace.
package trace

// Magic begins every trace. Its line ends show a transfer as text.
const Magic = "pgraft trace\r\n\x1a\n"

// Format is the version of the format that this package writes. It reads the ones
// before, too: in formatUnversioned no configuration says a version, in formatUncut
// nothing was cut either.
const (
	Format            = 4
	formatUnversioned = 3
	formatUncut       = 2
)

// maxFrameBytes bounds what a reader believes of a length, maxUnpackedBytes what it
// makes of a frame.
const (
	maxFrameBytes    = 1 << 28
	maxUnpackedBytes = 1 << 29
)
