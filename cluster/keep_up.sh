# Sourced by scripts whose command `keep-up` runs a program for good, in the background. The script
# sets `pid_file`, which holds the id of that process.

self="$(readlink -f "$0")"

running() {
    # A number may belong to another program after a restart of the machine.
    [ -r "$pid_file" ] && grep -qz "${self##*/}" "/proc/$(cat "$pid_file")/cmdline" 2>/dev/null
}

stop() {
    # The program and its children are in the process group of the keep-up process.
    running && kill -- "-$(cat "$pid_file")" || true
    rm -f "$pid_file"
}

# in_background LOG ARGUMENTS: starts `SCRIPT keep-up ARGUMENTS`.
in_background() {
    local log="$1"
    shift
    setsid bash "$self" keep-up "$@" >> "$log" 2>&1 < /dev/null &
    echo "$!" > "$pid_file"
}

# again_and_again COMMAND: starts a server again when it has ended.
again_and_again() {
    while true; do
        "$@" || true
        echo "$(date -Is) the server ended; starting it again" >&2
        sleep 2
    done
}
