#!/bin/sh
# wrk, which makes the load of the benchmarks: from Debian's packages where there is none and we may install.
set -eu
command -v wrk >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing wrk" >&2
    { apt-get update && apt-get install --yes --no-install-recommends wrk; } >/dev/null && exit 0
fi
echo "wrk makes the load; install it (Debian: apt-get install wrk, macOS: brew install wrk) and repeat" >&2
exit 1
