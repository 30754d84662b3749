#!/bin/sh
# The posix store over toy file systems that count their recalls: stubs that read as zeros, and a FUSE mount whose
# reads block. What cannot be checked here counts as failed: nothing is passed over.
#
#     run.sh CACHE        CACHE keeps the Python environment; needs root or a user who may mount with FUSE
#
# The last line counts checks: "N passed, N failed".
set -u
here=$(cd "$(dirname "$0")" && pwd)
cache=${1:?where to keep the environment}
env=$cache/envs/hsm
passed=0 failed=0

good() { passed=$((passed + 1)); }
bad() { echo "FAILED: $1" && failed=$((failed + 1)); }
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# Adds the numbers of a check whose last line counts.
count() { # title, command…
    title=$1
    shift
    output=$("$@" 2>&1)
    status=$?
    printf '%s\n' "$output"
    counted=$(printf '%s\n' "$output" | sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
    if [ -z "$counted" ]; then
        bad "$title: exit status $status"
    else
        passed=$((passed + ${counted% *})) failed=$((failed + ${counted#* }))
    fi
}

! command -v dpkg-query >/dev/null || sh "$here/../../.ci/debian" python3-venv fuse libfuse2 attr || exit 1
if ! cmp -s "$env/.made-from" "$here/requirements.txt"; then
    rm -rf "$env"
    mkdir -p "$cache/envs"
    { python3 -m venv "$env" 2>/dev/null || python3 -m virtualenv -q "$env"; } &&
        "$env/bin/python" -m pip install --quiet --disable-pip-version-check --timeout 60 -r "$here/requirements.txt" &&
        cp "$here/requirements.txt" "$env/.made-from" || { bad "the environment of the FUSE toy" && finish; }
fi

echo "== the toys themselves"
count "stubs" "$env/bin/python" "$here/check_posix.py" stubs
count "FUSE" "$env/bin/python" "$here/check_posix.py" fuse

echo "== the posix store over them"
cd "$here/../.." || exit 1
output=$(THERMOCLINE_HSM_PYTHON=$env/bin/python cargo test -p thermocline-cold-posix conforming 2>&1)
for claim in a_file_system_of_stubs_conforms a_file_system_whose_reads_block_conforms; do
    if printf '%s\n' "$output" | grep -q "^test conforming::$claim ... ok$"; then good; else bad "$claim"; fi
done
[ "$failed" -eq 0 ] || printf '%s\n' "$output" | tail -n 40
finish
