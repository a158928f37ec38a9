# Read by every shell of a node, and by what Ray starts there.
export PATH="$HOME/lkm-tune/.venv/bin:$PATH"
export RAY_AUTH_MODE=token
# Ray shows its figures to whoever asks, without the token: not to collect them, and ports that there
# are not, keep these three servers off the network.
export RAY_enable_metrics_collection=0 DASHBOARD_METRIC_PORT=-1 AUTOSCALER_METRIC_PORT=-1
export RAY_USAGE_STATS_ENABLED="${RAY_USAGE_STATS_ENABLED:-0}"
# Threads beyond a trial's own make small networks slower.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

set -a
[ -r ~/.lkm-tune.env ] && . ~/.lkm-tune.env
LKM_TUNE_STORAGE="${LKM_TUNE_STORAGE:-$HOME/lkm-runs}"
# Written where Ray's head and MLflow are started.
[ -r ~/.lkm-tune-head.env ] && . ~/.lkm-tune-head.env
set +a
