package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/pgraft/pgraft/tools/internal/pgcluster"
)

// parts are, by name, edits of the shim that leave a part of failover out.
var parts = map[string][]pgcluster.Edit{
	// whether a commit may begin
	"F1": {{File: "fence/fence_rules.c", Is: "if (look->primary && look->open && look->lease && !look->switchover)", Becomes: "if (look->joined)"}},
	// a commit whose wait ends early is hidden
	"F2": {{File: "fence/fence_hold.c", Is: "if (holding || ", Becomes: "if (true || holding || "}},
	// whether it may be acknowledged
	"F3": {{File: "fence/fence_rules.c", Is: "if (!look->failover)\n\t\treturn PGRAFT_ACK;", Becomes: "if (look->same <= 1)\n\t\treturn PGRAFT_ACK;"}},
	// the end of a lease: as if this server's clock stood still
	"lease": {{File: "fence/fence_look.c", Is: "look.lease = fence->lease_counts && pgraft_has_lease();", Becomes: "look.lease = true;"},
		{File: "fence/fence_look.c", Is: "look.lease = fence.lease_counts && pgraft_has_lease();", Becomes: "look.lease = true;"}},
	// a server takes no more WAL once it has promised that: it says so, and streams on
	"seal": {{File: "server/sources.c", Is: "uint32\t\tnumber = pgraft_auto_conf_write(none, lengthof(none));", Becomes: "uint32\t\tnumber = pgraft_auto_conf_write(none, 0);\n\n\tpgraft_seal_pretended = true;"},
		{File: "server/sources.c", Is: "(void) end_walreceiver();\n\treturn number;", Becomes: "return number;"},
		{File: "server/sources.c", Is: "return end_walreceiver() && told;", Becomes: "return told;"},
		{File: "server/sources.c", Is: "#define NO_SOURCE", Becomes: "bool\t\tpgraft_seal_pretended = false;\n\n#define NO_SOURCE"},
		{File: "server/sources.c", Is: "const PgraftSetting settings[] = {\n\t\t{\"primary_conninfo\", conninfo},", Becomes: "const PgraftSetting settings[] = {\n\t\t{\"primary_conninfo\", (pgraft_seal_pretended = false, conninfo)},"},
		{File: "server/look.c", Is: "look->receives = WalRcv->walRcvState != WALRCV_STOPPED;", Becomes: "extern bool pgraft_seal_pretended;\n\tlook->receives = !pgraft_seal_pretended && WalRcv->walRcvState != WALRCV_STOPPED;"},
		{File: "host/host_look.c", Is: "seen->source = look->conninfo[0]", Becomes: "extern bool pgraft_seal_pretended;\n\tseen->source = !pgraft_seal_pretended && look->conninfo[0]"}},
	// only who holds a member's slot, and goes by a token of this epoch, is counted as that
	"token": {{File: "fence/fence_senders.c", Is: "token_of(pid, &sender->token) &&\n\t\t\tholds_slot_of(pid, sender->token.member))", Becomes: "token_of(pid, &sender->token))"},
		{File: "fence/fence_senders.c", Is: "return a->epoch == b->epoch && a->boot == b->boot && a->member == b->member && a->follow == b->follow;", Becomes: "return a->member == b->member;"}},
}

// copies is the directory of the copy that there is, for a signal.
var copies atomic.Pointer[string]

func partNames() []string { return slices.Sorted(maps.Keys(parts)) }

// leaveOut has a copy of the installation run a build of the shim without these parts. The function
// removes it.
func leaveOut(in pgcluster.Install, without []string) (_ pgcluster.Install, remove func(), err error) {
	var edits []pgcluster.Edit
	for _, name := range without {
		e, ok := parts[name]
		if !ok {
			return in, nil, fmt.Errorf("there is no part %q: %q", name, partNames())
		}
		edits = append(edits, e...)
	}
	dir, err := os.MkdirTemp("", "pgraft-nemesis-")
	if err != nil {
		return in, nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	copies.Store(&dir)
	defer func() {
		if err != nil {
			remove()
		}
	}()
	objects := filepath.Join(dir, "objects")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(objects, 0o755)); err != nil { // the servers' user comes by
		return in, nil, err
	}
	library, err := in.BuildShim("pgext", objects, edits...)
	if err != nil {
		return in, nil, err
	}
	defer os.RemoveAll(filepath.Dir(library))
	copied, err := in.Copy(filepath.Join(dir, "postgresql"))
	if err != nil {
		return in, nil, err
	}
	text, err := os.ReadFile(library)
	if err != nil {
		return in, nil, err
	}
	used := filepath.Join(copied.PkgLibDir, "pgraft.so")
	return copied, remove, errors.Join(os.Remove(used), os.WriteFile(used, text, 0o755))
}
