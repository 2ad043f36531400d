package checkpoint

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.etcd.io/raft/v3"
)

// check reports how the linked library differs from the one that this package
// was written for: in the layout of the mirrors, or in a field that the table
// does not know.
func check() error {
	var bad []string
	sameShape("RawNode", reflect.TypeFor[raft.RawNode](), reflect.TypeFor[rawNodeMirror](), map[[2]reflect.Type]bool{}, &bad)
	var known []string
	for line := range strings.Lines(strings.TrimSpace(table)) {
		field, _, _ := strings.Cut(line, " | ")
		known = append(known, field)
	}
	there := libraryFields()
	for _, f := range there {
		if !slices.Contains(known, f) {
			bad = append(bad, "not in the table: "+f)
		}
	}
	for _, f := range known {
		if !slices.Contains(there, f) {
			bad = append(bad, "no longer in the library: "+f)
		}
	}
	if bad != nil {
		return fmt.Errorf("checkpoint: go.etcd.io/raft/v3 differs from what this package knows:\n%s", strings.Join(bad, "\n"))
	}
	return nil
}

// sameShape reports how the mirror type m differs from the library's type l.
func sameShape(path string, l, m reflect.Type, seen map[[2]reflect.Type]bool, bad *[]string) {
	if l == m || seen[[2]reflect.Type{l, m}] {
		return
	}
	seen[[2]reflect.Type{l, m}] = true
	no := func(f string, a ...any) { *bad = append(*bad, path+": "+fmt.Sprintf(f, a...)) }
	if l.Kind() != m.Kind() || l.Size() != m.Size() {
		no("library %v (%v, %d bytes), mirror %v (%v, %d bytes)", l, l.Kind(), l.Size(), m, m.Kind(), m.Size())
		if l.Kind() != m.Kind() {
			return
		}
	}
	switch l.Kind() {
	case reflect.Struct:
		for i := range max(l.NumField(), m.NumField()) {
			switch {
			case i >= m.NumField():
				no("library field %q is not in the mirror", l.Field(i).Name)
			case i >= l.NumField():
				no("mirror field %q is not in the library", m.Field(i).Name)
			default:
				a, b := l.Field(i), m.Field(i)
				if a.Name != b.Name || a.Offset != b.Offset {
					no("field %d: library %s@%d, mirror %s@%d", i, a.Name, a.Offset, b.Name, b.Offset)
					continue
				}
				sameShape(path+"."+a.Name, a.Type, b.Type, seen, bad)
			}
		}
	case reflect.Pointer, reflect.Slice:
		sameShape(path, l.Elem(), m.Elem(), seen, bad)
	case reflect.Array:
		if l.Len() != m.Len() {
			no("array length")
		}
		sameShape(path, l.Elem(), m.Elem(), seen, bad)
	case reflect.Map:
		sameShape(path+"[key]", l.Key(), m.Key(), seen, bad)
		sameShape(path+"[]", l.Elem(), m.Elem(), seen, bad)
	case reflect.Func:
		if l.NumIn() != m.NumIn() || l.NumOut() != m.NumOut() {
			no("func signature")
			return
		}
		for i := range l.NumIn() {
			sameShape(path+"(in)", l.In(i), m.In(i), seen, bad)
		}
	case reflect.Interface, reflect.String:
		no("library %v, mirror %v", l, m)
	}
}

// libraryFields lists every field reachable from raft.RawNode, protobuf types
// apart.
func libraryFields() []string {
	var out []string
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(t.Elem())
		case reflect.Map:
			walk(t.Key())
			walk(t.Elem())
		case reflect.Struct:
			if seen[t] || strings.HasSuffix(t.PkgPath(), "/raftpb") {
				return
			}
			seen[t] = true
			for i := range t.NumField() {
				out = append(out, fmt.Sprintf("%v.%s %v", t, t.Field(i).Name, t.Field(i).Type))
				walk(t.Field(i).Type)
			}
		}
	}
	walk(reflect.TypeFor[raft.RawNode]())
	slices.Sort(out)
	return out
}
