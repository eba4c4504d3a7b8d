//! Files that are open on an SFTP server: read and written by many requests at once.

use crate::file_failure::Failure;
use crate::sftp::Session;
use bytes::{Bytes, BytesMut};
use firn_model::source::ByteRange;
use futures::stream::{StreamExt, TryStreamExt};
use russh_sftp::protocol::FileAttributes;
use std::sync::Arc;

/// Reads or writes of one file under way at once: 8 MiB, which keeps a line of 100 ms busy at 80 MB/s.
const IN_FLIGHT: usize = 32;

/// A file or folder that is open on the server; closed when it is dropped.
pub(crate) struct OpenFile {
    pub(crate) session: Arc<Session>,
    handle: Option<String>,
}

impl OpenFile {
    pub(crate) fn new(session: Arc<Session>, handle: String) -> Self {
        Self { session, handle: Some(handle) }
    }

    pub(crate) fn handle(&self) -> &str {
        self.handle.as_deref().unwrap_or_default()
    }

    pub(crate) async fn stat(&self) -> Result<FileAttributes, Failure> {
        Ok(self.session.ask(self.session.raw.fstat(self.handle())).await?.attrs)
    }

    /// The bytes of a range, as far as the file goes.
    pub(crate) async fn read(&self, range: ByteRange) -> Result<Bytes, Failure> {
        let piece = u64::from(self.session.read_piece());
        let length = range.end.saturating_sub(range.start);
        let starts = (range.start..range.end).step_by(piece as usize);
        let mut pieces = futures::stream::iter(starts)
            .map(|start| self.piece(start..(start + piece).min(range.end)))
            .buffered(IN_FLIGHT);
        let mut all = BytesMut::with_capacity(length.min(8 << 20) as usize);
        while let Some((bytes, wanted)) = pieces.try_next().await? {
            all.extend_from_slice(&bytes);
            if bytes.len() < wanted {
                break;
            }
        }
        self.session.transport().count_received(all.len() as u64);
        Ok(all.freeze())
    }

    /// One piece, and how many bytes were wanted. A server may give less than it is asked for at a time.
    async fn piece(&self, range: ByteRange) -> Result<(Vec<u8>, usize), Failure> {
        let wanted = (range.end - range.start) as usize;
        let mut all: Vec<u8> = Vec::new();
        while all.len() < wanted {
            let rest = (wanted - all.len()) as u32;
            let read = self.session.raw.read(self.handle(), range.start + all.len() as u64, rest);
            let data = match self.session.ask(read).await {
                Ok(data) => data.data,
                Err(Failure::End) => break,
                Err(failure) => return Err(failure),
            };
            if data.is_empty() || data.len() > rest as usize {
                let what = format!("{rest} bytes were asked for, and the server sent {}", data.len());
                return Err(Failure::Lost(what));
            }
            if all.is_empty() { all = data } else { all.extend_from_slice(&data) }
        }
        Ok((all, wanted))
    }

    /// Writes at a place.
    pub(crate) async fn write(&self, offset: u64, bytes: &Bytes) -> Result<(), Failure> {
        let piece = self.session.write_piece();
        self.session.transport().pace(bytes.len() as u64).await;
        futures::stream::iter((0..bytes.len()).step_by(piece))
            .map(|start| {
                let part = bytes.slice(start..(start + piece).min(bytes.len()));
                let write = self.session.raw.write(self.handle(), offset + start as u64, part.to_vec());
                async move { self.session.ask(write).await.map(|_| ()) }
            })
            .buffered(IN_FLIGHT)
            .try_collect()
            .await
    }

    /// Closes it, and says whether the server could.
    pub(crate) async fn close(mut self) -> Result<(), Failure> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        self.session.ask(self.session.raw.close(handle)).await.map(|_| ())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let (Some(handle), Ok(runtime)) = (self.handle.take(), tokio::runtime::Handle::try_current()) else { return };
        let session = Arc::clone(&self.session);
        // Nobody waits for the answer.
        runtime.spawn(async move {
            let _ = session.ask(session.raw.close(handle)).await;
        });
    }
}
