//! Bodies that can be sent more than once.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::limits::CHUNK_BYTES;

/// Told how many bytes have gone out so far, in this attempt.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// A body. It can be sent again from its start, which a stream cannot: that is what makes repeating
/// an upload possible.
#[derive(Clone)]
pub struct Source {
    from: From,
    size_bytes: u64,
    progress: Option<Progress>,
}

#[derive(Clone)]
enum From {
    Bytes(Bytes),
    File(PathBuf),
}

impl Source {
    /// What is in memory already.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { size_bytes: bytes.len() as u64, from: From::Bytes(bytes), progress: None }
    }

    /// A regular file, read while it is sent. `what` names it in the error.
    /// # Errors  [`Error::SourceUnreadable`], or [`Error::TooLarge`] beyond `limit` bytes.
    pub fn file(path: &Path, what: &'static str, limit: usize) -> Result<Self, Error> {
        let unreadable = |error: io::Error| Error::SourceUnreadable(error.kind());
        let about = File::open(path).and_then(|file| file.metadata()).map_err(unreadable)?;
        if about.is_dir() {
            return Err(Error::SourceUnreadable(io::ErrorKind::IsADirectory));
        }
        if !about.is_file() {
            // A pipe or a device gives its bytes once and has no size.
            let file = File::open(path).map_err(unreadable)?;
            return Self::read(file, what, limit);
        }
        let limit = limit as u64;
        if about.len() > limit {
            return Err(Error::TooLarge { what, limit });
        }
        Ok(Self { from: From::File(path.to_owned()), size_bytes: about.len(), progress: None })
    }

    /// All that `from` gives, read now.
    /// # Errors  [`Error::SourceUnreadable`], or [`Error::TooLarge`] beyond `limit` bytes.
    pub fn read(from: impl Read, what: &'static str, limit: usize) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        from.take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::SourceUnreadable(error.kind()))?;
        if bytes.len() > limit {
            return Err(Error::TooLarge { what, limit: limit as u64 });
        }
        Ok(Self::bytes(bytes))
    }

    /// The same body, with somebody watching it go out.
    #[must_use]
    pub fn watched(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// All of it, in memory.
    /// # Errors  [`Error::SourceUnreadable`]
    pub(crate) fn whole(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let from = match &self.from {
            From::Bytes(bytes) => return Ok(Zeroizing::new(bytes.to_vec())),
            From::File(path) => File::open(path),
        };
        // As long as it will be at once, so that growing leaves no copies behind.
        let mut whole = Zeroizing::new(Vec::with_capacity(self.size_bytes as usize + 1));
        let read = from.and_then(|file| file.take(self.size_bytes).read_to_end(&mut whole));
        read.map_err(|error| Error::SourceUnreadable(error.kind()))?;
        Ok(whole)
    }

    /// How many bytes will be sent.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The body for one attempt.
    pub(crate) fn body(&self) -> Result<Body, Error> {
        let progress = self.progress.clone();
        match &self.from {
            From::Bytes(bytes) if progress.is_none() => Ok(Body::from(bytes.clone())),
            From::Bytes(bytes) => Ok(streamed(io::Cursor::new(bytes.clone()), progress)),
            From::File(path) => {
                let file = File::open(path).map_err(|e| Error::SourceUnreadable(e.kind()))?;
                Ok(streamed(file.take(self.size_bytes), progress))
            }
        }
    }
}

/// Reads `from` in chunks, each when the connection has taken the one before. A file of this
/// machine is read on the spot: handing each chunk to a thread costs more than the page cache does.
fn streamed(from: impl Read + Send + 'static, progress: Option<Progress>) -> Body {
    let start = (from, progress, 0u64);
    Body::wrap_stream(stream::try_unfold(start, async |(mut from, progress, sent)| {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        (&mut from).take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return Ok::<_, io::Error>(None);
        }
        let sent = sent + chunk.len() as u64;
        if let Some(progress) = &progress {
            progress(sent);
        }
        Ok(Some((Bytes::from(chunk), (from, progress, sent))))
    }))
}

#[cfg(test)]
mod a_source {
    use super::*;

    #[test]
    fn is_bounded_before_anything_is_sent() {
        let refused = Source::read(&b"12345"[..], "the input", 4);
        assert!(matches!(refused, Err(Error::TooLarge { limit: 4, .. })));
        assert_eq!(Source::read(&b"1234"[..], "the input", 4).ok().unwrap().size_bytes(), 4);
    }

    #[test]
    fn that_is_a_folder_or_is_not_there_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("none")] {
            let refused = Source::file(&path, "the value", 10);
            assert!(matches!(refused, Err(Error::SourceUnreadable(_))));
        }
    }
}
