//! What a guest would ask for by name, if it wanted to reach out: none of it is taken.

use anyhow::Result;

use crate::outside::Outside;
use crate::runs::{folder, taken, whole};

/// Interfaces of components, of WASI and of other hosts.
const INTERFACES: &[&str] = &[
    "wasi:sockets/tcp@0.2.0",
    "wasi:sockets/udp@0.2.0",
    "wasi:sockets/ip-name-lookup@0.2.0",
    "wasi:sockets/instance-network@0.2.0",
    "wasi:http/outgoing-handler@0.2.0",
    "wasi:keyvalue/store@0.2.0-draft",
    "wasi:keyvalue/atomics@0.2.0-draft",
    "wasi:blobstore/blobstore@0.2.0-draft",
    "wasi:messaging/producer@0.2.0-draft",
    "wasi:logging/logging@0.1.0-draft",
    "wasi:config/store@0.2.0-draft",
    "wasi:sql/readwrite@0.2.0-draft",
    "wasi:nn/inference@0.2.0-rc-2024-10-28",
    "wasi:threads/spawn@0.1.0",
    "wasi:clocks/timezone@0.2.0",
    "fermyon:spin/redis@2.0.0",
    "wasmcloud:bus/lattice@1.0.0",
];

/// Functions of plain modules.
const FUNCTIONS: &[(&str, &str)] = &[
    ("wasi_snapshot_preview1", "sock_open"),
    ("wasi_snapshot_preview1", "sock_connect"),
    ("wasi_snapshot_preview1", "sock_send_to"),
    ("wasi_snapshot_preview1", "sock_getaddrinfo"),
    ("wasi", "thread-spawn"),
    ("env", "system"),
    ("env", "syscall"),
    ("env", "emscripten_run_script"),
    ("env", "__syscall_socket"),
    ("gojs", "syscall/js.valueCall"),
];

/// Names, and whether each was refused. The first is the control: a module that asks for nothing,
/// which must be taken.
pub(crate) async fn refused(outside: &Outside) -> Result<Vec<(String, bool)>> {
    let folder = folder()?;
    let supervisor = whole(folder.path(), outside.numbers).await?;
    let plain = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let mut verdicts = vec![("(asks for nothing)".to_owned(), !taken(&supervisor, plain).await?)];
    for interface in INTERFACES {
        let text = format!(
            r#"(component
              (import "{interface}" (instance $asked (export "ask" (func))))
              (core func $ask (canon lower (func $asked "ask")))
              (core module $Main (import "" "ask" (func $ask))
                (func (export "run") (result i32) (call $ask) (i32.const 0)))
              (core instance $main (instantiate $Main
                (with "" (instance (export "ask" (func $ask))))))
              (func $run (result (result)) (canon lift (core func $main "run")))
              (instance $command (export "run" (func $run)))
              (export "wasi:cli/run@0.2.0" (instance $command)))"#
        );
        verdicts.push(((*interface).to_owned(), !taken(&supervisor, &text).await?));
    }
    for (module, function) in FUNCTIONS {
        let text = format!(
            r#"(module (import "{module}" "{function}" (func $ask))
              (memory (export "memory") 1) (func (export "_start") (call $ask)))"#
        );
        verdicts.push((format!("{module}.{function}"), !taken(&supervisor, &text).await?));
    }
    supervisor.drain().await;
    Ok(verdicts)
}
