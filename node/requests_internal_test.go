package node

import (
	"errors"
	"testing"

	"github.com/pgraft/pgraft/core"
)

// A proposal that a core before may have handed on is not known to come to nothing
// because this one has no room for it.
func TestRefusedWhenAskedAgain(t *testing.T) {
	for _, x := range []struct {
		code  core.Code
		again bool
		want  core.Code
	}{
		{core.Busy, false, core.Busy}, {core.Busy, true, core.Unknown}, {core.NoRoom, false, core.NoRoom}, {core.NoRoom, true, core.Unknown}, {core.TooLarge, true, core.TooLarge}, {core.Unknown, true, core.Unknown},
	} {
		var got *RequestError
		err := failure(askedBefore(core.Reply{Code: x.code, Text: "no room"}, x.again))
		if !errors.As(err, &got) || got.Code != x.want {
			t.Errorf("code %v, asked again %v: %v, want code %v", x.code, x.again, err, x.want)
		}
	}
	if err := failure(askedBefore(core.Reply{Code: core.OK}, true)); err != nil {
		t.Errorf("an answer became %v", err)
	}
}
