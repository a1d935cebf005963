#!/bin/sh
# Writes src/bindings.rs anew, after a change of inline.h or for another libfabric.
# Needs libfabric-dev, libclang and bindgen-cli (made with 0.72.1, of libfabric 1.17.0).
set -eu
cd "$(dirname "$0")"
functions='inline_fi_.*|fi_getinfo|fi_freeinfo|fi_fabric|fi_version'
constants='CONNREQ|CONNECTED|SHUTDOWN|MSG|RMA|WRITE|RECV|TRANSMIT|REMOTE_(WRITE|CQ_DATA)'
constants="$constants|RX_CQ_DATA|SOURCE|DELIVERY_COMPLETE|GETWAIT"
constants="$constants|ORDER_(SAS|SAW|WAW)|MR_(LOCAL|ALLOCATED|PROV_KEY|VIRT_ADDR)"
constants="FI_($constants|EAGAIN|EAVAIL|ENODATA)"
opaque='fi_ops.*|fid_(fabric|domain|av|cq|ep|eq|pep|mr|nic|wait)|fi_mr_attr|fi_wait_set'
bindgen inline.h --output src/bindings.rs \
    --rust-edition 2024 --rust-target 1.85 --use-core --no-doc-comments --with-derive-default \
    --default-enum-style consts --no-prepend-enum-name \
    --allowlist-function "$functions" --allowlist-var "$constants" \
    --allowlist-type 'fi_cq_data_entry' \
    --opaque-type "$opaque" \
    --blocklist-type 'iovec|pollfd' --no-layout-tests --merge-extern-blocks
rustfmt --edition 2024 --config max_width=100 src/bindings.rs
