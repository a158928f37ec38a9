#!/usr/bin/env bash
# Starts Ray on the nodes of one Slurm job and runs a study on it:  sbatch cluster/slurm.sh qm9
#
# The nodes must share the home folder. Run `make setup` once in the checkout. The same command continues
# the study, so the job may end before the study. Checked by shellcheck and by a run with a stand-in for
# srun; never run under Slurm.
#SBATCH --job-name=lkm-tune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
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

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head="${nodes[0]}"
port=$((20000 + SLURM_JOB_ID % 20000))
here=(--num-cpus="${SLURM_CPUS_PER_TASK:-1}" --num-gpus="${SLURM_GPUS_ON_NODE:-0}" --block)

srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --port="$port" --include-dashboard=false "${here[@]}" &
sleep 20
for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 --nodelist="$node" \
        ray start --address="$head:$port" "${here[@]}" &
done
sleep 20

srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
    lkm-tune run "$@" --address "$head:$port"
