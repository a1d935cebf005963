#!/bin/sh
# Builds NAME.wasm with the linkers that come with Rust and one C compiler for wasm32: $CC if it is
# set, else clang, else Zig's (`pip install ziglang`).
set -eu
cd "$(dirname "$0")"
if [ -n "${CC:-}" ]; then
    compiler="$CC --target=wasm32"
elif command -v clang >/dev/null; then
    compiler="clang --target=wasm32"
elif python3 -m ziglang version >/dev/null 2>&1; then
    compiler="python3 -m ziglang cc -target wasm32-freestanding"
else
    echo "no C compiler for wasm32: install clang, or run: pip install ziglang" >&2
    exit 1
fi
tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
for source in task.c notrace.c; do
    $compiler -O2 -fno-builtin -Wall -Wextra -c "$source" -o "${source%.c}.o"
done
"$tools/wasm-component-ld" task.o notrace.o --wasm-ld-path "$tools/gcc-ld/wasm-ld" \
    --no-entry --strip-all --wasi-adapter none --component-type task.wit -o NAME.wasm
rm -f task.o notrace.o
