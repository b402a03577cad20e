use super::*;
use crate::host::disk::tests::Dir;

#[test]
fn what_decides_who_may_read_is_told_from_the_rest() {
    for (name, portable, decides) in [
        (c"user.note", true, false),
        (c"system.posix_acl_access", true, true),
        (c"security.selinux", true, true),
        (c"security.ima", false, true),
        (c"security.evm", false, true),
        (c"security.capability", false, true),
        (c"trusted.overlay.origin", false, false),
    ] {
        let found = (is_portable(name), decides_access(name));
        assert_eq!(found, (portable, decides), "{name:?}");
    }
}

/// A full disk is one whatever could not be written, and everything else is a matter of permissions.
#[test]
fn a_list_that_is_lost_is_an_error() {
    let without = |number| {
        let access = Some(io::Error::from_raw_os_error(number));
        let kept = Kept { access, lost: None };
        kept.readable().map_err(|error| error.kind())
    };
    assert_eq!(without(libc::ENOSPC), Err(io::ErrorKind::StorageFull));
    assert_eq!(
        without(libc::EOPNOTSUPP),
        Err(io::ErrorKind::PermissionDenied)
    );
    assert!(Kept::default().readable().is_ok());
    // Nobody knows what a file has that cannot be asked.
    let dir = Dir::new("attributes");
    let file = File::create(dir.path().join("new")).unwrap();
    let found = file.metadata().unwrap();
    let gone = dir.path().join("gone");
    let kept = keep(&file, Some((&gone, &found))).unwrap();
    assert!(kept.readable().is_err());
}
