;; NAME: answers its input in capitals.
;;
;; A WASI command: input on file 0, answer on file 1. It runs once, alone, and its memory goes with
;; it. `notrace task push` assembles a .wat file itself, so there is nothing to build.
(module
  (import "wasi_snapshot_preview1" "fd_read"
    (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)

  ;; 0: where bytes are; 4: how many; 8: how many were read or written; 1024: the bytes.
  (global $buffer i32 (i32.const 1024))
  (global $room i32 (i32.const 32768))

  (func (export "_start")
    (local $size i32)
    (loop $next
      (i32.store (i32.const 0) (global.get $buffer))
      (i32.store (i32.const 4) (global.get $room))
      (if (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))
        (then (call $proc_exit (i32.const 1))))
      (local.set $size (i32.load (i32.const 8)))
      (if (local.get $size)
        (then
          (call $capitals (local.get $size))
          (call $write_all (local.get $size))
          (br $next)))))

  ;; Turns a to z among the first $size bytes of the buffer into A to Z.
  (func $capitals (param $size i32)
    (local $at i32) (local $end i32) (local $byte i32)
    (local.set $at (global.get $buffer))
    (local.set $end (i32.add (global.get $buffer) (local.get $size)))
    (loop $each
      (local.set $byte (i32.load8_u (local.get $at)))
      (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26))
        (then (i32.store8 (local.get $at) (i32.sub (local.get $byte) (i32.const 32)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $each (i32.lt_u (local.get $at) (local.get $end)))))

  ;; Writes the first $size bytes of the buffer; a write may take fewer than it is given.
  (func $write_all (param $size i32)
    (i32.store (i32.const 0) (global.get $buffer))
    (i32.store (i32.const 4) (local.get $size))
    (loop $more
      (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
        (then (call $proc_exit (i32.const 1))))
      (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.load (i32.const 8))))
      (i32.store (i32.const 4) (i32.sub (i32.load (i32.const 4)) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 4))))))
