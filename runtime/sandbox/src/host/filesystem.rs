//! `wasi:filesystem`: one read-only folder, `/`, in memory.

use sha2::{Digest, Sha256};
use wasmtime::component::Resource;

use super::State;
use super::bindings::wasi::filesystem::{preopens, types};
use super::files::{Lost, Node};
use super::handle::{Descriptor, Entries, Fault, Sink, Source};
use super::pipe::part;
use crate::limits::READ_BYTES_MAX;
use types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};

/// What calls answer: an error for the guest inside, the end of the run outside.
type Answer<T> = wasmtime::Result<Result<T, ErrorCode>>;

/// What every call answers that would change something.
fn read_only<T>() -> Answer<T> {
    Ok(Err(ErrorCode::ReadOnly))
}

fn kind(is_file: bool) -> DescriptorType {
    if is_file { DescriptorType::RegularFile } else { DescriptorType::Directory }
}

impl From<Lost> for ErrorCode {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Nothing => ErrorCode::NoEntry,
            Lost::NotAFolder => ErrorCode::NotDirectory,
            Lost::Outside => ErrorCode::NotPermitted,
        }
    }
}

impl State {
    fn node(&self, descriptor: &Resource<Descriptor>) -> wasmtime::Result<&Node> {
        Ok(&self.table.get(descriptor)?.0)
    }

    fn node_at(&self, base: &Resource<Descriptor>, path: &str) -> Answer<Node> {
        Ok(match self.node(base)? {
            Node::Folder(folder) => self.files.find(folder, path).map_err(ErrorCode::from),
            Node::File(_) => Err(ErrorCode::NotDirectory),
        })
    }

    fn stat_of(&self, node: &Node) -> DescriptorStat {
        let cut = Some(self.cut());
        let (is_file, size) = match node {
            Node::File(file) => (true, self.files.bytes(*file).len() as u64),
            Node::Folder(_) => (false, 0),
        };
        DescriptorStat {
            type_: kind(is_file),
            link_count: 1,
            size,
            data_access_timestamp: cut,
            data_modification_timestamp: cut,
            status_change_timestamp: cut,
        }
    }

    /// A number that tells files and folders apart, as inode numbers do: a hash of the path.
    fn hash_of(&self, node: &Node) -> MetadataHashValue {
        let hash = Sha256::digest(self.files.path(node));
        let (lower, rest) = hash.split_at(8);
        let number = |bytes: &[u8]| {
            bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        MetadataHashValue { lower: number(lower), upper: number(rest) }
    }
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let root = self.table.push(Descriptor(Node::Folder(String::new())))?;
        Ok(vec![(root, "/".to_owned())])
    }
}

impl types::Host for State {
    fn filesystem_error_code(&mut self, _: Resource<Fault>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl types::HostDescriptor for State {
    fn read_via_stream(
        &mut self,
        descriptor: Resource<Descriptor>,
        offset: u64,
    ) -> Answer<Resource<Source>> {
        match *self.node(&descriptor)? {
            Node::File(file) => Ok(Ok(self.table.push(Source::File { file, offset })?)),
            Node::Folder(_) => Ok(Err(ErrorCode::IsDirectory)),
        }
    }

    fn read(
        &mut self,
        descriptor: Resource<Descriptor>,
        count: u64,
        offset: u64,
    ) -> Answer<(Vec<u8>, bool)> {
        let Node::File(file) = *self.node(&descriptor)? else {
            return Ok(Err(ErrorCode::IsDirectory));
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(READ_BYTES_MAX);
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.files.bytes(file);
        let read = part(bytes, from, count).to_vec();
        let at_end = from.saturating_add(read.len()) >= bytes.len();
        Ok(Ok((read, at_end)))
    }

    fn read_directory(&mut self, descriptor: Resource<Descriptor>) -> Answer<Resource<Entries>> {
        let Node::Folder(folder) = self.node(&descriptor)? else {
            return Ok(Err(ErrorCode::NotDirectory));
        };
        let entries = self.files.entries(folder);
        Ok(Ok(self.table.push(Entries(entries.into_iter()))?))
    }

    fn get_flags(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorFlags> {
        self.node(&descriptor)?;
        Ok(Ok(DescriptorFlags::READ))
    }

    fn get_type(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorType> {
        Ok(Ok(kind(matches!(self.node(&descriptor)?, Node::File(_)))))
    }

    fn stat(&mut self, descriptor: Resource<Descriptor>) -> Answer<DescriptorStat> {
        Ok(Ok(self.stat_of(self.node(&descriptor)?)))
    }

    fn stat_at(
        &mut self,
        base: Resource<Descriptor>,
        _: PathFlags,
        path: String,
    ) -> Answer<DescriptorStat> {
        Ok(self.node_at(&base, &path)?.map(|node| self.stat_of(&node)))
    }

    fn open_at(
        &mut self,
        base: Resource<Descriptor>,
        _: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Answer<Resource<Descriptor>> {
        let writes = flags.contains(DescriptorFlags::WRITE) || open.contains(OpenFlags::TRUNCATE);
        let node = match self.node_at(&base, &path)? {
            Ok(_) if open.contains(OpenFlags::EXCLUSIVE) => return Ok(Err(ErrorCode::Exist)),
            Err(ErrorCode::NoEntry) if open.contains(OpenFlags::CREATE) => return read_only(),
            Ok(_) if writes => return read_only(),
            Ok(Node::File(_)) if open.contains(OpenFlags::DIRECTORY) => {
                return Ok(Err(ErrorCode::NotDirectory));
            }
            Ok(node) => node,
            Err(code) => return Ok(Err(code)),
        };
        Ok(Ok(self.table.push(Descriptor(node))?))
    }

    fn readlink_at(&mut self, base: Resource<Descriptor>, path: String) -> Answer<String> {
        let found = self.node_at(&base, &path)?;
        Ok(found.and(Err(ErrorCode::Invalid)))
    }

    fn is_same_object(
        &mut self,
        descriptor: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        Ok(self.node(&descriptor)? == self.node(&other)?)
    }

    fn metadata_hash(&mut self, descriptor: Resource<Descriptor>) -> Answer<MetadataHashValue> {
        Ok(Ok(self.hash_of(self.node(&descriptor)?)))
    }

    fn metadata_hash_at(
        &mut self,
        base: Resource<Descriptor>,
        _: PathFlags,
        path: String,
    ) -> Answer<MetadataHashValue> {
        Ok(self.node_at(&base, &path)?.map(|node| self.hash_of(&node)))
    }

    fn advise(&mut self, _: Resource<Descriptor>, _: u64, _: u64, _: Advice) -> Answer<()> {
        Ok(Ok(()))
    }

    fn sync_data(&mut self, _: Resource<Descriptor>) -> Answer<()> {
        Ok(Ok(()))
    }

    fn sync(&mut self, _: Resource<Descriptor>) -> Answer<()> {
        Ok(Ok(()))
    }

    fn write_via_stream(&mut self, _: Resource<Descriptor>, _: u64) -> Answer<Resource<Sink>> {
        read_only()
    }

    fn append_via_stream(&mut self, _: Resource<Descriptor>) -> Answer<Resource<Sink>> {
        read_only()
    }

    fn set_size(&mut self, _: Resource<Descriptor>, _: u64) -> Answer<()> {
        read_only()
    }

    fn set_times(
        &mut self,
        _: Resource<Descriptor>,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> Answer<()> {
        read_only()
    }

    fn write(&mut self, _: Resource<Descriptor>, _: Vec<u8>, _: u64) -> Answer<u64> {
        read_only()
    }

    fn create_directory_at(&mut self, _: Resource<Descriptor>, _: String) -> Answer<()> {
        read_only()
    }

    fn set_times_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> Answer<()> {
        read_only()
    }

    fn link_at(
        &mut self,
        _: Resource<Descriptor>,
        _: PathFlags,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> Answer<()> {
        read_only()
    }

    fn remove_directory_at(&mut self, _: Resource<Descriptor>, _: String) -> Answer<()> {
        read_only()
    }

    fn rename_at(
        &mut self,
        _: Resource<Descriptor>,
        _: String,
        _: Resource<Descriptor>,
        _: String,
    ) -> Answer<()> {
        read_only()
    }

    fn symlink_at(&mut self, _: Resource<Descriptor>, _: String, _: String) -> Answer<()> {
        read_only()
    }

    fn unlink_file_at(&mut self, _: Resource<Descriptor>, _: String) -> Answer<()> {
        read_only()
    }

    fn drop(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(descriptor)?;
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for State {
    fn read_directory_entry(
        &mut self,
        entries: Resource<Entries>,
    ) -> Answer<Option<DirectoryEntry>> {
        let entry = self.table.get_mut(&entries)?.0.next();
        Ok(Ok(entry.map(|(name, is_file)| DirectoryEntry { type_: kind(is_file), name })))
    }

    fn drop(&mut self, entries: Resource<Entries>) -> wasmtime::Result<()> {
        self.table.delete(entries)?;
        Ok(())
    }
}
