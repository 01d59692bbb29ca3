#!/bin/sh
# tests/cli/test_trust.sh AYF
# Runs that are left alone, as a user meets them.
set -u
ayf=$1
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1

tiny="--data builtin:shapes --batch 4 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1
      --set model.blocks=1 --set train.precision=highest"

# ---- Explosions that never become infinite ----
wild="--steps 200 --set train.lr=10 --set train.lr_warmup=0 --set train.weight_norm=false --set model.clip_act=0"
expect "an explosion" 4 "$ayf" train wild $tiny $wild
says "training diverged in step" && says "a lower train.lr" && absent wild/model.safetensors
tail -n 1 err >first
expect "the same again when asked again" 4 "$ayf" train wild
same err first
expect "and with the whole command" 4 "$ayf" train wild $tiny $wild
tail -n 1 err >again
same again first
expect "info says so" 0 "$ayf" info wild
prints "diverged in step"
expect "a run that goes back" 0 "$ayf" train wild $tiny $wild --set train.on_divergence=rollback --set train.rollback_rate=0.01
says "going back to step 0" && exists wild/model.safetensors && absent wild/diverged.txt
expect "info does not say so any more" 0 "$ayf" info wild
prints "finished"

finish
