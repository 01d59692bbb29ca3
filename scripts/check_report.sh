#!/bin/sh
# scripts/check_report.sh PAGE [SCREENSHOT.png]
# Opens a page of `ayf report` in headless Chromium, takes a screenshot, and fails when a script of the page fails or
# does not come to its end. Exit status 77 when there is no Chromium here (scripts/deps.sh browser installs it).
set -eu
page=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shot=${2:-${page%.html}.png}
browser=
for name in chromium chromium-browser google-chrome; do
    [ -n "$browser" ] || browser=$(command -v "$name" || true)
done
if [ -z "$browser" ]; then
    echo "check_report.sh: no Chromium here; scripts/deps.sh browser installs it" >&2
    exit 77
fi
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
# Without a sandbox of its own it also runs as root and in containers; the page is ours.
look() {
    timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
        --user-data-dir="$profile" --window-size=1250,3000 --virtual-time-budget=10000 "$@" "file://$page" 2>"$profile/said"
}
look --screenshot="$shot" >/dev/null || { cat "$profile/said" >&2; exit 1; }
dom=$(look --dump-dom) || { cat "$profile/said" >&2; exit 1; }
html=$(printf '%s\n' "$dom" | grep -m1 '<html')
case $html in *data-error=*)
    echo "check_report.sh: $page: a script fails: $html" >&2
    exit 1
    ;;
esac
case $html in *'data-complete="yes"'*) ;; *)
    echo "check_report.sh: $page: the script did not come to its end" >&2
    exit 1
    ;;
esac
[ -s "$shot" ]
