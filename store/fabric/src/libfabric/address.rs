//! Addresses of endpoints, as libfabric hands them out and a peer tells them. A peer has proved who
//! it is, and its address still comes from outside: libfabric follows it without a look.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::config::Provider;

/// The families of addresses, on Linux.
const INET: u16 = 2;
/// See [`INET`].
const INET6: u16 = 10;

/// Whether this can be the address of an endpoint that the provider reaches.
pub(super) fn is_one(provider: Provider, address: &[u8]) -> bool {
    match provider {
        Provider::Tcp | Provider::Verbs => socket(address).is_some(),
        Provider::Shm => process(address).is_some(),
        // As long as libfabric says, and a card judges the rest.
        Provider::Efa => address.len() == 32,
    }
}

/// What `sockaddr_in` and `sockaddr_in6` say.
pub(super) fn socket(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk()?;
    let (port, rest) = rest.split_first_chunk()?;
    let port = u16::from_be_bytes(*port);
    match (u16::from_ne_bytes(*family), rest) {
        (INET, &[a, b, c, d, _, _, _, _, _, _, _, _]) => {
            Some(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port).into())
        }
        (INET6, rest) if rest.len() == 24 => {
            let (flow, rest) = rest.split_first_chunk()?;
            let (address, rest) = rest.split_first_chunk::<16>()?;
            let (flow, scope) =
                (u32::from_be_bytes(*flow), u32::from_ne_bytes(*rest.first_chunk()?));
            Some(SocketAddrV6::new(Ipv6Addr::from(*address), port, flow, scope).into())
        }
        _ => None,
    }
}

/// The other way round.
pub(super) fn written(address: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    let family = if address.is_ipv4() { INET } else { INET6 };
    bytes.extend_from_slice(&family.to_ne_bytes());
    bytes.extend_from_slice(&address.port().to_be_bytes());
    match address {
        SocketAddr::V4(address) => {
            bytes.extend_from_slice(&address.ip().octets());
            bytes.extend_from_slice(&[0; 8]);
        }
        SocketAddr::V6(address) => {
            bytes.extend_from_slice(&address.flowinfo().to_be_bytes());
            bytes.extend_from_slice(&address.ip().octets());
            bytes.extend_from_slice(&address.scope_id().to_ne_bytes());
        }
    }
    bytes
}

/// The process of an endpoint of `shm`: `fi_shm://PROCESS:DOMAIN:ENDPOINT`, then zeros.
fn process(bytes: &[u8]) -> Option<i32> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (name, zeros) = bytes.split_at_checked(end)?;
    let name = std::str::from_utf8(name).ok()?.strip_prefix("fi_shm://")?;
    zeros.iter().all(|byte| *byte == 0).then(|| owner(name))?
}

/// The process that memory of this name belongs to, if it is an endpoint's of `shm`.
pub(super) fn owner(name: &str) -> Option<i32> {
    let mut parts = name.split(':').map(|part| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<i32>().ok()).flatten()
    });
    let all = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(all.first().copied().filter(|it| *it > 0))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_read_as_it_was_written() {
        for address in ["127.0.0.1:80", "255.254.253.252:65535", "[::1]:9", "[fe80::1%3]:65534"] {
            let address: SocketAddr = address.parse().unwrap();
            let bytes = written(address);
            assert_eq!(socket(&bytes), Some(address));
            assert!(is_one(Provider::Tcp, &bytes) && is_one(Provider::Verbs, &bytes));
            for length in 0..bytes.len() {
                assert_eq!(socket(&bytes[..length]), None);
            }
            assert_eq!(socket(&[&bytes[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        // A socket of this machine, one of InfiniBand, a name.
        for other in [&[1, 0, b'/', b't'][..], &[27; 48], b"fi_sockaddr_in://1.2.3.4:5", b""] {
            assert!(!is_one(Provider::Tcp, other) && !is_one(Provider::Verbs, other));
        }
        for other in
            ["", "1:2:3", "fi_shm://", "fi_shm://1:2", "fi_shm://1:2:3:4", "fi_shm://0:0:0"]
        {
            assert!(!is_one(Provider::Shm, other.as_bytes()), "{other}");
        }
        for other in ["fi_shm://../1:0:0", "fi_shm://1:0:x", "fi_shm://+1:0:0", "fi_shm://1:0:0\0x"]
        {
            assert!(!is_one(Provider::Shm, other.as_bytes()), "{other}");
        }
        assert!(!is_one(Provider::Efa, &[0; 31]) && is_one(Provider::Efa, &[0; 32]));
    }

    #[test]
    fn an_endpoint_in_shared_memory_names_its_process() {
        assert_eq!(process(b"fi_shm://4711:0:3\0\0"), Some(4711));
        assert_eq!(process(b"fi_shm://4711:0:3"), Some(4711));
        assert_eq!(
            (owner("4711:12:3"), owner("sem.4711"), owner("4711::3")),
            (Some(4711), None, None)
        );
    }
}
