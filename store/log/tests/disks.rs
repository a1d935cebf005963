//! Both disks are the same disk, as far as the log can see.
#![cfg(test)]

use std::io::{ErrorKind, IoSlice};

use notrace_store_log::OpenError;
use notrace_store_log::disk::{Disk, DiskFile, FaultyDisk, FileDisk, Survives};

/// Calls every method and asks for what the log relies on.
fn conforms<D: Disk>(disk: &D) {
    let names = |disk: &D| {
        let mut names = disk.list().unwrap();
        names.retain(|name| name.starts_with("t-"));
        names.sort();
        names
    };
    let mut file = disk.create("t-a").unwrap();
    assert_eq!(disk.create("t-a").err().unwrap().kind(), ErrorKind::AlreadyExists);
    assert_eq!(disk.open("t-b").err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.remove("t-b").err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(disk.rename("t-b", "t-c").err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(file.length().unwrap(), 0);

    let end = file.write_all_at(0, &mut [IoSlice::new(b"hel"), IoSlice::new(b"lo")]).unwrap();
    assert_eq!((end, file.length().unwrap()), (5, 5));
    assert_eq!(file.write_all_at(7, &mut [IoSlice::new(b"!")]).unwrap(), 8);
    let mut read = [9; 8];
    file.read_exact_at(0, &mut read).unwrap();
    assert_eq!(&read, b"hello\0\0!");
    assert_eq!(file.read_at(8, &mut read).unwrap(), 0);
    let short = file.read_exact_at(4, &mut read).err().unwrap();
    assert_eq!(short.kind(), ErrorKind::UnexpectedEof);
    let parts: Vec<Vec<u8>> = (0..1500u32).map(|part| part.to_le_bytes().to_vec()).collect();
    let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    assert_eq!(file.write_all_at(0, &mut slices).unwrap(), 6000);
    let mut read = vec![0; 6000];
    file.read_exact_at(0, &mut read).unwrap();
    assert_eq!(read, parts.concat());
    assert_eq!(file.write_all_at(6000, &mut []).unwrap(), 6000);

    file.truncate(2).unwrap();
    file.truncate(4).unwrap();
    let mut read = [9; 4];
    file.read_exact_at(0, &mut read).unwrap();
    assert_eq!(read, [0, 0, 0, 0]);
    file.sync().unwrap();

    disk.create("t-b").unwrap();
    disk.rename("t-a", "t-b").unwrap();
    assert_eq!(names(disk), ["t-b"]);
    assert_eq!(disk.open("t-b").unwrap().length().unwrap(), 4);
    disk.sync_names().unwrap();
    disk.remove("t-b").unwrap();
    assert!(names(disk).is_empty());
    assert_eq!(file.length().unwrap(), 4);
}

mod a_folder {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn conforms_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/store");
        let disk = FileDisk::open(&path).unwrap();
        conforms(&disk);
        disk.create("x").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.clone()), mode(path.join("x"))), (0o700, 0o600));
    }

    #[test]
    fn is_used_by_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(dir.path()).unwrap();
        let clone = disk.clone();
        drop(disk);
        assert_eq!(FileDisk::open(dir.path()).err().unwrap(), OpenError::InUse);
        drop(clone);
        FileDisk::open(dir.path()).unwrap();
    }

    #[test]
    fn does_not_follow_links_out() {
        let dir = tempfile::tempdir().unwrap();
        let disk = FileDisk::open(&dir.path().join("store")).unwrap();
        std::fs::write(dir.path().join("outside"), b"x").unwrap();
        std::os::unix::fs::symlink("../outside", dir.path().join("store/link")).unwrap();
        assert!(disk.open("link").is_err());
    }
}

mod a_faulty_disk {
    use super::*;

    fn read(disk: &FaultyDisk, name: &str) -> Vec<u8> {
        let file = disk.open(name).unwrap();
        let mut bytes = vec![0; file.length().unwrap() as usize];
        file.read_exact_at(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn conforms_also_when_it_writes_little_at_a_time() {
        conforms(&FaultyDisk::default());
        let slow = FaultyDisk::default();
        slow.write_at_most(Some(3));
        conforms(&slow);
    }

    #[test]
    fn keeps_what_was_synced_and_may_lose_the_rest() {
        let disk = FaultyDisk::default();
        let mut file = disk.create("a").unwrap();
        file.write_all_at(0, &mut [IoSlice::new(&[1; 2048])]).unwrap();
        file.sync().unwrap();
        disk.sync_names().unwrap();
        file.write_all_at(0, &mut [IoSlice::new(&[2; 2048])]).unwrap();
        disk.create("b").unwrap();
        assert_eq!(read(&disk.after_crash(Survives::Nothing), "a"), [1; 2048]);
        assert!(disk.after_crash(Survives::Nothing).open("b").is_err());
        assert_eq!(read(&disk.after_crash(Survives::Everything), "a"), [2; 2048]);
        assert!(disk.after_crash(Survives::Everything).open("b").is_ok());
        let torn = (1..20).map(|seed| read(&disk.after_crash(Survives::Some(seed)), "a"));
        assert!(
            torn.clone().all(|bytes| bytes.chunks(512).all(|s| s == [1; 512] || s == [2; 512]))
        );
        assert!(torn.clone().any(|bytes| bytes.contains(&1) && bytes.contains(&2)));
    }

    #[test]
    fn fills_up_and_takes_again_after_a_cut() {
        let disk = FaultyDisk::default();
        disk.hold_at_most(Some(10));
        let mut file = disk.create("a").unwrap();
        let full = file.write_all_at(0, &mut [IoSlice::new(&[1; 11])]).err().unwrap();
        assert_eq!((full.kind(), file.length().unwrap()), (ErrorKind::StorageFull, 10));
        file.truncate(5).unwrap();
        assert_eq!(file.write_all_at(5, &mut [IoSlice::new(&[1; 5])]).unwrap(), 10);
    }

    #[test]
    fn that_fails_a_sync_has_lost_what_it_should_have_kept() {
        let disk = FaultyDisk::default();
        let mut file = disk.create("a").unwrap();
        disk.sync_names().unwrap();
        file.write_all_at(0, &mut [IoSlice::new(b"abc")]).unwrap();
        disk.fail_syncs(true);
        assert!(file.sync().is_err());
        disk.fail_syncs(false);
        assert_eq!(read(&disk, "a"), b"abc");
        assert_eq!(read(&disk.after_crash(Survives::Everything), "a"), b"");
    }
}
