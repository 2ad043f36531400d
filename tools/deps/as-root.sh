#!/usr/bin/env bash
# as-root.sh COMMAND... runs it as root: as it is, or with sudo; and says so if
# there is neither. From the top of the project.
set -euo pipefail
. tools/deps/lib.sh
as_root "$@"
