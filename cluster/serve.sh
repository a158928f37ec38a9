#!/usr/bin/env bash
# The pages and the API of the head: `serve.sh start|stop|restart`. They listen only on loopback:
# browsers use an ssh tunnel (docs/service.md). Started studies are jobs of Ray, so they go on when this
# server ends. The script starts a dead server again.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/shell.sh"
. "$(dirname "$(readlink -f "$0")")/keep_up.sh"

pid_file=~/.lkm-tune-serve.pid

keep_up() {
    again_and_again lkm-tune serve --storage "$LKM_TUNE_STORAGE" --port "${LKM_TUNE_SERVE_PORT:-8420}" \
        --address auto --jobs "${LKM_TUNE_JOBS:-http://127.0.0.1:8265}"
}

start() {
    running && return
    [ "${LKM_TUNE_SHARED:-}" = 1 ] || umask 077
    mkdir -p "$LKM_TUNE_STORAGE"
    in_background "$LKM_TUNE_STORAGE/serve.log"
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    keep-up) keep_up ;;
    *) echo "serve.sh start|stop|restart" >&2; exit 2 ;;
esac
