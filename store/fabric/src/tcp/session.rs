//! TLS over buffers of our own: what arrives is decrypted where it was received, and what is
//! written is encrypted behind what waits already.

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error};

use super::buffer::Buffer;
use super::identity::{Group, Trust, key_in};
use super::{ALPN, Broken};

pub(super) struct Session {
    tls: Tls,
    /// It has failed or was closed. The library must not be asked to go on then: it asserts that
    /// it is not.
    over: Option<Broken>,
}

enum Tls {
    Dialled(Box<UnbufferedClientConnection>),
    Accepted(Box<UnbufferedServerConnection>),
}

/// What takes the decrypted bytes.
pub(super) type Take<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Broken>;

enum Step {
    /// There may be more to do.
    More,
    /// More has to be received first.
    Blocked,
    /// What was to be encrypted is.
    Encrypted,
}

impl Session {
    pub(super) fn dial(trust: &Trust) -> Result<Self, Error> {
        let session =
            UnbufferedClientConnection::new(trust.dialling.clone(), trust.anybody.clone())?;
        Ok(Self { tls: Tls::Dialled(Box::new(session)), over: None })
    }

    pub(super) fn accept(trust: &Trust) -> Result<Self, Error> {
        let session = UnbufferedServerConnection::new(trust.accepting.clone())?;
        Ok(Self { tls: Tls::Accepted(Box::new(session)), over: None })
    }

    pub(super) fn is_dialled(&self) -> bool {
        matches!(self.tls, Tls::Dialled(_))
    }

    fn common(&self) -> &CommonState {
        match &self.tls {
            Tls::Dialled(tls) => tls,
            Tls::Accepted(tls) => tls,
        }
    }

    pub(super) fn is_proving(&self) -> bool {
        self.common().is_handshaking()
    }

    /// The name that the peer has proved, and the digest of the key that it did so with.
    pub(super) fn peer(&self, group: &Group) -> Result<(String, [u8; 32]), Broken> {
        let common = self.common();
        let own = common.alpn_protocol() == Some(ALPN);
        let certificate = common.peer_certificates().filter(|_| own).and_then(<[_]>::first);
        let proved = certificate.and_then(|it| Some((group.name_in(it)?, key_in(it)?)));
        proved.ok_or(Broken::Stranger)
    }

    /// Works through what was received, and returns how much of it is done with.
    pub(super) fn receive(
        &mut self,
        received: &mut [u8],
        outgoing: &mut Buffer,
        take: Take<'_>,
    ) -> Result<usize, Broken> {
        let mut done = 0;
        loop {
            let step = self.step(received, &mut done, &[], outgoing, take)?;
            if !matches!(step, Step::More) {
                return Ok(done);
            }
        }
    }

    /// Encrypts. `rest` is the beginning of a record that is not complete.
    pub(super) fn encrypt(
        &mut self,
        plain: &[u8],
        rest: &mut [u8],
        outgoing: &mut Buffer,
    ) -> Result<(), Broken> {
        let mut done = 0;
        let mut take = |_: &[u8]| Err(Broken::Rules);
        loop {
            match self.step(rest, &mut done, plain, outgoing, &mut take)? {
                Step::More => {}
                Step::Blocked => return Err(Broken::Rules),
                // Of what is not complete, nothing can be done with.
                Step::Encrypted if done == 0 => return Ok(()),
                Step::Encrypted => return Err(Broken::Rules),
            }
        }
    }

    fn step(
        &mut self,
        received: &mut [u8],
        done: &mut usize,
        plain: &[u8],
        outgoing: &mut Buffer,
        take: Take<'_>,
    ) -> Result<Step, Broken> {
        if let Some(why) = self.over {
            return Err(why);
        }
        let proving = self.is_proving();
        let rest = received.get_mut(*done..).unwrap_or_default();
        let (discard, stepped) = self.tls.step(rest, plain, outgoing, take);
        *done += discard;
        let trouble = match stepped {
            Ok(step) => return Ok(step),
            Err(trouble) => trouble,
        };
        // The alert that tells the peer why.
        let mut nothing = |_: &[u8]| Err(Broken::Rules);
        while self.common().wants_write() {
            if self.tls.step(&mut [], &[], outgoing, &mut nothing).1.is_err() {
                break;
            }
        }
        let why = match trouble {
            Trouble::Over(why) => why,
            Trouble::Tls(error) => judge(&error, proving),
        };
        self.over = Some(why);
        Err(why)
    }
}

impl Tls {
    fn step(
        &mut self,
        received: &mut [u8],
        plain: &[u8],
        outgoing: &mut Buffer,
        take: Take<'_>,
    ) -> (usize, Result<Step, Trouble>) {
        match self {
            Tls::Dialled(tls) => step(tls.process_tls_records(received), plain, outgoing, take),
            Tls::Accepted(tls) => step(tls.process_tls_records(received), plain, outgoing, take),
        }
    }
}

enum Trouble {
    Over(Broken),
    Tls(Error),
}

fn judge(error: &Error, proving: bool) -> Broken {
    match error {
        _ if proving => Broken::Stranger,
        // With TLS 1.3 the dialling end is done before the other has judged its certificate.
        Error::AlertReceived(_) => Broken::Stranger,
        _ => Broken::Rules,
    }
}

fn step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plain: &[u8],
    outgoing: &mut Buffer,
    take: Take<'_>,
) -> (usize, Result<Step, Trouble>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Step::More),
                Some(Err(error)) => break Err(Trouble::Tls(error)),
                Some(Ok(record)) => {
                    discard += record.discard;
                    if let Err(broken) = take(record.payload) {
                        break Err(Trouble::Over(broken));
                    }
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => loop {
            let wanted = match data.encode(outgoing.space(0)) {
                Ok(count) => {
                    outgoing.fill(count);
                    break Ok(Step::More);
                }
                Err(EncodeError::InsufficientSize(wanted)) => wanted.required_size,
                Err(EncodeError::AlreadyEncoded) => break Ok(Step::More),
            };
            outgoing.space(wanted);
        },
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::More)
        }
        Ok(ConnectionState::WriteTraffic(_)) if plain.is_empty() => Ok(Step::Blocked),
        Ok(ConnectionState::WriteTraffic(mut traffic)) => loop {
            let wanted = match traffic.encrypt(plain, outgoing.space(0)) {
                Ok(count) => {
                    outgoing.fill(count);
                    break Ok(Step::Encrypted);
                }
                Err(EncryptError::InsufficientSize(wanted)) => wanted.required_size,
                Err(EncryptError::EncryptExhausted) => break Err(Trouble::Over(Broken::Rules)),
            };
            outgoing.space(wanted);
        },
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Blocked),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
            Err(Trouble::Over(Broken::Gone))
        }
        Ok(_) => Err(Trouble::Over(Broken::Stranger)),
        Err(error) => Err(Trouble::Tls(error)),
    };
    (discard, step)
}
