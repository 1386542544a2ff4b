#!/bin/sh
# Cargo calls this in the place of rustc for what the workspace holds (RUSTC_WORKSPACE_WRAPPER; `cargo xtask fuzz`):
# the fuzzer's instruments go into programs and libraries, but not into build scripts, which are not linked with the
# fuzzer, nor into what cargo asks rustc about itself (`rustc - …`).
set -eu
rustc=$1
shift
case " $* " in
    *" --crate-name build_script_build "* | *" - "*) exec "$rustc" "$@" ;;
esac
# Words that are apart.
# shellcheck disable=SC2086
exec "$rustc" "$@" $MEMTRACE_INSTRUMENTS
