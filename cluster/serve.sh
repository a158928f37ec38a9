#!/usr/bin/env bash
# The pages and the API of the head: `serve.sh start|stop|restart`. They listen only on loopback:
# browsers use an ssh tunnel (docs/service.md). Started studies are jobs of Ray, so they go on when this
# server ends. The script starts a dead server again.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/shell.sh"

pid_file=~/.lkm-tune-serve.pid

running() {
    # A number may belong to another program after a restart of the machine.
    [ -r "$pid_file" ] && grep -qz serve.sh "/proc/$(cat "$pid_file")/cmdline" 2>/dev/null
}

stop() {
    # The server is in the process group of the keep-up process.
    running && kill -- "-$(cat "$pid_file")" || true
    rm -f "$pid_file"
}

keep_up() {
    while true; do
        lkm-tune serve --storage "$LKM_TUNE_STORAGE" --port "${LKM_TUNE_SERVE_PORT:-8420}" \
            --address auto --jobs "${LKM_TUNE_JOBS:-http://127.0.0.1:8265}" || true
        echo "$(date -Is) the server ended; starting it again" >&2
        sleep 2
    done
}

start() {
    running && return
    [ "${LKM_TUNE_SHARED:-}" = 1 ] || umask 077
    mkdir -p "$LKM_TUNE_STORAGE"
    setsid bash "$0" keep-up >> "$LKM_TUNE_STORAGE/serve.log" 2>&1 < /dev/null &
    echo "$!" > "$pid_file"
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    keep-up) keep_up ;;
    *) echo "serve.sh start|stop|restart" >&2; exit 2 ;;
esac
