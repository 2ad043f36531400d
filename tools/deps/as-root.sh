#!/usr/bin/env bash
# as-root.sh COMMAND... runs it as root: as it is, or with sudo; and says so if
# there is neither.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
as_root "$@"
