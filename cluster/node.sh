#!/usr/bin/env bash
# Makes a machine a node: installs the checkout that contains this file and sets up every shell.
# Every `ray up` runs it; without changes it takes a second.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

missing=()
for program in make rsync python3.11; do
    command -v "$program" >/dev/null || missing+=("$program")
done
if ((${#missing[@]})); then
    echo "$(hostname) lacks ${missing[*]}: install them there, then run \`ray up\` again" >&2
    exit 1
fi

# Settings of this machine, such as its build of torch or a password. Only the user may read them.
[ -e ~/.lkm-tune.env ] || install -m 600 cluster/node.env ~/.lkm-tune.env
. ~/.lkm-tune.env

# Ray writes its token readable for every user of the machine, and `ray up` copies it so.
if [ -e ~/.ray/auth_token ]; then
    chmod 700 ~/.ray
    chmod 600 ~/.ray/auth_token
fi

gpu() {
    command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q ^GPU
}

# pip's default is the CUDA build: gigabytes that a node without a GPU does not need.
if [ -z "${TORCH:-}" ] && ! gpu; then
    TORCH="$(sed -n 's/^TESTED_TORCH := //p' Makefile)"
    TORCH+=" --extra-index-url https://download.pytorch.org/whl/cpu"
fi
make setup PYTHON=python3.11 ${TORCH:+TORCH="$TORCH"}

if gpu && ! .venv/bin/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "$(hostname) has a GPU that its torch does not see: name the build for its driver as TORCH" \
        "in ~/.lkm-tune.env there (pytorch.org lists them), then run \`ray up\` again" >&2
    exit 1
fi

# Trials that share a GPU then run at once instead of in turns (docs/cluster.md names the risk).
if [ "${LKM_TUNE_MPS:-}" = 1 ] && gpu && ! echo get_server_list | nvidia-cuda-mps-control >/dev/null 2>&1
then
    nvidia-cuda-mps-control -d
fi

line=". $PWD/cluster/shell.sh"
grep -qxF "$line" ~/.bashrc 2>/dev/null || printf '%s\n' "$line" >> ~/.bashrc
