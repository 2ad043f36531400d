//go:build integration

package boot

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

type part struct{ name, file, is, becomes, fails string }

func (p part) edit() pgcluster.Edit {
	return pgcluster.Edit{File: p.file, Is: p.is, Becomes: p.becomes}
}

// parts are edits of the shim that take a part of the boot out, and the case that must find it
// out. make test-boot leaves them out.
var parts = []part{
	{"the boot", "boot/boot.c", "if (booting->as_standby)", "if (false)", "killed"},
	{"the boot after a crash", "boot/boot.c", "if (!IsPostmasterEnvironment ||", "static int boots = 0;\n\n\tif (boots++ > 0 || !IsPostmasterEnvironment ||", "backend crash"},
	{"a source of WAL", "server/boot.c", "SetConfigOption(cleared[i], \"\", PGC_POSTMASTER, PGC_S_FILE);", "", "killed"},
	{"a promotion that was asked for", "server/boot.c", "if (unlink(PROMOTE_SIGNAL_FILE) == 0)", "if ((errno = ENOENT) == 0)", "promotion"},
	{"the fence", "boot/boot.c", "pgraft_fence_unknown();", "", "killed"},
	{"who was a primary", "boot/boot.c", "control->state == DB_IN_PRODUCTION ||", "", "unguarded"},
	{"what it was granted", "boot/boot_rules.c", ".granted = has_written(d, at->last) || is_nobodys(d, at->last)", ".granted = 0", "killed"},
	{"that a doubt is noted", "boot/boot_rules.c", "d->doubt = b.verdict.doubt;", "", "backup"},
	{"that what was written unguarded is noted", "boot/boot_rules.c", "d->unguarded = 1;", "", "unguarded"},
	{"damage", "boot/boot.c", "memory.damage = booting.verdict.damage;", "", "unguarded"},
	{"the end of WAL", "boot/boot.c", "pgraft_wal_end_set(&look.end.last);", "", "killed"},
	{"a walreceiver's word", "boot/memory.c", "now.lacks = remembered->memory.lacks;", "", "killed"},
	{"a backup", "boot/boot.c", "pgraft_boot_is_there(BACKUP_LABEL_FILE) || ", "", "backup"},
	{"minRecoveryPoint", "boot/boot.c", "look->at.min_recovery = control->minRecoveryPoint;", "", "short"},
	{"the floor", "boot/boot_rules.c", "at->end_lsn < n->store.floor_lsn", "0", "below"},
	{"a hole", "boot/boot.c", "look->at.hole = pgraft_wal_hole", "(void) pgraft_wal_hole", "hole"},
	{"a setting that is too low", "boot/boot.c", "look->at.lowered = pgraft_boot_obstacle(control, DEBUG1);", "", "lowered"},
	{"history files of what did not come", "boot/boot_rules.c", "b->remove = 1;", "b->remove = 0;", "promotion"},
	{"notes of what did not come", "boot/boot_rules.c", "b->note_data = kept < data->nnotes;", "", "promotion"},
	{"half a record", "boot/boot.c", "pgraft_wal_cut(&look->history, booting->cut);", "", "half a record"},
	{"that half a record is cut once", "boot/boot_rules.c", "b.note_cut = 1;", "", "half a record"},
	{"that WAL behind a cut stays", "boot/boot_rules.c", "if (at->end_lsn <= d->cut)", "if (at->end_lsn != 0)", "behind a cut"},
	{"one note", "boot/boot_rules.c", "return !notes->data.joined && !notes->store.joined;", "return !notes->data.joined || !notes->store.joined;", "one note"},
	{"the notes where failover is off", "boot/boot.c", "return pgraft_failover || !pgraft_notes_are_out(&notes);", "return pgraft_failover;", "off with notes"},
	{"the way out where failover is off", "fence/fence_hint.c", "if (!pgraft_failover)", "if (false)", "off with notes"},
	{"the marker", "boot/boot.c", "look->at.marker = pgraft_rejoin_is_marked();", "", "marker"},
	{"the marker where failover is off", "boot/boot.c", "if (pgraft_rejoin_is_marked())\n\t\treturn true;", "", "marker"},
	{"a note's sum", "boot/notes.c", "r.ok = r.ok && is_same(text, len, written, pgraft_data_note_write(note, written, len + 1));", "", "damaged notes"},
	{"a store that has lost data", "boot/note_files.c", "*lost = true;", "", "damaged notes"},
	{"who takes no part", "boot/boot.c", "if (pgraft_notes_are_out(&notes) && !pgraft_rejoin_is_marked())", "if (false)", "no note"},
}

// TestPartsApply: what TestParts edits is still there, which nobody runs with each change.
func TestPartsApply(t *testing.T) {
	for _, part := range parts {
		must(t, pgcluster.CheckEdits(pgext, part.edit()))
	}
}

// TestParts: without any part of the boot, a case fails. So none is decoration.
func TestParts(t *testing.T) {
	pg := newPostgres(t)
	for _, part := range parts {
		t.Run(part.name, func(t *testing.T) {
			library, err := pg.install.BuildShim(pgext, pg.objects, part.edit())
			must(t, err)
			t.Cleanup(func() { must(t, os.RemoveAll(filepath.Dir(library))) })
			program, err := os.Executable()
			must(t, err)
			name := strings.ReplaceAll(part.fails, " ", "_")
			cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run", "^TestBoot$/^"+name+"$")
			cmd.Env = append(os.Environ(), preloadEnv+"="+library+","+pg.remembered, templateEnv+"="+pg.template)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.Contains(string(out), "--- FAIL: TestBoot/"+name+" ") {
				t.Errorf("%q does not fail without it: %v\n%s", part.fails, err, out)
			}
		})
	}
}
