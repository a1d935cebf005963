;; Answers the files objects/photos/a to objects/photos/f, one after the other.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "objects/photos/a")
  ;; The files are short: one reading has all of one.
  (func $copy (param $file i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 4096))
    (if (call $fd_read (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8))
      (then unreachable))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
      (then unreachable)))
  (func (export "_start")
    (local $letter i32)
    (local.set $letter (i32.const 97))
    (loop $next
      (i32.store8 (i32.const 79) (local.get $letter))
      (if (call $path_open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 16)
          (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 16))
        (then unreachable))
      (call $copy (i32.load (i32.const 16)))
      (local.set $letter (i32.add (local.get $letter) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $letter) (i32.const 103)))))
)
