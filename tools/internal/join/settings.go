package join

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgraft/pgraft/core/failover/host"
	"github.com/pgraft/pgraft/node"
	"github.com/pgraft/pgraft/tools/internal/autoconf"
	"github.com/pgraft/pgraft/tools/internal/rejoin"
)

// What a copy becomes a server of its own by: settings, a Raft store, notes.

// ofServer are settings that the primary's file of ALTER SYSTEM has of itself.
var ofServer = []string{"port", "listen_addresses", "primary_conninfo", "primary_slot_name", "synchronous_standby_names", "restore_command",
	"pgraft.settings_number", "pgraft.node_id", "pgraft.address", "pgraft.listen_address", "pgraft.port", "pgraft.failover_priority"}

// ofNode are pgraft's own files in a data directory, but for the Raft store.
var ofNode = []string{"pgraft.initialized", "pgraft.engine", "pgraft.apply", host.DataFile}

// configures makes the copy a server of its own. Each part can be done again.
func (j *joiner) configures(ctx context.Context) error {
	store := j.cluster.store
	if !filepath.IsAbs(store) {
		store = filepath.Join(j.DataDir, store)
	}
	for _, name := range ofNode {
		if err := os.RemoveAll(filepath.Join(j.DataDir, name)); err != nil {
			return err
		}
	}
	if err := j.emptyStore(store); err != nil {
		return err
	}
	own, err := j.own()
	if err != nil {
		return err
	}
	if err := autoconf.Set(j.DataDir, ofServer, own); err != nil {
		return err
	}
	if err := rejoin.WriteDurably(filepath.Join(j.DataDir, "standby.signal"), nil); err != nil {
		return err
	}
	if err := j.makeStore(store); err != nil {
		return err
	}
	if j.cluster.failsOver() {
		if err := j.notes(store); err != nil {
			return err
		}
	}
	j.say("node %d has settings and a Raft store of its own", j.state.NodeID)
	return j.at(stageReady)
}

// emptyStore removes the Raft store that came with the copy, or that a run before has made. One
// outside the data directory came with nothing.
func (j *joiner) emptyStore(store string) error {
	if strings.HasPrefix(store, j.DataDir+string(filepath.Separator)) {
		return os.RemoveAll(store)
	}
	if j.state.Store == store {
		return emptyDir(store)
	}
	entries, err := os.ReadDir(store)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(entries) == 0:
		j.state.Store = store
		return j.at(stageCopied)
	case err == nil:
		err = fmt.Errorf("pgraft.data_dir is %s in this cluster, and that is not empty here: if nothing in it is needed, empty it", store)
	}
	return err
}

// own are the settings of this server.
func (j *joiner) own() ([]autoconf.Setting, error) {
	s, c := &j.state, &j.cluster
	var l []autoconf.Setting
	set := func(name, value string) { l = append(l, autoconf.Setting{Name: name, Value: value}) }
	set("pgraft.node_id", fmt.Sprint(s.NodeID))
	set("pgraft.address", s.Address)
	set("pgraft.port", strconv.Itoa(s.Port))
	set("pgraft.listen_address", j.ListenAddress)
	set("port", strconv.Itoa(s.ServerPort))
	if own := listens(c.listens, s.Address); own != c.listens {
		set("listen_addresses", own)
	}
	if c.tls {
		set("pgraft.ssl_cert_file", j.CertFile)
		set("pgraft.ssl_key_file", j.KeyFile)
		if j.CAFile != "" {
			set("pgraft.ssl_ca_file", j.CAFile)
		}
	}
	how, err := j.replication()
	if err != nil {
		return nil, err
	}
	set("pgraft.replication_conninfo", how.String())
	if !c.failsOver() {
		set("primary_conninfo", how.at(c.host, strconv.Itoa(c.reached), "application_name", j.standbyName()).String())
	}
	if j.ConfigFile != "" { // the primary's did not come with the data
		for _, name := range sortedKeys(c.settings) {
			if !slices.Contains(ofServer, name) && !slices.ContainsFunc(l, func(x autoconf.Setting) bool { return x.Name == name }) {
				set(name, c.settings[name])
			}
		}
	}
	return l, nil
}

// standbyName is how the primary shows this server, while failover is off.
func (j *joiner) standbyName() string { return fmt.Sprintf("node%d", j.state.NodeID) }

// listens is listen_addresses for a server at an address, as the primary has it for its own.
func listens(primarys, own string) string {
	var l []string
	for word := range strings.SplitSeq(primarys, ",") {
		switch word = strings.TrimSpace(word); {
		case word == "*" || word == "0.0.0.0" || word == "::":
			return primarys
		case word == "localhost":
			l = append(l, word)
		}
	}
	return strings.Join(append(l, own), ", ")
}

// makeStore makes the Raft store of a node that waits to be added. It listens for an instant, so
// address and port are tried.
func (j *joiner) makeStore(store string) error {
	info, err := os.Stat(j.DataDir)
	if err != nil {
		return err
	}
	s := &j.state
	n, err := node.Open(node.Config{ClusterID: j.cluster.id, NodeID: s.NodeID, Address: s.Address, ListenAddress: j.ListenAddress, Port: uint32(s.Port),
		DataDir: store, MarkerPath: filepath.Join(j.DataDir, "pgraft.initialized"), GroupAccess: info.Mode()&0o040 != 0,
		ElectionTimeout: time.Second, HeartbeatInterval: 100 * time.Millisecond, MaxEntryBytes: 1 << 20, SnapshotEntries: 10000})
	if err != nil {
		return err
	}
	_, err = n.Init(new(false))
	return errors.Join(err, n.Close())
}

// notes are those of a server that takes part in failover with data that was made from the
// primary of an open epoch.
func (j *joiner) notes(store string) error {
	own, kept := host.Data{Joined: true}, host.Store{Joined: true}
	for _, a := range host.Back(own, kept, j.state.From, nil, rand.Uint64()|1) {
		switch a := a.(type) {
		case host.NoteData:
			own = a.Data
		case host.NoteStore:
			kept = a.Store
		default:
			return fmt.Errorf("nobody does %T for a server that joins", a)
		}
	}
	return errors.Join(rejoin.WriteDurably(filepath.Join(store, host.StoreFile), kept.Marshal()),
		rejoin.WriteDurably(filepath.Join(j.DataDir, host.DataFile), own.Marshal()))
}
