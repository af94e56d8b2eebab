#!/bin/sh
# Prints the folder of promtool, which the tests need. Where it is not installed, it is unpacked into .cache from Debian's
# package `prometheus`: nothing is installed, and no server starts.
set -eu
cd "$(dirname "$0")/.."

found=$(command -v promtool || true)
[ -z "$found" ] || { dirname "$found"; exit 0; }

folder=$PWD/.cache/prometheus
if [ ! -x "$folder/usr/bin/promtool" ]; then
    give_up() {
        echo "The tests need promtool. Install it (Debian and Ubuntu: sudo apt-get install prometheus), then repeat." >&2
        exit 1
    }
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then give_up; fi
    echo "Fetching promtool from Debian's package prometheus" >&2
    rm -rf "$folder" && mkdir -p "$folder"
    cd "$folder"
    apt-get -qq -o APT::Sandbox::User=root download prometheus >&2 || {
        [ "$(id -u)" = 0 ] || give_up
        apt-get -qq update >&2 && apt-get -qq -o APT::Sandbox::User=root download prometheus >&2 || give_up
    }
    dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb
fi
"$folder/usr/bin/promtool" --version >/dev/null
echo "$folder/usr/bin"
