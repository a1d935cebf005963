//! How long receipts are kept, and that a refusing disk stops the node and nothing else.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::disk::Readers;
use super::*;

const WINDOW: u32 = 160;

fn record(number: u64, minute: u32) -> Record {
    Record { minute, salt: salt(number), receipt: sample(number).encode().into() }
}

fn files(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_record_is_there_until_its_window_ends_and_its_file_not_much_longer() {
    let dir = tempfile::tempdir().unwrap();
    let records = Records::open(dir.path(), WINDOW).unwrap();
    for number in 0..40u32 {
        let index = u64::from(number);
        let minute = number * 5;
        records.write(&Files, index, &[record(index, minute)], minute).unwrap();
    }
    assert!(records.read(39, 195).unwrap() == Some(record(39, 195)));
    assert!(records.read(0, WINDOW).unwrap() == Some(record(0, 0)));
    assert!(records.read(0, WINDOW + 1).unwrap().is_none());
    let all = files(dir.path());
    assert!(all > 10, "a file takes a sixteenth of the window");
    assert_eq!(records.next_expiry(), Some(10 + WINDOW + 1));
    records.expire(&Files, 10 + WINDOW).unwrap();
    assert_eq!(files(dir.path()), all);
    records.expire(&Files, 10 + WINDOW + 1).unwrap();
    assert_eq!(files(dir.path()), all - 1);
    let again = Records::open(dir.path(), WINDOW).unwrap();
    assert!(again.read(3, 20).unwrap() == Some(record(3, 15)));
    again.expire(&Files, 195 + WINDOW + 1).unwrap();
    assert_eq!((files(dir.path()), again.next_expiry()), (0, None));
}

#[test]
fn a_second_try_after_a_failed_one_writes_to_the_same_places() {
    let dir = tempfile::tempdir().unwrap();
    let records = Records::open(dir.path(), WINDOW).unwrap();
    let batch: Vec<Record> = (0..10).map(|number| record(number, 0)).collect();
    records.write(&Files, 0, &batch, 0).unwrap();
    // As after a failure past the records: the same leaves again, and the file is too old by now.
    records.write(&Files, 5, &batch[5..], 100).unwrap();
    let more = [record(10, 100)];
    records.write(&Files, 10, &more, 100).unwrap();
    let again = Records::open(dir.path(), WINDOW).unwrap();
    for number in 0..10 {
        assert!(records.read(number, 100).unwrap() == Some(record(number, 0)), "{number}");
        assert!(again.read(number, 100).unwrap() == Some(record(number, 0)), "{number}");
    }
    assert!(again.read(10, 100).unwrap() == Some(record(10, 100)));
}

#[test]
fn what_follows_a_torn_record_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let records = Records::open(dir.path(), WINDOW).unwrap();
    let batch: Vec<Record> = (0..10).map(|number| record(number, 0)).collect();
    records.write(&Files, 0, &batch, 0).unwrap();
    let path = dir.path().join("00000000000000000000.records");
    let mut bytes = fs::read(&path).unwrap();
    bytes[320 * 7 + 50] ^= 1;
    fs::write(&path, bytes).unwrap();
    let again = Records::open(dir.path(), WINDOW).unwrap();
    assert!(again.recover(&Files, 4).unwrap() == batch[4..7]);
    assert_eq!(fs::metadata(&path).unwrap().len(), 320 * 7);
    assert!(again.read(7, 0).unwrap().is_none());
}

/// A disk that refuses everything while it is told to.
struct Refusing(Arc<AtomicBool>);

impl Refusing {
    fn ask(&self) -> io::Result<()> {
        let refuses = self.0.load(Ordering::SeqCst);
        if refuses { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for Refusing {
    fn make_dir(&self, path: &Path, readers: Readers) -> io::Result<()> {
        self.ask().and_then(|()| Files.make_dir(path, readers))
    }
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.ask().and_then(|()| Files.write(path, bytes))
    }
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.ask().and_then(|()| Files.write_at(path, offset, bytes))
    }
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.ask().and_then(|()| Files.truncate(path, length))
    }
    fn sync(&self, path: &Path) -> io::Result<()> {
        self.ask().and_then(|()| Files.sync(path))
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.ask().and_then(|()| Files.sync_dir(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.ask().and_then(|()| Files.rename(from, to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.ask().and_then(|()| Files.remove(path))
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.ask().and_then(|()| Files.remove_dir(path))
    }
}

#[tokio::test]
async fn a_ledger_that_cannot_write_takes_nothing_and_goes_on_when_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("ledger");
    let refuses = Arc::new(AtomicBool::new(false));
    let ledger = Ledger::open_on(Refusing(refuses.clone()), &path, ORIGIN, &SEED, slow()).unwrap();
    let first = append(&ledger, 0);
    proved(&ledger, first).await;
    refuses.store(true, Ordering::SeqCst);
    let second = append(&ledger, 1);
    let failing = Err(AppendError::Failing(io::ErrorKind::StorageFull));
    let shortly = Some(Duration::from_millis(30));
    while ledger.ready() != failing {
        assert!(matches!(ledger.receipt(second, shortly).await, Found::Pending { .. }));
    }
    assert_eq!(ledger.append(sample(2), salt(2)).map(drop), failing);
    assert!(matches!(ledger.receipt(first, None).await, Found::Ready(_)));
    refuses.store(false, Ordering::SeqCst);
    assert_eq!(proved(&ledger, second).await.size, 2);
    let third = append(&ledger, 2);
    assert_eq!(proved(&ledger, third).await.size, 3);
    ledger.close().await;
}
