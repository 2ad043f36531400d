package core_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/pgraft/pgraft"

// pureImports are the packages that core may import; one that ends in /... with
// all below it. Of the standard library only what computes and nothing else.
var pureImports = []string{
	"go.etcd.io/raft/v3/...", "google.golang.org/protobuf/...", module + "/core/...",
	"bytes", "cmp", "encoding/binary", "encoding/hex", "errors", "fmt",
	"hash", "hash/adler32", "hash/crc32", "hash/crc64", "hash/fnv",
	"maps", "math", "math/bits", "slices", "strconv", "strings", "unicode/utf8",
}

// checkpointImports are for core/checkpoint, which reads the library's
// unexported state.
var checkpointImports = []string{"reflect", "unsafe"}

// rules looks through one package.
type rules struct {
	path   string
	fset   *token.FileSet
	info   *types.Info
	sorted map[ast.Expr]bool // arguments of slices.Sorted and its like
	found  []string
}

func (r *rules) fail(at token.Pos, format string, args ...any) {
	r.found = append(r.found, fmt.Sprintf("%s: %s", r.fset.Position(at), fmt.Sprintf(format, args...)))
}

func (r *rules) file(f *ast.File) {
	r.sorted = map[ast.Expr]bool{}
	for _, spec := range f.Imports {
		if path, _ := strconv.Unquote(spec.Path.Value); !r.mayImport(path) {
			r.fail(spec.Pos(), "import of %s: core may import only %v", path, pureImports)
		}
	}
	for _, decl := range f.Decls {
		if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.VAR {
			r.variables(g)
		}
	}
	ast.Inspect(f, r.node)
}

func (r *rules) mayImport(path string) bool {
	matches := func(pattern string) bool {
		dir, ok := strings.CutSuffix(pattern, "/...")
		return path == dir || ok && strings.HasPrefix(path, dir+"/")
	}
	return slices.ContainsFunc(pureImports, matches) ||
		strings.HasPrefix(r.path+"/", module+"/core/checkpoint/") && slices.Contains(checkpointImports, path)
}

// variables allows `var ErrX = errors.New(...)`, which nobody assigns to, and
// `var _ Interface = ...`, which is none.
func (r *rules) variables(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if name.Name == "_" {
				continue
			}
			if len(v.Values) == len(v.Names) {
				if call, ok := v.Values[i].(*ast.CallExpr); ok && r.function(call) == "errors.New" {
					continue
				}
			}
			r.fail(name.Pos(), "package-level variable %s: put it into Core", name.Name)
		}
	}
}

func (r *rules) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GoStmt:
		r.fail(n.Pos(), "go statement: core runs in its caller's goroutine")
	case *ast.SelectStmt:
		r.fail(n.Pos(), "select statement: its choice is random")
	case *ast.ChanType:
		r.fail(n.Pos(), "channel type: core talks in inputs and outputs only")
	case *ast.RangeStmt:
		if isMap(r.info.TypeOf(n.X)) {
			r.fail(n.Pos(), "range over a map: its order is random; use slices.Sorted(maps.Keys(m))")
		}
	case *ast.CallExpr:
		r.call(n)
	}
	return true
}

func (r *rules) call(call *ast.CallExpr) {
	name := r.function(call)
	switch name {
	case "slices.Sorted", "slices.SortedFunc", "slices.SortedStableFunc":
		if len(call.Args) > 0 {
			r.sorted[call.Args[0]] = true // ast.Inspect comes to the argument later
		}
	case "maps.Keys", "maps.Values", "maps.All":
		if !r.sorted[call] {
			r.fail(call.Pos(), "%s outside slices.Sorted: its order is random", name)
		}
	case "maps.DeleteFunc", "maps.EqualFunc":
		r.fail(call.Pos(), "%s calls its function in random order", name)
	case "print", "println":
		r.fail(call.Pos(), "%s: core does no I/O", name)
	}
	if strings.HasPrefix(name, "fmt.Print") || strings.HasPrefix(name, "fmt.Scan") {
		r.fail(call.Pos(), "%s: core does no I/O", name)
	}
}

// function names what a call calls: package.Function, a built-in's name, or "".
func (r *rules) function(call *ast.CallExpr) string {
	fun := ast.Unparen(call.Fun)
	switch x := fun.(type) { // f[T](...)
	case *ast.IndexExpr:
		fun = x.X
	case *ast.IndexListExpr:
		fun = x.X
	}
	var id *ast.Ident
	switch x := fun.(type) {
	case *ast.Ident:
		id = x
	case *ast.SelectorExpr:
		id = x.Sel
	default:
		return ""
	}
	switch obj := r.info.Uses[id].(type) {
	case *types.Builtin:
		return obj.Name()
	case *types.Func:
		if obj.Pkg() != nil && obj.Signature().Recv() == nil {
			return obj.Pkg().Path() + "." + obj.Name()
		}
	}
	return ""
}

func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	if p, ok := t.(*types.TypeParam); ok {
		u, ok := p.Constraint().Underlying().(*types.Interface)
		if !ok {
			return false
		}
		for i := range u.NumEmbeddeds() {
			if union, ok := u.EmbeddedType(i).(*types.Union); ok {
				for j := range union.Len() {
					if isMap(union.Term(j).Type()) {
						return true
					}
				}
			} else if isMap(u.EmbeddedType(i)) {
				return true
			}
		}
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}
