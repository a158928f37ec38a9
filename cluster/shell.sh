# Every shell of a node reads this file, and so do the processes that Ray starts there.
export PATH="$HOME/lkm-tune/.venv/bin:$PATH"
export RAY_AUTH_MODE=token
# Ray's three metrics servers ask for no token. Without metrics, and with invalid ports, they stay off
# the network.
export RAY_enable_metrics_collection=0 DASHBOARD_METRIC_PORT=-1 AUTOSCALER_METRIC_PORT=-1
export RAY_USAGE_STATS_ENABLED="${RAY_USAGE_STATS_ENABLED:-0}"
# More threads than a trial's cores make small networks slower.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

set -a
[ -r ~/.lkm-tune.env ] && . ~/.lkm-tune.env
LKM_TUNE_STORAGE="${LKM_TUNE_STORAGE:-$HOME/lkm-runs}"
# mlflow.sh writes this file on the head.
[ -r ~/.lkm-tune-head.env ] && . ~/.lkm-tune-head.env
set +a
