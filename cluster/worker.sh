#!/usr/bin/env bash
# Ray on a worker: `worker.sh start HEAD:PORT` and `worker.sh stop`. Ray's launcher gives up a worker
# that was away for 15 minutes, so this script starts Ray again when it has broken, or has lost the head,
# as soon as the head answers. What `ray stop` ends stays ended.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/shell.sh"
. "$(dirname "$(readlink -f "$0")")/keep_up.sh"

log=~/.lkm-tune-worker.log
pid_file=~/.lkm-tune-worker.pid
unit=lkm-tune-worker.service

has_systemd() {
    systemctl --user show-environment >/dev/null 2>&1
}

stop_all() {
    if has_systemd; then
        systemctl --user disable --now "$unit" 2>/dev/null || true
    fi
    stop
}

keep_up() {
    while true; do
        until timeout 5 bash -c ": < /dev/tcp/${1%:*}/${1##*:}" 2>/dev/null; do
            sleep 5
        done
        # With --block, the command ends if a process of Ray breaks, but not after `ray stop`.
        ray start --address="$1" --block || true
        echo "$(date -Is) Ray ended; starting it again" >&2
        sleep 5
    done
}

start() {
    stop_all
    ray stop
    : > "$log"
    if has_systemd; then
        mkdir -p ~/.config/systemd/user
        cat > ~/.config/systemd/user/"$unit" <<UNIT
[Unit]
Description=Ray of lkm-tune on a worker

[Service]
ExecStart=/bin/bash "$self" keep-up $1
Restart=always
RestartSec=5
StandardOutput=append:$log
StandardError=append:$log

[Install]
WantedBy=default.target
UNIT
        systemctl --user daemon-reload
        systemctl --user enable "$unit"
        systemctl --user restart "$unit"
        # With lingering, the unit starts with the machine and outlives the login.
        loginctl enable-linger || echo "without lingering, Ray ends with the last login" >&2
    else
        in_background "$log" "$1"
    fi
    # `ray up` shows the log of a start that fails; the script goes on trying.
    for _ in {1..120}; do
        ! grep -q "Ray runtime started" "$log" || return 0
        ! grep -q "Ray ended" "$log" || break
        sleep 1
    done
    cat "$log" >&2
    return 1
}

case "${1:-}" in
    start) start "$2" ;;
    stop) stop_all ;;
    keep-up) keep_up "$2" ;;
    *) echo "worker.sh start HEAD:PORT | stop" >&2; exit 2 ;;
esac
