package history

import (
	"fmt"
	"reflect"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pgraft/pgraft/core"
	"github.com/pgraft/pgraft/core/corepb"
	"github.com/pgraft/pgraft/tools/internal/replay"
)

// Field is one value inside an input, an output or a status, and where it is:
// Send[0].Data.raft.term.
type Field struct {
	Path  string `json:"path"`
	Value string `json:"value"`
}

// maxShownBytes is how much of a byte string a field's value shows.
const maxShownBytes = 48

// Fields takes a core's input, output or status apart, down to the fields of
// the messages in it. Absent ones (nil, empty lists, unset fields of messages)
// are left out. The order is that of the types.
func Fields(v any) []Field {
	var f fieldList
	if v != nil {
		f.add("", "", reflect.ValueOf(v))
	}
	return f
}

type fieldList []Field

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// add appends the fields of v, which is called name in the struct it is in.
func (f *fieldList) add(path, name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if t := v.Type().Field(i); t.IsExported() {
				f.add(join(path, t.Name), t.Name, v.Field(i))
			}
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			f.add(path, name, v.Elem())
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			f.bytes(path, name, v)
			return
		}
		for i := range v.Len() {
			f.add(fmt.Sprintf("%s[%d]", path, i), name, v.Index(i))
		}
	default:
		f.put(path, scalar(name, v))
	}
}

func (f *fieldList) put(path, value string) { *f = append(*f, Field{path, value}) }

// bytes opens what holds a message between cores and prints other byte strings.
func (f *fieldList) bytes(path, name string, v reflect.Value) {
	b := make([]byte, v.Len())
	reflect.Copy(reflect.ValueOf(b), v)
	var env corepb.Envelope
	if name == "Data" && proto.Unmarshal(b, &env) == nil && env.GetBody() != nil && env.GetFrom() != 0 && env.GetTo() != 0 {
		f.message(path, env.ProtoReflect())
		return
	}
	f.put(path, showBytes(b))
}

func (f *fieldList) message(path string, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		d := fields.Get(i)
		if !m.Has(d) {
			continue
		}
		at := join(path, string(d.Name()))
		if !d.IsList() {
			f.protoValue(at, d, m.Get(d))
			continue
		}
		l := m.Get(d).List()
		for i := range l.Len() {
			f.protoValue(fmt.Sprintf("%s[%d]", at, i), d, l.Get(i))
		}
	}
}

func (f *fieldList) protoValue(path string, d protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch d.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		f.message(path, v.Message())
	case protoreflect.BytesKind:
		f.put(path, showBytes(v.Bytes()))
	case protoreflect.EnumKind:
		if e := d.Enum().Values().ByNumber(v.Enum()); e != nil {
			f.put(path, string(e.Name()))
			return
		}
		f.put(path, strconv.Itoa(int(v.Enum())))
	default:
		if n := string(d.Name()); n == "from" || n == "to" || n == "vote" || n == "raft_id" {
			f.put(path, NodeName(v.Uint()))
			return
		}
		f.put(path, v.String())
	}
}

// scalar prints a number with the words that people use for it.
func scalar(name string, v reflect.Value) string {
	if v.Kind() == reflect.Uint64 {
		switch name {
		case "From", "To", "RaftID", "Lead", "Vote":
			return NodeName(v.Uint())
		}
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	if c, ok := v.Interface().(core.Code); ok {
		return replay.CodeName(c)
	}
	return fmt.Sprint(v.Interface())
}

// NodeName is how people call the member of a Raft id.
func NodeName(raftID uint64) string {
	switch {
	case raftID == 0:
		return "none"
	case core.Incarnation(raftID) == 0:
		return fmt.Sprintf("node %d", core.NodeID(raftID))
	}
	return fmt.Sprintf("node %d (incarnation %d)", core.NodeID(raftID), core.Incarnation(raftID))
}

// showBytes prints text as text and the rest as hexadecimal digits, short.
func showBytes(b []byte) string {
	more := ""
	if len(b) > maxShownBytes {
		more = fmt.Sprintf("... (%d bytes, hash %016x)", len(b), fnv64(b))
		b = b[:maxShownBytes]
	}
	if utf8.Valid(b) && printable(b) {
		return strconv.Quote(string(b)) + more
	}
	return fmt.Sprintf("%x", b) + more
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
