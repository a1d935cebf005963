#!/bin/sh
# Builds NAME.wasm. Once before: rustup target add wasm32-wasip1
set -eu
cd "$(dirname "$0")"
cargo build --release --target wasm32-wasip1 --target-dir target
cp target/wasm32-wasip1/release/task.wasm NAME.wasm
