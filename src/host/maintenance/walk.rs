//! The way to a directory, as the kernel would go it: every directory and symbolic link that is passed.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its parent holds no symbolic links; it may be one itself.
    pub path: PathBuf,
    /// Device and inode.
    pub inode: (u64, u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What is passed, without the end.
    pub objects: Vec<Object>,
    /// The directory itself, or the last one on the way to it that exists.
    pub end: Object,
    /// The name in `end` that is missing, or is not a directory.
    pub missing: Option<OsString>,
}

/// Walks to `directory`, an absolute path. Fails if something on the way can't be looked at.
pub fn to(directory: &Path) -> io::Result<Way> {
    let mut objects = Vec::new();
    let mut at = root()?;
    let mut ahead = parts(directory);
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        let Some(name) = part else {
            let parent = at.path.parent().unwrap_or(Path::new("/")).to_path_buf();
            let inode = inode(&fs::symlink_metadata(&parent)?);
            objects.push(at);
            at = Object {
                path: parent,
                inode,
            };
            continue;
        };
        let path = at.path.join(&name);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(ends(objects, at, name));
            }
            Err(error) => return Err(error),
        };
        let inode = inode(&metadata);
        if metadata.is_dir() {
            objects.push(std::mem::replace(&mut at, Object { path, inode }));
        } else if metadata.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Ok(ends(objects, at, name));
            }
            let target = match fs::read_link(&path) {
                Ok(target) => target,
                // Gone in this moment: the next look will tell.
                Err(_) => return Ok(ends(objects, at, name)),
            };
            objects.push(Object { path, inode });
            if target.is_absolute() {
                objects.push(std::mem::replace(&mut at, root()?));
            }
            for part in parts(&target).into_iter().rev() {
                ahead.push_front(part);
            }
        } else {
            return Ok(ends(objects, at, name));
        }
    }
    Ok(Way {
        objects,
        end: at,
        missing: None,
    })
}

fn ends(objects: Vec<Object>, end: Object, missing: OsString) -> Way {
    Way {
        objects,
        end,
        missing: Some(missing),
    }
}

fn root() -> io::Result<Object> {
    let path = PathBuf::from("/");
    let inode = inode(&fs::symlink_metadata(&path)?);
    Ok(Object { path, inode })
}

/// Names in their order; `None` stands for `..`.
fn parts(path: &Path) -> VecDeque<Option<OsString>> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(Some(name.to_os_string())),
            Component::ParentDir => Some(None),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn inode(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
