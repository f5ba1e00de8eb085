#!/bin/sh
# Compiles a crate of ours with what libFuzzer looks at: cargo calls it as RUSTC_WORKSPACE_WRAPPER. The flags are those
# of `cargo fuzz`, with a stable compiler and without a sanitizer, since nothing here is unsafe.
case " $* " in
*" --crate-name build_script_"*) exec "$@" ;; # runs without libFuzzer
*" --crate-name "*) ;;
*) exec "$@" ;; # a question about the compiler
esac
exec "$@" --cfg=fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares
