//! Over the network, real or within the host.

use std::io::{Error, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};

use super::{Arrives, Done, Technique, at, bytes, call, did, way};
use crate::outside::Numbers;

pub(super) const ALL: &[Technique] = &[
    way("TCP connection", Arrives, tcp),
    way("TCP connection over IPv6", Arrives, tcp_6),
    way("TCP with data in its first packet", Arrives, tcp_fast_open),
    way("TCP over several paths", Arrives, multipath),
    way("TCP port that waits to be asked", Done, listen),
    way("UDP datagram", Arrives, udp),
    way("UDP datagram over IPv6", Arrives, udp_6),
    way("UDP datagrams, several at once", Arrives, udp_many),
    way("DNS question", Arrives, dns),
    way("UDP broadcast", Done, broadcast),
    way("UDP multicast", Done, multicast),
    way("raw IP packet", Done, raw_ip),
    way("ICMP echo", Done, ping),
    way("raw Ethernet frame", Done, frame),
    way("netlink: a route of the host", Done, netlink_route),
    way("netlink: to another process", Done, netlink_user),
    way("vsock, to the hypervisor", Done, vsock),
    way("unix stream by path", Arrives, unix_path),
    way("unix stream by abstract name", Arrives, unix_abstract),
    way("unix datagram by path", Arrives, datagram_path),
    way("unix datagram by abstract name", Arrives, datagram_abstract),
    way("unix name that waits to be asked", Done, unix_listen),
    way("descriptor passed over a unix socket", Arrives, pass_descriptor),
    way("line for the system's log", Arrives, log_line),
    way("name of an object, put into a store", Arrives, key_name),
    way("argument of a call to a service", Arrives, call_argument),
];

fn tcp(to: Numbers, token: &str) -> Result<(), Error> {
    TcpStream::connect(("127.0.0.1", to.port))?.write_all(token.as_bytes())
}

fn tcp_6(to: Numbers, token: &str) -> Result<(), Error> {
    TcpStream::connect(("::1", to.port))?.write_all(token.as_bytes())
}

fn inet(port: u16) -> [u8; 16] {
    let [high, low] = port.to_be_bytes();
    [2, 0, high, low, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
}

fn socket(family: i32, kind: i32, protocol: i32) -> Result<usize, Error> {
    call(libc::SYS_socket, &[family as usize, kind as usize, protocol as usize])
}

fn send_to(socket: usize, data: &[u8], flags: i32, to: &[u8]) -> Result<(), Error> {
    did(libc::SYS_sendto, &[socket, bytes(data), data.len(), flags as usize, bytes(to), to.len()])
}

fn tcp_fast_open(to: Numbers, token: &str) -> Result<(), Error> {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    send_to(socket, token.as_bytes(), libc::MSG_FASTOPEN, &inet(to.port))
}

fn multipath(to: Numbers, token: &str) -> Result<(), Error> {
    const MPTCP: i32 = 262;
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, MPTCP)?;
    let address = inet(to.port);
    did(libc::SYS_connect, &[socket, bytes(&address), address.len()])?;
    did(libc::SYS_write, &[socket, bytes(token.as_bytes()), token.len()])
}

fn listen(_: Numbers, _: &str) -> Result<(), Error> {
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let address = inet(0);
    did(libc::SYS_bind, &[socket, bytes(&address), address.len()])?;
    did(libc::SYS_listen, &[socket, 1])?;
    // In a namespace of one's own nobody asks: the port is open where the outside has its own.
    same_network()
}

/// Whether the interfaces are the host's: some other than the loopback's, or that one up.
fn same_network() -> Result<(), Error> {
    UdpSocket::bind("127.0.0.1:0")?.connect(("127.0.0.1", 9))
}

fn udp(to: Numbers, token: &str) -> Result<(), Error> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    send_to(socket, token.as_bytes(), 0, &inet(to.port))
}

fn udp_6(to: Numbers, token: &str) -> Result<(), Error> {
    UdpSocket::bind("[::1]:0")?.send_to(token.as_bytes(), ("::1", to.port)).map(drop)
}

fn udp_many(to: Numbers, token: &str) -> Result<(), Error> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let address = inet(to.port);
    did(libc::SYS_connect, &[socket, bytes(&address), address.len()])?;
    let vector = [bytes(token.as_bytes()), token.len()];
    // struct mmsghdr: a message header of seven words, and how much was sent.
    let message = [0, 0, at(&vector), 1, 0, 0, 0, 0];
    did(libc::SYS_sendmmsg, &[socket, at(&message), 1, 0])
}

fn dns(to: Numbers, token: &str) -> Result<(), Error> {
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    question.push(u8::try_from(token.len()).unwrap_or(0));
    question.extend_from_slice(token.as_bytes());
    question.extend_from_slice(b"\x07example\0\0\x01\0\x01");
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(&question, ("127.0.0.1", to.port)).map(drop)
}

fn broadcast(to: Numbers, token: &str) -> Result<(), Error> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_broadcast(true)?;
    socket.send_to(token.as_bytes(), ("127.255.255.255", to.port)).map(drop)
}

fn multicast(to: Numbers, token: &str) -> Result<(), Error> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.join_multicast_v4(&[224, 0, 0, 99].into(), &[127, 0, 0, 1].into())?;
    same_network()?;
    socket.send_to(token.as_bytes(), ("127.0.0.1", to.port)).map(drop)
}

fn raw_ip(_: Numbers, token: &str) -> Result<(), Error> {
    const EXPERIMENT: i32 = 253;
    let socket = socket(libc::AF_INET, libc::SOCK_RAW, EXPERIMENT)?;
    send_to(socket, token.as_bytes(), 0, &inet(0))
}

fn ping(_: Numbers, token: &str) -> Result<(), Error> {
    let socket = socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)?;
    let echo = [&[8, 0, 0, 0, 0, 1, 0, 1], token.as_bytes()].concat();
    send_to(socket, &echo, 0, &inet(0))
}

fn frame(_: Numbers, token: &str) -> Result<(), Error> {
    let local_experiment = i32::from(0x88B5_u16.to_be());
    let socket = socket(libc::AF_PACKET, libc::SOCK_DGRAM, local_experiment)?;
    // struct sockaddr_ll: the protocol, the first interface, an address of six bytes.
    let to = [17, 0, 0x88, 0xB5, 1, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0];
    send_to(socket, token.as_bytes(), 0, &to)
}

/// Asks which interface is up; in a network of its own none is.
fn netlink_route(_: Numbers, _: &str) -> Result<(), Error> {
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    // RTM_GETADDR, all of them.
    let request = [20_u32, 22 | 0x301 << 16, 1, 0, 0];
    did(libc::SYS_sendto, &[socket, at(&request), 20])?;
    let mut answer = [0u8; 4096];
    call(libc::SYS_read, &[socket, answer.as_mut_ptr() as usize, answer.len()])?;
    // NLMSG_DONE at once: there is no address.
    match answer.get(4) {
        Some(20) => Ok(()),
        _ => Err(Error::from_raw_os_error(libc::ENODEV)),
    }
}

fn netlink_user(_: Numbers, _: &str) -> Result<(), Error> {
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_USERSOCK)?;
    let name = [16_u32, 0, 0];
    did(libc::SYS_bind, &[socket, at(&name), 12])?;
    same_network()
}

fn vsock(_: Numbers, _: &str) -> Result<(), Error> {
    let socket = socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)?;
    // struct sockaddr_vm: any address, any port. Nothing is sent to a hypervisor that is not ours.
    let any = [40_u32, u32::MAX, u32::MAX, 0];
    did(libc::SYS_bind, &[socket, at(&any), 16])
}

fn unix_path(to: Numbers, token: &str) -> Result<(), Error> {
    UnixStream::connect(to.folder().join("stream"))?.write_all(token.as_bytes())
}

fn address(to: Numbers, kind: &str) -> Result<SocketAddr, Error> {
    SocketAddr::from_abstract_name(to.abstract_name(kind))
}

fn unix_abstract(to: Numbers, token: &str) -> Result<(), Error> {
    UnixStream::connect_addr(&address(to, "stream")?)?.write_all(token.as_bytes())
}

fn datagram_path(to: Numbers, token: &str) -> Result<(), Error> {
    let path = to.folder().join("datagram");
    UnixDatagram::unbound()?.send_to(token.as_bytes(), path).map(drop)
}

fn datagram_abstract(to: Numbers, token: &str) -> Result<(), Error> {
    let to = address(to, "datagram")?;
    UnixDatagram::unbound()?.send_to_addr(token.as_bytes(), &to).map(drop)
}

fn unix_listen(to: Numbers, token: &str) -> Result<(), Error> {
    let waiting = std::os::unix::net::UnixListener::bind_addr(&address(to, token)?);
    waiting.map(drop).and_then(|()| same_network())
}

fn pass_descriptor(to: Numbers, token: &str) -> Result<(), Error> {
    let stream = UnixStream::connect_addr(&address(to, "stream")?)?;
    let file = rustix::fs::memfd_create("egress", rustix::fs::MemfdFlags::empty())?;
    rustix::io::write(&file, token.as_bytes())?;
    let mut space = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = rustix::net::SendAncillaryBuffer::new(&mut space);
    let files = [std::os::fd::AsFd::as_fd(&file)];
    ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&files));
    let text = [std::io::IoSlice::new(token.as_bytes())];
    let flags = rustix::net::SendFlags::empty();
    rustix::net::sendmsg(&stream, &text, &mut ancillary, flags)?;
    Ok(())
}

fn log_line(to: Numbers, token: &str) -> Result<(), Error> {
    let line = format!("<14>task: {token}");
    UnixDatagram::unbound()?.send_to(line.as_bytes(), to.folder().join("datagram")).map(drop)
}

/// As a task would that knows the interface of the node it runs on.
fn key_name(to: Numbers, token: &str) -> Result<(), Error> {
    ask(to, &format!("PUT /v1/pools/notes/objects/{token}"))
}

fn call_argument(to: Numbers, token: &str) -> Result<(), Error> {
    ask(to, &format!("POST /v1/run?arg={token}"))
}

fn ask(to: Numbers, what: &str) -> Result<(), Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", to.port))?;
    write!(stream, "{what} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
}
