#!/usr/bin/env bash
# Starts Ray on the nodes of one Slurm job and runs a study on it:
#
#   sbatch --job-name=qm9 cluster/slurm.sh qm9
#
# The nodes must share the home folder. Run `make setup` once in the checkout. Two minutes before its
# time limit, the job stops the study and queues itself again. The same command also continues the study.
# `lkm-tune serve --storage lkm-runs/qm9` on a login node shows the study while it runs: the file system
# must pass on locks between nodes; without, the study counts as not running.
# `make test-slurm` runs this file under Slurm 22.05 with two virtual nodes without GPUs.
#SBATCH --job-name=lkm-tune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# Jobs of one name share a storage folder, so they run one after the other.
#SBATCH --dependency=singleton
set -euo pipefail
cd "${SLURM_SUBMIT_DIR:?submit this with sbatch, in the checkout}"

export PATH="$PWD/.venv/bin:$PATH" OMP_NUM_THREADS=1
# A token for this job only; srun passes it on with the environment.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN="$(python -c 'import secrets; print(secrets.token_hex(32))')"

# Turn off Ray's servers without a token and its usage statistics.
export RAY_enable_metrics_collection=0 DASHBOARD_METRIC_PORT=-1 AUTOSCALER_METRIC_PORT=-1
export RAY_USAGE_STATS_ENABLED="${RAY_USAGE_STATS_ENABLED:-0}"
[ "${LKM_TUNE_SHARED:-}" = 1 ] || umask 077

# Slurm's warning before the time limit stops the study, which saves its state, if it has begun.
ending='' study=''
trap 'ending=1; [ -z "$study" ] || kill -INT "$study"' USR1

# The locks of SQLite work on one machine only, and every job may have another head. So jobs share a
# storage folder only if a server keeps their runs.
export LKM_TUNE_STORAGE="${LKM_TUNE_STORAGE:-$PWD/lkm-runs}"
[ -n "${MLFLOW_TRACKING_URI:-}" ] || LKM_TUNE_STORAGE+="/$SLURM_JOB_NAME"

# srun does not take this number from the job.
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# Jobs on one node need different ports and folders. Ray chooses its other ports by itself.
port=$((20000 + SLURM_JOB_ID % 3000 * 3))
# gRPC may not find the names of nodes, so the address is a number.
ip="$(getent ahostsv4 "${nodes[0]}" | awk '!/^127\./ {print $1; exit}')"
address="${ip:?${nodes[0]} has no address in the network of the nodes}:$port"
here=(--num-cpus="$SRUN_CPUS_PER_TASK" --num-gpus="${SLURM_GPUS_ON_NODE:-0}"
    --temp-dir="/tmp/lkm-slurm-$SLURM_JOB_ID" --dashboard-agent-listen-port="$((port + 1))" --block)

start() {
    srun --nodes=1 --ntasks=1 --nodelist="$1" ray start "${@:2}" "${here[@]}" &
}

# Waits until as many nodes have joined, for ten minutes at most.
wait_for() {
    local end=$((SECONDS + 600))
    until [ "$ending" ] || (("$(ray status --address "$address" 2>/dev/null | grep -c ' node_')" >= $1)); do
        ((SECONDS < end)) || return 1
        sleep 1
    done
}

start "${nodes[0]}" --head --node-ip-address="$ip" --port="$port" \
    --ray-client-server-port="$((port + 2))" --include-dashboard=false
wait_for 1 || { echo "Ray did not start on ${nodes[0]} within ten minutes" >&2; exit 1; }
for node in "${nodes[@]:1}"; do
    start "$node" --address="$address"
done
wait_for "${#nodes[@]}" || echo "not all of ${nodes[*]} have joined; the study begins without" >&2

code=0
if [ -z "$ending" ]; then
    # With job control, a program in the background takes an interrupt.
    set -m
    lkm-tune run "$@" --address "$address" &
    study=$!
    wait "$study" || code=$?
fi
if [ "$ending" ]; then
    # The signal ended the first wait.
    [ -z "$study" ] || wait "$study" || true
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
