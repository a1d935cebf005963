;; Reads its arguments, its input and the object p/k, keeps parts of the input wherever a program
;; keeps anything, and then does what the input's first byte says:
;;   A  answers the input and then the object, every bit of them turned round
;;   F  says the input on standard error and leaves with 3
;;   T  gives up
;;   L  goes on for ever
(module
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 96)
  (data (i32.const 64) "objects/p/k")
  (data (i32.const 128) "DATA")
  (global $first (mut i64) (i64.const 0))
  (global $second (mut i64) (i64.const 0))
  (global $third (mut i64) (i64.const 0))
  (global $fourth (mut i64) (i64.const 0))

  ;; Appends all of a file to what is there, and tells how much that is then.
  (func $read (param $file i32) (param $length i32) (result i32)
    (loop $more
      (i32.store (i32.const 0) (i32.add (i32.const 65536) (local.get $length)))
      (i32.store (i32.const 4) (i32.const 65536))
      (if (call $fd_read (local.get $file) (i32.const 0) (i32.const 1) (i32.const 8))
        (then unreachable))
      (local.set $length (i32.add (local.get $length) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 8))))
    (local.get $length))

  ;; Holds eight bytes of the input in each of its frames.
  (func $NAME (param $depth i32) (result i64)
    (local $held i64)
    (local.set $held
      (i64.load (i32.add (i32.const 65537) (i32.and (i32.mul (local.get $depth) (i32.const 8))
        (i32.const 56)))))
    (if (result i64) (local.get $depth)
      (then (i64.xor (call $NAME (i32.sub (local.get $depth) (i32.const 1))) (local.get $held)))
      (else (local.get $held))))

  (func (export "_start")
    (local $length i32) (local $at i32) (local $mode i32)
    (drop (call $args_sizes_get (i32.const 16) (i32.const 20)))
    (drop (call $args_get (i32.const 1024) (i32.const 4096)))
    (local.set $length (call $read (i32.const 0) (i32.const 0)))
    (if (i32.eqz (call $path_open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 11)
        (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 24)))
      (then (local.set $length (call $read (i32.load (i32.const 24)) (local.get $length)))))
    (global.set $first (i64.load (i32.const 65537)))
    (global.set $second (i64.load (i32.const 65545)))
    (global.set $third (i64.load (i32.const 65553)))
    (global.set $fourth (i64.load (i32.const 65561)))
    (i64.store (i32.const 40) (call $NAME (i32.const 31)))
    (local.set $mode (i32.load8_u (i32.const 65536)))
    (if (i32.eq (local.get $mode) (i32.const 84)) (then unreachable))
    (if (i32.eq (local.get $mode) (i32.const 76)) (then (loop $ever (br $ever))))
    (i32.store (i32.const 0) (i32.const 65536))
    (i32.store (i32.const 4) (local.get $length))
    (if (i32.eq (local.get $mode) (i32.const 70))
      (then
        (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $proc_exit (i32.const 3))))
    (local.set $at (i32.const 0))
    (loop $turn
      (i32.store8 (i32.add (i32.const 65536) (local.get $at))
        (i32.xor (i32.load8_u (i32.add (i32.const 65536) (local.get $at))) (i32.const 255)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $turn (i32.lt_u (local.get $at) (local.get $length))))
    (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
      (then unreachable))))
