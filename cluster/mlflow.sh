#!/usr/bin/env bash
# The MLflow server of the head: `mlflow.sh start|stop|restart`. It listens only on loopback: only the
# driver writes to it, and browsers use an ssh tunnel. The script starts a dead server again.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/shell.sh"
. "$(dirname "$(readlink -f "$0")")/keep_up.sh"

port="${LKM_TUNE_MLFLOW_PORT:-5000}"
pid_file=~/.lkm-tune-mlflow.pid

keep_up() {
    # Jobs serve MLflow's features for language models: seven processes that a study does not need.
    export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
    export MLFLOW_DISABLE_TELEMETRY="${MLFLOW_DISABLE_TELEMETRY:-true}"
    # Every user can read the arguments of a process, so a password goes into the environment.
    export MLFLOW_BACKEND_STORE_URI="${LKM_TUNE_MLFLOW_DATABASE:-sqlite:///$LKM_TUNE_STORAGE/mlflow.db}"
    again_and_again mlflow server --host 127.0.0.1 --port "$port" --workers 1 \
        --artifacts-destination "${LKM_TUNE_MLFLOW_ARTIFACTS:-$LKM_TUNE_STORAGE/artifacts}"
}

start() {
    running && return
    # Only the user reads the runs, unless a group shares the storage.
    [ "${LKM_TUNE_SHARED:-}" = 1 ] || umask 077
    mkdir -p "$LKM_TUNE_STORAGE"
    in_background "$LKM_TUNE_STORAGE/mlflow.log"
    cat > ~/.lkm-tune-head.env <<END
MLFLOW_TRACKING_URI=http://127.0.0.1:$port
LKM_TUNE_ADDRESS=auto
END
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    keep-up) keep_up ;;
    *) echo "mlflow.sh start|stop|restart" >&2; exit 2 ;;
esac
