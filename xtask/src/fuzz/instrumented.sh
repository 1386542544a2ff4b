#!/bin/sh
# Cargo calls this in the place of rustc for what the workspace holds (RUSTC_WORKSPACE_WRAPPER): the fuzzer's
# instruments go into programs and libraries, but not into build scripts, which are not linked with the fuzzer.
set -eu
rustc=$1
shift
case " $* " in
    *" --crate-name build_script_build "*) exec "$rustc" "$@" ;;
esac
exec "$rustc" "$@" INSTRUMENTS
