#!/usr/bin/env bash
# Makes a machine a node: installs the checkout around this file, and has every shell know it.
# Repeated at every `ray up`; takes a second where nothing has changed.
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

# What this machine alone needs, such as its build of torch, or a password. Nobody else's to read.
[ -e ~/.lkm-tune.env ] || install -m 600 cluster/node.env ~/.lkm-tune.env
. ~/.lkm-tune.env

# Ray writes its token, and `ray up` copies it, for every user of the machine to read.
if [ -e ~/.ray/auth_token ]; then
    chmod 700 ~/.ray
    chmod 600 ~/.ray/auth_token
fi

gpu() {
    command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q ^GPU
}

# What pip chooses by itself is the CUDA build: gigabytes that a node without a GPU does not need.
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

line=". $PWD/cluster/shell.sh"
grep -qxF "$line" ~/.bashrc 2>/dev/null || printf '%s\n' "$line" >> ~/.bashrc
