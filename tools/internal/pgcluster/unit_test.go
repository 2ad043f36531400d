package pgcluster

import (
	"strings"
	"testing"
)

func TestFindSaysWhatToDo(t *testing.T) {
	_, err := Find("/no/such/pg_config")
	if err == nil || !strings.Contains(err.Error(), "--pg-config") {
		t.Errorf("error %v, want one that names the option", err)
	}
	empty := Install{PGConfig: "pgc", ShareDir: t.TempDir(), PkgLibDir: t.TempDir()}
	if err := empty.CheckExtension(); err == nil || !strings.Contains(err.Error(), "make install PG_CONFIG=pgc") {
		t.Errorf("error %v, want the command to run", err)
	}
}
