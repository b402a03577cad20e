//! The configuration files as they were read: one buffer, from which a configuration is loaded without touching the
//! file system.
//!
//! A [`Record`] is a sequence of byte strings, each after its length. [`Files`] has three for each file: path, kind and
//! bytes. So what a child has read is handed over as it is, and two readings are the same if their bytes are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::sorted::{Map, Set};

/// Bytes of a length.
const LENGTH: usize = 4;

/// Byte strings, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    bytes: Vec<u8>,
}

impl Record {
    pub fn push(&mut self, field: &[u8]) {
        // Files are limited to far less.
        let length = u32::try_from(field.len()).expect("a field of less than 4 GiB");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(field);
    }

    /// Appends a field that `fill` appends, of some `size`; nothing if that fails. Without a second buffer: it may have
    /// many megabytes.
    fn fill<E>(
        &mut self,
        size: usize,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.bytes.len();
        let start = before + LENGTH;
        self.bytes.reserve(LENGTH + size);
        self.bytes.resize(start, 0);
        let filled = fill(&mut self.bytes);
        match filled {
            Ok(()) => {
                let length = u32::try_from(self.bytes.len() - start);
                let length = length.expect("a field of less than 4 GiB").to_le_bytes();
                self.bytes[before..start].copy_from_slice(&length);
            }
            Err(_) => self.bytes.truncate(before),
        }
        filled
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn fields(&self) -> Fields<'_> {
        Fields::of(&self.bytes)
    }
}

/// Reads a record. Whatever the bytes are, it ends.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn of(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes }
    }

    fn cut(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<LENGTH>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let field = rest.get(..length)?;
        self.rest = &rest[length..];
        Some(field)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let field = self.cut();
        if field.is_none() {
            self.rest = &[];
        }
        field
    }
}

/// What was found at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Text(&'a [u8]),
    /// The same of a file that somebody was writing, so that it was read again until it no longer changed.
    Unquiet(&'a [u8]),
    Directory,
    Missing,
    /// The reason.
    Unreadable(&'a str),
}

/// The main file, then the directory of services and its files, or the one file of services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files(Record);

impl Files {
    pub fn add(&mut self, path: &Path, found: Found<'_>) {
        let (kind, bytes): (u8, &[u8]) = match found {
            Found::Text(bytes) => (b't', bytes),
            Found::Unquiet(bytes) => (b'u', bytes),
            Found::Directory => (b'd', b""),
            Found::Missing => (b'm', b""),
            Found::Unreadable(cause) => (b'x', cause.as_bytes()),
        };
        self.0.push(path.as_os_str().as_bytes());
        self.0.push(&[kind]);
        self.0.push(bytes);
    }

    /// Adds a file whose bytes `fill` appends, some `size` of them; nothing if that fails.
    pub fn fill<E>(
        &mut self,
        path: &Path,
        size: usize,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.0.bytes.len();
        self.0.push(path.as_os_str().as_bytes());
        self.0.push(b"t");
        let filled = self.0.fill(size, fill);
        if filled.is_err() {
            self.0.bytes.truncate(before);
        }
        filled
    }

    /// The files that are the first field of `bytes`, and what follows.
    pub fn split(mut bytes: Vec<u8>) -> Option<(Files, Vec<u8>)> {
        let end = LENGTH + Fields::of(&bytes).next()?.len();
        let rest = bytes.split_off(end);
        bytes.drain(..LENGTH);
        bytes.shrink_to_fit();
        Some((Files(Record { bytes }), rest))
    }

    pub fn record(&self) -> &Record {
        &self.0
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Path, Found<'_>)> {
        let mut fields = self.0.fields();
        std::iter::from_fn(move || {
            let path = Path::new(OsStr::from_bytes(fields.next()?));
            let (kind, bytes) = (fields.next()?, fields.next()?);
            let found = match kind {
                b"t" => Found::Text(bytes),
                b"u" => Found::Unquiet(bytes),
                b"d" => Found::Directory,
                b"m" => Found::Missing,
                _ => Found::Unreadable(std::str::from_utf8(bytes).unwrap_or_default()),
            };
            Some((path, found))
        })
    }

    /// The paths at which something else was found than in `others`, or that only one of the two has.
    pub fn differences(&self, others: &Files) -> Vec<PathBuf> {
        if self == others {
            return Vec::new();
        }
        let known: Map<&Path, Found<'_>> = others.iter().collect();
        let mine: Map<&Path, Found<'_>> = self.iter().collect();
        let differs = self
            .iter()
            .filter(|(path, found)| known.get(path) != Some(found));
        let gone = others.iter().filter(|(path, _)| !mine.contains_key(path));
        let paths = differs.chain(gone);
        paths.map(|(path, _)| path.to_path_buf()).collect()
    }

    /// The same, with the files at these paths marked: as changing for too long, if there is a cause, and else as
    /// [`Found::Unquiet`].
    pub fn marked(self, paths: &[PathBuf], cause: Option<&str>) -> Files {
        if paths.is_empty() {
            return self;
        }
        let mut left: Set<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let mut files = Files::default();
        for (path, found) in self.iter() {
            let found = match (left.remove(path), cause, found) {
                (true, Some(cause), _) => Found::Unreadable(cause),
                (true, None, Found::Text(bytes)) => Found::Unquiet(bytes),
                _ => found,
            };
            files.add(path, found);
        }
        if let Some(cause) = cause {
            for path in left {
                files.add(path, Found::Unreadable(cause));
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_as_they_were_and_a_cut_record_ends_early() {
        let all = [
            (Path::new("/a"), Found::Text(b"x = 1\n")),
            (Path::new("b\u{e9}"), Found::Unquiet(b"\xff\0")),
            (Path::new("d"), Found::Directory),
            (Path::new(""), Found::Missing),
            (Path::new("e"), Found::Unreadable("permission denied")),
        ];
        let mut files = Files::default();
        for (path, found) in all {
            files.add(path, found);
        }
        assert_eq!(files.iter().collect::<Vec<_>>(), all);
        let mut filled = Files::default();
        for (text, end) in [("half", Err(())), ("x = 1\n", Ok(()))] {
            let fill = |bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(text.as_bytes());
                end
            };
            assert_eq!(filled.fill(all[0].0, 3, fill), end);
        }
        assert_eq!(filled.iter().collect::<Vec<_>>(), all[..1]);
        let mut whole = Record::default();
        whole.push(files.record().bytes());
        whole.push(b"more");
        let (same, rest) = Files::split(whole.bytes).expect("it is whole");
        assert_eq!(same, files);
        assert_eq!(Fields::of(&rest).collect::<Vec<_>>(), [b"more"]);
        assert_eq!(Files::split(vec![9, 0, 0, 0, 1]), None);
        let bytes = files.record().bytes();
        for length in 0..bytes.len() {
            let cut = bytes[..length].to_vec();
            let cut = Files(Record { bytes: cut });
            let count = cut.iter().count();
            assert!(cut.iter().eq(all.into_iter().take(count)) && count < all.len());
        }
    }
}
