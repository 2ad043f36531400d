package packaging

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const top = "../.."

// semver is what META.json calls a version (PGXN Meta Spec 1.0.0, "Version").
var semver = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+)?$`)

// licenses are the words of the specification for a license that has one.
var licenses = []string{"agpl_3", "apache_1_1", "apache_2_0", "artistic_1", "artistic_2", "bsd", "freebsd", "gfdl_1_2", "gfdl_1_3",
	"gpl_1", "gpl_2", "gpl_3", "lgpl_2_1", "lgpl_3_0", "mit", "mozilla_1_0", "mozilla_1_1", "openssl", "perl_5", "postgresql",
	"qpl_1_0", "ssleay", "sun", "zlib", "open_source", "restricted", "unrestricted", "unknown"}

type meta struct {
	Name          string              `json:"name"`
	Abstract      string              `json:"abstract"`
	Description   string              `json:"description"`
	Version       string              `json:"version"`
	Maintainer    string              `json:"maintainer"`
	License       string              `json:"license"`
	ReleaseStatus string              `json:"release_status"`
	Provides      map[string]provided `json:"provides"`
	Prereqs       map[string]map[string]map[string]string
	Resources     struct {
		Homepage   string                       `json:"homepage"`
		Bugtracker struct{ Web, Mailto string } `json:"bugtracker"`
		Repository struct{ URL, Web, Type string }
	} `json:"resources"`
	Tags        []string `json:"tags"`
	GeneratedBy string   `json:"generated_by"`
	MetaSpec    struct {
		Version string `json:"version"`
		URL     string `json:"url"`
	} `json:"meta-spec"`
}

type provided struct{ Abstract, File, Docfile, Version string }

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// find returns the first group of pattern in a file.
func find(t *testing.T, path, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(read(t, path))
	if m == nil {
		t.Fatalf("%s has nothing like %s", path, pattern)
	}
	return m[1]
}

func readMeta(t *testing.T) (m meta) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(read(t, "META.json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		t.Fatalf("META.json: %v", err)
	}
	return m
}

// META.json has what the specification requires, of the kinds that it allows.
func TestMeta(t *testing.T) {
	m := readMeta(t)
	for name, x := range map[string]struct{ value, pattern string }{
		"name":              {m.Name, `^[^\s/\\]{2,}$`},
		"abstract":          {m.Abstract, `\S`},
		"version":           {m.Version, semver.String()},
		"maintainer":        {m.Maintainer, `\S`},
		"release_status":    {m.ReleaseStatus, `^(stable|testing|unstable)$`},
		"meta-spec.version": {m.MetaSpec.Version, `^1\.0\.0$`},
		"meta-spec.url":     {m.MetaSpec.URL, `^https?://pgxn\.org/meta/spec\.txt$`},
		"homepage":          {m.Resources.Homepage, `^https?://`},
		"bugtracker":        {m.Resources.Bugtracker.Web + m.Resources.Bugtracker.Mailto, `\S`},
		"repository url":    {m.Resources.Repository.URL, `://`},
		"repository type":   {m.Resources.Repository.Type, `^[a-z]+$`},
	} {
		if !regexp.MustCompile(x.pattern).MatchString(x.value) {
			t.Errorf("%s is %q, want %s", name, x.value, x.pattern)
		}
	}
	if !slices.Contains(licenses, m.License) {
		t.Errorf("license %q is no word of the specification", m.License)
	}
	if slices.ContainsFunc(m.Tags, func(tag string) bool { return len(tag) == 0 || len(tag) > 255 || strings.ContainsAny(tag, `/\`) }) {
		t.Errorf("tags %q", m.Tags)
	}
	for phase, kinds := range m.Prereqs {
		if !slices.Contains([]string{"configure", "build", "test", "runtime", "develop"}, phase) {
			t.Errorf("prereqs: no phase %q", phase)
		}
		for kind, list := range kinds {
			if !slices.Contains([]string{"requires", "recommends", "suggests", "conflicts"}, kind) {
				t.Errorf("prereqs: no relationship %q", kind)
			}
			for name, v := range list {
				if v != "0" && !semver.MatchString(v) {
					t.Errorf("prereqs: version %q of %s", v, name)
				}
			}
		}
	}
	if len(m.Provides) != 1 {
		t.Errorf("provides %+v", m.Provides)
	}
	for name, p := range m.Provides {
		if name != "pgraft" || !semver.MatchString(p.Version) || p.Abstract == "" {
			t.Errorf("provides %s: %+v", name, p)
		}
		for _, path := range []string{p.File, p.Docfile} {
			read(t, path)
		}
	}
}

// The manual pages bear the day that the changelog gives the release.
func TestReleased(t *testing.T) {
	changed, err := time.Parse(time.RFC1123Z, find(t, "pgext/debian/changelog", `(?m)^ -- .*>  (.*)$`))
	if err != nil {
		t.Fatal(err)
	}
	if released := find(t, "tools/pgraft/main.go", `(?m)^const released = "(.*)"$`); released != changed.Format(time.DateOnly) {
		t.Errorf("tools/pgraft/main.go: released on %s; pgext/debian/changelog: %s", released, changed.Format(time.DateOnly))
	}
}

// One version everywhere.
func TestVersions(t *testing.T) {
	m := readMeta(t)
	extension := find(t, "pgext/pgraft.control", `(?m)^default_version = '(.*)'$`)
	for where, v := range map[string]string{
		"META.json, provides":    m.Provides["pgraft"].Version,
		"pgext/base/base.h":      find(t, "pgext/base/base.h", `#define PGRAFT_VERSION\s+"(.*)"`),
		"tools/pgraft/main.go":   find(t, "tools/pgraft/main.go", `(?m)^const version = "(.*)"$`),
		"pgext/debian/changelog": find(t, "pgext/debian/changelog", `^pgraft \((.*)-\d+\) `),
	} {
		if v != m.Version {
			t.Errorf("%s: version %s, META.json says %s", where, v, m.Version)
		}
	}
	// The SQL surface has a version of its own: CREATE EXTENSION runs the first script
	// and the updates from it.
	for v := strings.TrimSuffix(strings.TrimPrefix(m.Provides["pgraft"].File, "pgext/pgraft--"), ".sql"); v != extension; {
		next, err := filepath.Glob(filepath.Join(top, "pgext/pgraft--"+v+"--*.sql"))
		if err != nil || len(next) != 1 {
			t.Fatalf("from version %s of the SQL surface lead %q (%v), on the way to %s; want one", v, next, err, extension)
		}
		v = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(next[0]), "pgraft--"+v+"--"), ".sql")
	}
	control := read(t, "pgext/pgraft.control")
	for _, line := range []string{"comment = '", "module_pathname = '$libdir/pgraft'", "relocatable = false"} {
		if !strings.Contains(control, line) {
			t.Errorf("pgraft.control lacks %s", line)
		}
	}
}
