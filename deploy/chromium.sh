#!/bin/sh
# Chromium, in which the tests look at the pages, and Japanese letters for it: from Debian's packages where they are not
# there and we may install. Where it cannot be had it says so, and exits 1.
set -eu
found() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
found >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium from Debian's packages" >&2
    wanted="chromium fonts-noto-cjk"
    # shellcheck disable=SC2086 # two packages
    { apt-get -qq install --yes --no-install-recommends $wanted || {
        apt-get -qq update && apt-get -qq install --yes --no-install-recommends $wanted; }; } >/dev/null 2>&1 || true
fi
found >/dev/null || {
    echo "The tests of the pages need Chromium. Install it (Debian: sudo apt-get install chromium fonts-noto-cjk), then repeat." >&2
    exit 1
}
