package checkpoint

import "google.golang.org/protobuf/proto"

// Raw codes len(b) bytes as they are: it writes b, or reads into it.
func (c *Codec) Raw(b []byte) {
	if c.write {
		c.b = append(c.b, b...)
		return
	}
	if clear(b); len(c.b) < len(b) {
		c.Fail("it ends early")
		return
	}
	copy(b, c.b)
	c.b = c.b[len(b):]
}

// Skip leaves out the next n bytes of what is being read.
func (c *Codec) Skip(n int) { c.b = c.b[n:] }

// Rewrite makes f change a copy of every protobuf message before it is written.
func (c *Codec) Rewrite(f func(proto.Message)) { c.rewrite = f }
