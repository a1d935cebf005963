//! Server-sent events, as a pure parser.
//!
//! Source: WHATWG HTML §9.2.6, without reconnection times.

use crate::error::Error;
use crate::limits::{EVENT_BYTES_MAX, EVENT_LINE_BYTES_MAX};

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Event {
    /// Its name; `message` if the stream gave none. Empty if there is no event, only an id.
    pub(crate) name: String,
    /// Its data, lines joined with a line feed.
    pub(crate) data: String,
    /// Its own `id`. That an event without one has that of the event before it, is of no use here.
    pub(crate) id: Option<String>,
}

/// Takes bytes in pieces of any size and gives events out.
#[derive(Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    name: String,
    data: String,
    id: Option<String>,
}

impl Parser {
    /// Takes `bytes` in and calls `give` with each event they complete.
    /// # Errors  [`Error::NotUnderstood`] beyond a bound, or if a line is not UTF-8.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut give: impl FnMut(Event)) -> Result<(), Error> {
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    let line = core::str::from_utf8(&line);
                    let line = line.map_err(|_| Error::NotUnderstood("an event stream"))?;
                    if let Some(event) = self.take_line(line)? {
                        give(event);
                    }
                }
                _ if self.line.len() >= EVENT_LINE_BYTES_MAX => {
                    return Err(Error::NotUnderstood("an event's line is too long"));
                }
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn take_line(&mut self, line: &str) -> Result<Option<Event>, Error> {
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            let mut data = std::mem::take(&mut self.data);
            let id = self.id.take();
            if data.pop().is_none() {
                return Ok(id.map(|id| Event { id: Some(id), ..Event::default() }));
            }
            let name = if name.is_empty() { "message".to_owned() } else { name };
            return Ok(Some(Event { name, data, id }));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "data" => {
                if self.data.len() + value.len() >= EVENT_BYTES_MAX {
                    return Err(Error::NotUnderstood("an event is too large"));
                }
                self.data.push_str(value);
                self.data.push('\n');
            }
            // Comments keep the line alive; unknown fields are to be passed over.
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod an_event_stream {
    use super::*;

    const STREAM: &str = ": hello\n\nevent: change\nid: 1:2\ndata: {\"a\":\ndata: 1}\n\n\
        retry: 5\r\ndata:second\r\n\r\nid: 1:3\r\rdata\n\n";

    fn events(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        let mut events = Vec::new();
        for piece in pieces {
            parser.feed(piece, |event| events.push(event)).unwrap();
        }
        events
    }

    #[test]
    fn gives_the_same_events_however_it_is_cut() {
        let whole = events(&[STREAM.as_bytes()]);
        assert_eq!(whole.len(), 4);
        assert_eq!(whole[0].name, "change");
        assert_eq!(whole[0].data, "{\"a\":\n1}");
        assert_eq!(whole[0].id.as_deref(), Some("1:2"));
        assert_eq!((whole[1].name.as_str(), whole[1].id.as_deref()), ("message", None));
        assert_eq!((whole[2].name.as_str(), whole[2].id.as_deref()), ("", Some("1:3")));
        assert_eq!((whole[3].data.as_str(), whole[3].id.as_deref()), ("", None));
        for cut in 0..STREAM.len() {
            let (left, right) = STREAM.as_bytes().split_at(cut);
            assert_eq!(events(&[left, right]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn is_refused_beyond_its_bounds() {
        let long = vec![b'x'; EVENT_LINE_BYTES_MAX + 1];
        assert!(Parser::default().feed(&long, |_| ()).is_err());
        let mut parser = Parser::default();
        let line = format!("data: {}\n", "x".repeat(EVENT_LINE_BYTES_MAX - 10));
        let fed = (0..8).try_for_each(|_| parser.feed(line.as_bytes(), |_| ()));
        assert!(fed.is_err());
        assert!(Parser::default().feed(b"data: \xff\n", |_| ()).is_err());
    }
}
