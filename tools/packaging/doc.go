// Package packaging checks what a release is told by: its versions, and the
// META.json of PGXN. The scripts beside it test an installation and the Debian
// packages; see docs/packaging.md.
package packaging
