package pgcluster

import (
	_ "embed" // the template
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed postgresql.conf.tmpl
var confText string

var confTemplate = template.Must(template.New("postgresql.conf").Parse(confText))

// Off as the value of a setting leaves it out of postgresql.conf.
const Off = "\x00off"

// preloadSetting is the one that a server of a cluster has by default.
const preloadSetting = "shared_preload_libraries"

// maxSocketPath is the longest path of a Unix socket on Linux, in bytes.
const maxSocketPath = 107

type confLine struct{ Name, Value, Comment string }

// raftSettings are the settings that make a server a node.
func (s *Server) raftSettings() []confLine {
	return []confLine{
		{"pgraft.cluster_id", quote(s.cluster.config.ClusterID),
			"The cluster's name: the same on all nodes. Nodes of another cluster are refused."},
		{"pgraft.node_id", strconv.Itoa(s.NodeID), "This node's number: different on every node."},
		{"pgraft.address", quote(s.place.Address), "Where the other nodes reach this one, and where it listens."},
		{"pgraft.port", strconv.Itoa(s.RaftPort), "TCP, between nodes only. Not PostgreSQL's port."},
		{"pgraft.data_dir", quote("pgraft"),
			"The log store. Relative to the data directory; on a disk of its own fsyncs do not wait for others."},
		{"pgraft.election_timeout", "1000ms",
			"A follower that hears nothing of its leader for so long calls an election.\n" +
				"# At least three times heartbeat_interval."},
		{"pgraft.heartbeat_interval", "100ms", "How often the leader makes itself heard."},
	}
}

// writeConf replaces the server's postgresql.conf.
func (s *Server) writeConf() error {
	extra := maps.Clone(s.settings)
	var raft []confLine
	if !s.cluster.config.Plain {
		for _, line := range s.raftSettings() {
			if v, ok := extra[line.Name]; ok {
				line.Value = quote(v)
				delete(extra, line.Name)
				if v == Off {
					continue
				}
			}
			raft = append(raft, line)
		}
	}
	preload := ""
	if v, ok := extra[preloadSetting]; ok && v != Off {
		preload = quote(v)
	} else if !ok && !s.cluster.config.Plain {
		preload = quote("pgraft")
	}
	delete(extra, preloadSetting)
	socket := quote(s.dir)
	if len(filepath.Join(s.dir, fmt.Sprintf(".s.PGSQL.%d.lock", s.Port))) > maxSocketPath {
		socket = "''  # its path would be too long for a socket"
	}
	var lines []confLine
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if extra[name] != Off {
			lines = append(lines, confLine{Name: name, Value: quote(extra[name])})
		}
	}
	var b strings.Builder
	err := confTemplate.Execute(&b, map[string]any{
		"NodeID": s.NodeID, "Preload": preload, "Raft": raft, "Host": s.place.Address,
		"Port": s.Port, "SocketDir": socket, "Extra": lines,
	})
	if err != nil {
		return fmt.Errorf("pgcluster: settings of node %d: %w", s.NodeID, err)
	}
	path := filepath.Join(s.DataDir, "postgresql.conf")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("pgcluster: settings of node %d: %w", s.NodeID, err)
	}
	return s.cluster.account.own(path)
}

// trustAll has pg_hba.conf trust connections from everywhere, which Place has seen to that there is
// no way from.
func (s *Server) trustAll() error {
	f, err := os.OpenFile(filepath.Join(s.DataDir, "pg_hba.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("pgcluster: node %d: %w", s.NodeID, err)
	}
	_, err = f.WriteString("host all,replication all all trust\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("pgcluster: node %d: %w", s.NodeID, err)
	}
	return nil
}

// quote writes a value as postgresql.conf wants it.
func quote(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'" }
