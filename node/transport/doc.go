// Package transport carries core messages between nodes over TCP.
//
// Start with [Listen]: it opens the port and answers whoever dials. [Transport.SetPeers]
// says which members to keep a connection to, [Transport.Send] queues a message,
// and everything that happens comes back through the [Handler].
//
// # On the wire
//
// Whoever dials first sends a preamble of 8 bytes, "pgraft\n" and a version
// byte, and a frame with a corepb.Hello. The acceptor asks Handler.Greet and
// answers with the same preamble and a frame with a corepb.Welcome. If its
// refusal is NONE, every further frame, in both directions, is one core message
// (an encoded corepb.Envelope); otherwise both sides close.
//
//	frame = length uint32 | CRC32C of payload uint32 | payload    (big endian)
//
// A frame that claims more than 64 MiB, or whose checksum is wrong, ends the
// connection. Memory is taken only for bytes that have arrived.
//
// # Strangers
//
// Until the handshake is over nobody is believed to be a member. A connection has a
// place for that long; places are bounded for one source and in all, some are kept
// for members' addresses, and who is silent gives way to who talks (places.go). What
// is logged of such connections has a rate of its own, so that it never displaces what
// concerns members (crowd.go).
//
// # Connections
//
// Every node dials every other member, so two members share two connections. A
// node sends over the one that it dialled, and over the accepted one while that
// is down: a node that has just joined does not know the leader's address and
// answers over the connection that the leader opened. The transport does not
// look into messages; it says which Raft id the handshake established for the
// connection that a message came by, and the core checks the envelope.
//
// Send writes by itself what the socket takes without waiting; a goroutine for each peer
// writes the rest. What has arrived together is given to the host together.
//
// A message is sent at most once. What is queued or in flight when a connection
// ends is lost and reported with Handler.Unreachable; Raft repeats what matters.
//
// # What the host owes
//
// Handler methods return quickly and are safe for concurrent use. They may call
// Send, SetPeers and Peers, but not Close, which waits for them.
package transport
