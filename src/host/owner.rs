//! On whose behalf files are written by root.
//!
//! A user who owns a directory can put a link into it at any time, and root would follow it to wherever that user
//! likes. So a command that root runs becomes the first user other than root on the way to a file: everything above
//! is root's alone and cannot be changed meanwhile, and below it the kernel lets that user do what he may do anyway.
//! In most cases it is the user of the daemon; its commands are then run as the daemon would run them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::sys::{process, user};

/// Symbolic links that the kernel follows in one path.
const MAX_LINKS: u32 = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub uid: u32,
    gid: u32,
}

/// The first user but root on the way to a file. The owner of the file itself is not asked for: it is replaced, not
/// written. `None`: root alone decides where the path leads.
pub fn on_the_way(path: &Path) -> Option<Owner> {
    let mut rest: VecDeque<OsString> = parts(path);
    let mut at = match path.is_absolute() {
        true => PathBuf::from("/"),
        false => std::env::current_dir().ok()?,
    };
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let found = fs::symlink_metadata(&next).ok()?;
        if found.uid() != 0 && (!rest.is_empty() || found.is_symlink()) {
            return Some(Owner {
                uid: found.uid(),
                gid: found.gid(),
            });
        }
        if !found.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return None;
        }
        let target = fs::read_link(&next).ok()?;
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for part in parts(&target).into_iter().rev() {
            rest.push_front(part);
        }
    }
    None
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_os_string()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(part).collect()
}

/// Becomes the first user on the way to these files, if we are root and there is one. `sockets`: those that are to be
/// used; where root alone decides which one that is, its group is kept, as the daemon's unit or init script gives it to
/// the daemon. Says who we are then.
pub fn become_owner(files: &[&Path], sockets: &[&Path]) -> io::Result<Option<Owner>> {
    if process::effective_uid() != 0 {
        return Ok(None);
    }
    let Some(owner) = files.iter().find_map(|path| on_the_way(path)) else {
        return Ok(None);
    };
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut groups = groups(&file("/etc/passwd"), &file("/etc/group"), owner);
    for socket in sockets {
        let found = fs::metadata(socket).ok();
        let ours = found.filter(|found| found.uid() == 0 && on_the_way(socket).is_none());
        groups.extend(ours.map(|found| found.gid()));
    }
    user::become_user(owner.uid, &groups)?;
    Ok(Some(owner))
}

/// The groups of a user, the primary one first; of one whom nobody knows, the group of what he owns.
fn groups(passwd: &str, group: &str, owner: Owner) -> Vec<u32> {
    let known = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse::<u32>().ok()?;
        let gid = fields.next()?.parse::<u32>().ok()?;
        (uid == owner.uid).then_some((name, gid))
    });
    let Some((name, gid)) = known else {
        return vec![owner.gid];
    };
    let mut all = vec![gid];
    for line in group.lines() {
        let mut fields = line.split(':').skip(2);
        let number: Option<u32> = fields.next().and_then(|gid| gid.parse().ok());
        let members = fields.next().unwrap_or_default();
        if members.split(',').any(|member| member == name) {
            all.extend(number);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;
    use crate::host::disk::tests::Dir;

    #[test]
    fn groups_are_those_of_the_files() {
        let passwd = "root:x:0:0::/:/bin/sh\nahc:x:990:991::/:/bin/false\n";
        let group = "root:x:0:\nbird:x:102:bird,ahc\nahcx:x:5:ahcx\nahc:x:991:\n";
        let owner = Owner { uid: 990, gid: 7 };
        assert_eq!(groups(passwd, group, owner), [991, 102]);
        let nobody = Owner { uid: 4711, gid: 7 };
        assert_eq!(groups(passwd, group, nobody), [7]);
    }

    #[test]
    fn the_first_user_on_the_way_counts_and_links_of_root_are_followed() {
        if process::effective_uid() != 0 {
            return;
        }
        let dir = Dir::new("owner");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("lib/6")).unwrap();
        fs::write(at("lib/6/list"), "").unwrap();
        assert_eq!(on_the_way(&at("lib/6/list")), None);
        // The file itself is replaced, whoever owns it.
        chown(at("lib/6/list"), Some(4711), Some(4711)).unwrap();
        assert_eq!(on_the_way(&at("lib/6/list")), None);
        symlink("list", at("lib/6/root")).unwrap();
        assert_eq!(on_the_way(&at("lib/6/root")), None);
        symlink("/etc/passwd", at("lib/6/other")).unwrap();
        std::os::unix::fs::lchown(at("lib/6/other"), Some(4712), Some(4712)).unwrap();
        assert_eq!(on_the_way(&at("lib/6/other")).map(|o| o.uid), Some(4712));
        chown(at("lib/6"), Some(4713), Some(4713)).unwrap();
        symlink(at("lib"), at("link")).unwrap();
        for path in ["lib/6/list", "link/6/list", "link/6/../6/new"] {
            assert_eq!(on_the_way(&at(path)).map(|o| o.uid), Some(4713), "{path}");
        }
        assert_eq!(on_the_way(&at("lib/missing/list")), None);
    }
}
